"""The command line as people and scripts meet it: exit codes, documents, messages."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import HERE, Done, Farm

pytestmark = [pytest.mark.host, pytest.mark.network, pytest.mark.slow, pytest.mark.e2e]

SLOW = """    import subprocess
    subprocess.Popen(['setsid', 'sleep', '601'])
    print('here I am', flush=True)
    subprocess.call(['sleep', '601'])
    info = f"""


@pytest.fixture(scope="module")
def well(farm: Farm) -> Done:
    """A project that is well, built once."""
    done = farm.build(farm.project("tinypure", "fine"))
    assert done.code == 0, done.err
    return done


def test_json_is_one_document_and_all_else_goes_to_stderr(well: Done) -> None:
    assert json.loads(well.out).keys() >= {"jobs", "left_out"}
    promised = "key kind name version target outcome step reason log wheel seconds cached"
    assert well.job("fine").keys() >= set(promised.split())
    assert "published" in well.err


def test_a_build_for_people_ends_with_a_table_and_what_to_do_next(farm: Farm, well: Done) -> None:
    done = farm.run("build", "fine.yaml", "--targets", f"{HERE}-*")
    header, row = done.out.splitlines()
    assert header.split() == ["project", "version", "target", "result", "wheel"]
    assert row.split() == ["fine", "1.0", well.job("fine")["target"], "unchanged", "fine-1.0-py3-none-any.whl"]
    assert "pip install --index-url http://127.0.0.1:8420/main/simple/ NAME" in done.err


@pytest.mark.parametrize("width", [60, 200])
def test_no_name_is_cut_on_any_terminal(farm: Farm, well: Done, width: int) -> None:
    seen = on_terminal(farm, width, "build", "fine.yaml", "--targets", f"{HERE}-*")
    status = on_terminal(farm, width, "status")
    for text in (seen, status):
        assert well.job("fine")["target"] in text
        assert "…" not in text
    assert "fine-1.0-py3-none-any.whl" in seen
    assert str(farm.home / "index/main/simple") in seen
    assert well.job("fine")["key"][:12] in status


def on_terminal(farm: Farm, width: int, *words: str) -> str:
    """What a person sees of a call on a terminal of that width, colours left out."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "buildfarm", *words],
        cwd=farm.folder,
        env={**farm.environ, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # how a terminal says that nobody is left on it
            break
        seen += chunk
    process.wait(timeout=60)
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;]*m", "", seen.decode())


# ------------------------------------------------------------------------------------------------ looking at it


def test_plan_says_what_a_build_would_do_and_does_nothing(farm: Farm) -> None:
    recipe = farm.project("tinyc", "planned")
    done = farm.run("plan", recipe, "nothing-of-that-name-here", "--json")
    assert done.code == 1
    assert {job["name"] for job in done.json["jobs"]} == {"planned"}
    assert done.json["left_out"][0]["name"] == "nothing-of-that-name-here"
    assert "planned" not in farm.run("status").out
    shown = farm.run("plan", recipe, "--targets", f"{HERE}-*")
    assert shown.code == 0
    assert re.search(rf"^build +planned +1\.0 +{HERE}-manylinux_2_17_\w+ +in host", shown.out, re.MULTILINE)


def test_status_logs_and_why_tell_the_whole_story(farm: Farm, well: Done) -> None:
    key = well.job("fine")["key"]
    jobs = farm.run("status", "--json").json["jobs"]
    assert [job["state"] for job in jobs if job["key"] == key] == ["succeeded"]
    assert re.search(rf"succeeded +build +fine .*{key[:12]}", farm.run("status").out)

    assert "== build: " in farm.run("logs", key[:12]).out
    assert {Path(each["path"]).exists() for each in farm.run("logs", "fine", "--json").json["logs"]} == {True}

    told = farm.run("why", "fine-1.0-py3-none-any.whl").out
    for fact in (well.job("fine")["wheel"]["sha256"], key, "SOURCE_DATE_EPOCH", "imported fine", "main: published"):
        assert fact in told
    assert farm.run("why", key, "--json").json["wheels"][0]["job"] == key
    assert farm.run("why", "fine", "--json").json == farm.run("why", key, "--json").json


@pytest.mark.parametrize(
    "words",
    [
        ("logs", "nobody"),
        ("logs", "nobody", "--json"),
        ("cancel", "nobody"),
        ("debug", "nobody"),
        ("why", "nobody-1.0-py3-none-any.whl"),
    ],
)
def test_what_the_ledger_does_not_know_is_said(farm: Farm, words: tuple[str, ...]) -> None:
    done = farm.run(*words)
    assert done.code == 2
    assert words[1] in done.err
    assert "buildfarm status" in done.err


def test_config_show_says_where_each_value_came_from(farm: Farm) -> None:
    (farm.folder / "farm.yaml").write_text("jobs: 3\nindex: company/base\n")
    try:
        shown = farm.run("config", "show", "--json", env={"BUILDFARM_INDEX": "company/dev"}).json
    finally:
        (farm.folder / "farm.yaml").unlink()
    assert shown["jobs"] == {"value": "3", "from": f"{farm.folder / 'farm.yaml'}:1"}
    assert shown["index"] == {"value": "company/dev", "from": "BUILDFARM_INDEX"}
    assert shown["parts"]["ledger"] == str(farm.home / "ledger.db")
    assert shown["pip"]["indexes"] or shown["pip"]["find_links"]
    assert shown["home"]["value"] == str(farm.home)
    assert shown["glibc"] == {"value": "2.17", "from": "default"}


