from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from buildfarm.adapters.host import interpreters
from buildfarm.adapters.host.interpreters import Interpreter, discover, probe
from buildfarm.model.errors import FarmError


class Machine:
    """Interpreters that never ran: files that are no programs, with their answers already in the cache."""

    def __init__(self, root: Path, like: Interpreter) -> None:
        self.home, self.cache = root / "home", root / "cache.json"
        self._root, self._like = root, like
        self._answers: dict[str, object] = {}

    def add(self, place: str, version: str, **answer: object) -> str:
        path = self._root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x7fELF of " + place.encode())
        path.chmod(0o755)
        status = path.stat()
        said = replace(self._like, executable=str(path), version=version, abi="cp" + "".join(version.split(".")[:2]))
        plain = {**asdict(said), "implementation": "cpython", "debug": False, **answer}
        self._answers[f"{path}:{status.st_size}:{status.st_mtime_ns}"] = plain
        self.cache.write_text(json.dumps({"probe": interpreters._PROBE, "answers": self._answers}))
        return str(path)

    def discover(self, *folders: str) -> list[str]:
        path = os.pathsep.join(str(self._root / folder) for folder in folders)
        found = discover(path, self.home, self.cache)
        return [str(Path(each.executable).relative_to(self._root)) for each in found]


@pytest.fixture
def machine(tmp_path: Path, interpreter: Interpreter) -> Machine:
    return Machine(tmp_path, interpreter)


def test_the_first_on_the_path_wins_then_the_newest_patch_release(machine: Machine) -> None:
    machine.add("b/python3.12", "3.12.9")
    machine.add("a/python3.12", "3.12.1")
    machine.add("home/.pyenv/versions/3.12.11/bin/python3.12", "3.12.11")
    machine.add("home/.pyenv/versions/3.13.2/bin/python3.13", "3.13.2")
    machine.add("home/.local/share/uv/python/cpython-3.13.10/bin/python3.13", "3.13.10")
    assert machine.discover("a", "b") == ["a/python3.12", "home/.local/share/uv/python/cpython-3.13.10/bin/python3.13"]


def test_interpreters_are_in_the_order_of_their_versions(machine: Machine) -> None:
    for version in ("3.10.1", "3.9.1", "3.13.0"):
        machine.add(f"a/python{version.rpartition('.')[0]}", version)
    assert machine.discover("a") == ["a/python3.9", "a/python3.10", "a/python3.13"]


def test_a_free_threaded_interpreter_is_another_one(machine: Machine) -> None:
    machine.add("a/python3.14", "3.14.0")
    machine.add("a/python3.14t", "3.14.0", abi="cp314t")
    assert machine.discover("a") == ["a/python3.14", "a/python3.14t"]


def test_a_final_release_comes_before_its_candidates(machine: Machine) -> None:
    machine.add("home/.pyenv/versions/3.14.0/bin/python3.14", "3.14.0")
    machine.add("home/.pyenv/versions/3.14.0rc3/bin/python3.14", "3.14.0-candidate")
    assert machine.discover() == ["home/.pyenv/versions/3.14.0/bin/python3.14"]


@pytest.mark.parametrize("answer", [{"debug": True}, {"implementation": "pypy"}])
def test_debug_builds_and_other_implementations_are_left_out(machine: Machine, answer: dict[str, object]) -> None:
    machine.add("a/python3.12", "3.12.1", **answer)
    assert machine.discover("a") == []


def test_what_is_too_old_is_left_out(machine: Machine) -> None:
    machine.add("a/python3", "3.8.20")
    assert machine.discover("a") == []


def test_virtual_environments_and_shims_are_left_out(machine: Machine, tmp_path: Path) -> None:
    machine.add("venv/bin/python3.12", "3.12.1")
    (tmp_path / "venv/pyvenv.cfg").touch()
    shim = tmp_path / "shims/python3.12"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\necho do not ask me >&2; exit 1\n")
    shim.chmod(0o755)
    assert machine.discover("venv/bin", "shims") == []


def test_links_lead_to_one_interpreter(machine: Machine, tmp_path: Path) -> None:
    machine.add("a/python3.12", "3.12.1")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/python3").symlink_to(tmp_path / "a/python3.12")
    assert machine.discover("b", "a") == ["a/python3.12"]


def test_a_relative_or_absent_folder_on_the_path_is_passed_over(tmp_path: Path) -> None:
    assert discover(os.pathsep.join(["", ".", str(tmp_path / "absent")]), tmp_path, tmp_path / "cache") == ()


def test_a_changed_file_is_asked_again(machine: Machine, tmp_path: Path) -> None:
    machine.add("a/python3.12", "3.12.1")
    (tmp_path / "a/python3.12").write_bytes(b"\x7fELF, but nothing that runs")
    assert machine.discover("a") == []


@pytest.mark.parametrize("content", ["", "[]", '{"probe": "another"}'])
def test_this_interpreter(tmp_path: Path, content: str) -> None:
    real = Path(sys.executable).resolve()
    name = f"python3.{sys.version_info[1]}"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / name).symlink_to(real)
    (tmp_path / "cache").write_text(content)
    asked = discover(str(tmp_path / "bin"), tmp_path, tmp_path / "cache")
    assert [each.executable for each in asked] == [str(real)]
    assert asked[0].abi.startswith(f"cp3{sys.version_info[1]}")
    assert asked[0].version == ".".join(map(str, sys.version_info[:3]))
    assert asked[0].arch == os.uname().machine
    assert Path(asked[0].stdlib, "os.py").exists()
    assert discover(str(tmp_path / "bin"), tmp_path, tmp_path / "cache") == asked


def test_the_interpreter_of_a_virtual_environment_is_its_base() -> None:
    assert probe(sys.executable).executable == str(Path(sys.executable).resolve())


def test_what_is_no_interpreter_is_refused() -> None:
    with pytest.raises(FarmError, match=r"/bin/sh is no working CPython 3\.9 or later"):
        probe("/bin/sh")


def test_files_of_a_prefix_of_its_own_and_of_a_shared_one(interpreter: Interpreter) -> None:
    assert interpreter.files == (interpreter.prefix,)
    shared = replace(interpreter, prefix="/usr", executable="/bin/sh", library="/absent")
    assert shared.files == ("/bin/sh", interpreter.include)
