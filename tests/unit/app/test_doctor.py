"""The doctor: what it makes of what it finds, without asking a network or a person."""

from __future__ import annotations

import io
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.adapters.sql.migrations import MIGRATIONS
from buildfarm.app.doctor import home, index, programs, python
from buildfarm.app.doctor.examine import examine
from buildfarm.app.doctor.patient import Patient, said
from buildfarm.app.doctor.report import APT, FIX, Check, Group, Report, State
from buildfarm.app.doctor.show import show
from buildfarm.app.settings import read_settings
from buildfarm.model.errors import FarmError


def patient(folder: Path, **environ: str) -> Patient:
    settings = read_settings({}, Path("/nowhere"), {"home": str(folder / "home")})
    environ = {"PATH": "", "PIP_CONFIG_FILE": os.devnull, **environ}
    return Patient(settings=settings, environ=environ, system=folder)


def found(checks: Iterator[Check], name: str) -> Check:
    return next(each for each in checks if each.name == name)


def report(*checks: Check) -> Report:
    return Report(groups=(Group(name="All", checks=checks),))


def check(state: State, *, vital: bool = False, fix: str = "", root: bool = False) -> Check:
    return Check(name="it", state=state, message="it is", fix=fix, root=root, vital=vital)


# ----------------------------------------------------------------------------------------------------- the report


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ((check(State.OK), check(State.WARNING), check(State.MISSING)), 0),
        ((check(State.MISSING, vital=True),), 1),
        ((check(State.MISSING, vital=True), check(State.BROKEN)), 3),
    ],
)
def test_the_exit_code_says_whether_something_can_be_built(checks: tuple[Check, ...], code: int) -> None:
    assert report(*checks).exit_code == code
    assert report(*checks).to_plain()["can_build"] is (code == 0)


def test_what_needs_root_is_one_command() -> None:
    fixes = (f"{APT}git", "sysctl -w a=1", f"{APT}bubblewrap", f"{APT}git")
    checks = [check(State.MISSING, fix=fix, root=True) for fix in fixes]
    assert report(*checks, check(State.MISSING, fix=FIX)).as_root == f"{APT}git bubblewrap && sysctl -w a=1"
    assert report(check(State.MISSING, fix=FIX)).as_root == ""


def test_no_line_leaves_a_narrow_page_but_for_what_is_copied() -> None:
    long = Check(name="it", state=State.WARNING, message="word " * 40, fix="a command " * 12)
    file = io.StringIO()
    show(report(long, check(State.BROKEN)), Console(file=file, width=80))
    lines = file.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines if "a command" not in line)
    assert sum("a command" in line for line in lines) == 1
    assert any("broken: it is" in line for line in lines)


def test_what_does_not_answer_is_left_behind_and_said(tmp_path: Path) -> None:
    seen_already = threading.Event()

    def slow(_patient: Patient) -> Iterator[Check]:
        seen_already.wait(10)
        yield check(State.OK)

    def broken(_patient: Patient) -> Iterator[Check]:
        yield check(State.OK)
        raise FarmError("pip's configuration cannot be read")

    seen = examine(patient(tmp_path), {"Slow": slow, "Broken": broken}, patience=0.2)
    seen_already.set()
    assert [each.state for each in seen.checks] == [State.WARNING, State.BROKEN]
    assert "0.2 s" in seen.checks[0].message


# ------------------------------------------------------------------------------------------------------- the home


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    checks = list(home.look(patient(tmp_path)))
    assert found(iter(checks), "home").fix == FIX
    assert found(iter(checks), "ledger").state is State.NOTE
    assert not (tmp_path / "home").exists()


def test_a_home_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    assert found(home.look(patient(tmp_path)), "file system").state is State.OK
    assert list((tmp_path / "home").iterdir()) == []


def test_a_file_in_the_place_of_the_home_breaks_the_farm(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    (only,) = home.look(patient(tmp_path))
    assert only.state is State.BROKEN
    assert "BUILDFARM_HOME" in only.message


def test_the_ledger_is_read_and_never_migrated(tmp_path: Path) -> None:
    file = tmp_path / "home" / "ledger.db"
    file.parent.mkdir()
    Ledger(f"sqlite:///{file}").database.close()
    known = MIGRATIONS[-1][0]
    assert found(home.look(patient(tmp_path)), "ledger").message == f"version {known}, 0 jobs"
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE migrations SET number = number + 100")
    connection.close()
    newer = found(home.look(patient(tmp_path)), "ledger")
    assert (newer.state, "install a newer buildfarm" in newer.message) == (State.BROKEN, True)
    file.write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    assert found(home.look(patient(tmp_path)), "ledger").state is State.BROKEN


# ---------------------------------------------------------------------------------------------- index and programs


def test_an_index_that_cannot_be_reached_is_named_without_its_password(tmp_path: Path) -> None:
    checks = list(index.look(patient(tmp_path, PIP_INDEX_URL="http://me:secret@127.0.0.1:9/simple")))
    asked = found(iter(checks), "index")
    assert asked.state is State.MISSING
    assert asked.message.startswith("http://***@127.0.0.1:9/simple: ")
    assert not any("secret" in each.message for each in checks)
    assert found(iter(checks), "reachable").vital


def test_a_folder_of_files_is_enough(tmp_path: Path) -> None:
    (tmp_path / "demo-1.0.tar.gz").write_text("")
    checks = list(index.look(patient(tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))))
    assert [(each.name, each.state) for each in checks] == [("find-links", State.OK), ("clock", State.NOTE)]


def test_without_apt_no_command_of_apt_is_told(tmp_path: Path) -> None:
    git = found(programs.look(patient(tmp_path)), "git")
    assert (git.state, git.fix) == (State.MISSING, "")


def test_a_machine_without_an_interpreter_can_build_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildfarm.app.wiring.interpreters.discover", lambda *_: ())
    (only,) = python.look(patient(tmp_path))
    assert (only.name, only.vital, only.state) == ("targets", True, State.MISSING)


def test_a_program_that_cannot_be_asked_is_quoted() -> None:
    assert "No such file" in said("/nowhere/at-all")
    assert said("sh", "-c", "echo one; echo two") == "two"