# ------------------------------------------------------------------------------------- 2: the recipe or the call


def test_recipe_check_tells_every_error_of_every_file_at_once(farm: Farm) -> None:
    folder = farm.folder / "recipes"
    folder.mkdir()
    (folder / "one.yaml").write_text("name: one\ncolour: red\nwheel: round\n")
    (folder / "two.yaml").write_text("versions: 1.0\n")
    (folder / "three.yaml").write_text("name: three\n")
    done = farm.run("recipe", "check", folder)
    assert done.code == 2
    for place in ("one.yaml:2:1", "one.yaml:3:8", "two.yaml:1:"):
        assert place in done.out
    assert "3 recipes" in done.err
    found = farm.run("recipe", "check", folder, "--json").json
    assert found["files"] == 3
    assert {Path(each["file"]).name for each in found["diagnostics"]} == {"one.yaml", "two.yaml"}
    assert farm.run("recipe", "check", folder / "three.yaml").code == 0
    assert farm.run("build", folder / "one.yaml").code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("build",), "nothing to build"),
        (("build", "not a requirement!"), "not a requirement!"),
        (("build", "./absent"), "absent"),
        (("build", "absent.yaml"), "absent.yaml"),
        (("build", "-r", "absent.txt"), "absent.txt"),
        (("build", "fine.yaml", "--index", "simple"), "'simple' is reserved"),
        (("build", "fine.yaml", "-j", "0"), "-j"),
        (("--isolation", "docker", "build", "fine.yaml"), "not one of auto, bubblewrap, none"),
        (("bake",), "bake"),
    ],
)
def test_a_wrong_call_is_exit_code_2_and_says_what_is_right(
    farm: Farm, well: Done, words: tuple[str, ...], said: str
) -> None:
    done = farm.run(*words)
    assert done.code == 2, done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert not done.out


def test_a_broken_farm_yaml_tells_all_that_is_wrong_with_it(farm: Farm, tmp_path: Path) -> None:
    file = farm.folder / "farm.yaml"
    file.write_text("jobs: many\nglibc: 3.0\ncolour: red\n")
    try:
        done = farm.run("status")
        file.write_text("jobs: [\n")
        unreadable = farm.run("status")
    finally:
        file.unlink()
    assert (done.code, unreadable.code) == (2, 2)
    for place, name in (("1:7", "jobs"), ("2:8", "glibc"), ("3:1", "colour")):
        assert f"{file}:{place}: error" in done.err
        assert name in done.err
    assert str(file) in unreadable.err
    assert "Traceback" not in unreadable.err


# ---------------------------------------------------------------------------------------- 3: the farm is at fault


def test_a_home_that_cannot_be_written_is_the_farms_fault(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = farm.run("--home", tmp_path / "file" / "home", "status")
    assert done.code == 3
    assert str(tmp_path / "file") in done.err
    assert "Traceback" not in done.err


def test_no_interpreter_is_the_farms_fault(farm: Farm, tmp_path: Path) -> None:
    done = farm.run(
        "build", "markupsafe", env={"PATH": str(tmp_path), "HOME": str(tmp_path), "BUILDFARM_HOME": str(tmp_path / "h")}
    )
    assert done.code == 3
    assert "no CPython 3.10 or newer was found on PATH" in done.err


def test_an_upstream_that_is_not_there_is_said(farm: Farm, tmp_path: Path) -> None:
    absent = farm.run("plan", "markupsafe", env={"BUILDFARM_UPSTREAM": str(tmp_path / "absent")})
    assert absent.code == 3
    assert "is no folder" in absent.err
    refused = farm.build("unheardof", env={"BUILDFARM_UPSTREAM": "http://127.0.0.1:9/simple"})
    assert refused.code == 1
    assert "127.0.0.1:9" in refused.json["left_out"][0]["reason"]


# ------------------------------------------------------------------------------------------------ 130: interrupted


@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_hands_back_and_the_same_command_goes_on(
    farm: Farm, tmp_path: Path, word: signal.Signals
) -> None:
    name = f"slow{word.name.lower()}"
    recipe = farm.project("tinypure", name, {"backend.py": ("    info = f", SLOW)})
    process = farm.start("build", recipe, "--targets", f"{HERE}-*")
    wait_for(farm, name)
    process.send_signal(word)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert not out
    assert "stopping: sessions end" in err
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    assert not list((farm.home / "sessions").glob("*/"))
    assert not processes("sleep\x00601")  # no other test sleeps so long
    (job,) = (each for each in farm.run("status", "--json").json["jobs"] if each["name"] == name)
    assert (job["state"], job["attempts"]) == ("queued", 0)

    process = farm.start("build", recipe, "--targets", f"{HERE}-*")  # the same command
    wait_for(farm, name)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert len(farm.run("logs", name, "--json").json["logs"]) == 1


def wait_for(farm: Farm, name: str) -> None:
    """Until the build of that project has said something."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if "here I am" in farm.run("logs", name).out:
            return
        time.sleep(0.3)
    pytest.fail(f"{name} was not built in two minutes")


def processes(command: str) -> list[str]:
    """Processes of this machine with those words in their command line."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [str(each)] if command in each.read_text() else []
        except OSError:
            continue
    return found
