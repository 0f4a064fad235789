"""Commands of build and install for a fixed layout, and what the ends of commands mean."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from buildfarm.model.errors import StepFailed
from buildfarm.model.job import BuildJob, BuildPart, Environment, SourcePin
from buildfarm.model.outcome import Step
from buildfarm.model.recipe import Build
from buildfarm.model.session import Command, Completed, Ended, Excess, Layout
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact
from buildfarm.steps.build import before, call_hook, failure, hook_request, hook_script, read_wants, spoken
from buildfarm.steps.install import fill

GOLDEN = Path(__file__).parents[2] / "golden" / "commands" / "build.txt"
ROOT = "/home of/s"  # a blank in the path of a session must not make two words
LAYOUT = Layout.at(ROOT, python="/usr/bin/python3.11", tools={"uv": ("/opt/uv",)})
TARGET = Target.parse("cp311-manylinux_2_17_x86_64")
JOB = BuildJob(
    project="demo",
    version="1.0",
    target=TARGET,
    source=SourcePin(artifact=Artifact(name="demo-1.0.tar.gz", size=1, sha256="0" * 64), origin="/demo", epoch=0),
    environment=Environment(name="host", lane="host", target=TARGET, definition={}, test_definition={}),
    part=BuildPart(
        build=Build(
            before=("python 'gen file.py' --to={work}/gen.c", "sed -i s/a{{1}}/b/ setup.py"),
            env={"CFLAGS": "-I{work}/include -DX='{{}}'"},
            config_settings={"setup-args": "-Dblas=none"},
        )
    ),
    backend="backend:api.hooks",
    backend_path=("tools",),
)


def test_commands_are_the_golden_ones() -> None:
    commands = [
        *fill(TARGET, LAYOUT, [f"{LAYOUT.wheelhouse}/setuptools-80-py3-none-any.whl", f"{LAYOUT.wheelhouse}/b.whl"]),
        *before(JOB, LAYOUT),
        call_hook(JOB, LAYOUT),
    ]
    text = "\n".join(
        f"# {each.what}, in {each.cwd}\n"
        + "".join(f"{name}={shlex.quote(value)}\n" for name, value in each.env.items())
        + f"{shlex.join(each.argv)}\n"
        for each in commands
    )
    if os.environ.get("BUILDFARM_REGOLD"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_the_request_of_the_hook_script() -> None:
    assert json.loads(hook_request(JOB, LAYOUT, ("setuptools>=61", "wheel"))) == {
        "source": f"{ROOT}/source",
        "dist": f"{ROOT}/dist",
        "backend": "backend:api.hooks",
        "backend_path": ["tools"],
        "granted": ["setuptools>=61", "wheel"],
        "config_settings": {"setup-args": "-Dblas=none"},
        "result": f"{ROOT}/work/hook.json",
    }


def test_the_script_is_the_one_in_the_package() -> None:
    assert hook_script().startswith(b'"""Calls the hooks of a PEP 517 build backend')


def test_answers_of_the_hook_script() -> None:
    assert read_wants(b'{"wants": ["numpy>=2", "ninja"]}') == ("numpy>=2", "ninja")
    assert read_wants(b'{"wheel": "demo-1.0-py3-none-any.whl"}') == ()


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff", b"[]", b"null", b"[" * 100_000, b'{"wants": 5}', b'{"wants": "numpy"}', b'{"wants": [5]}'),
        *(b'{"wants": null}', b'{"wants": {"numpy": 1}}', b'{"wants": ["\\ud800"]}'),
    ],
    ids=lambda content: content[:20].decode("latin-1"),
)
def test_an_answer_that_the_package_wrote_over_is_the_failure_of_the_package(content: bytes) -> None:
    """Not an exception that ends the worker."""
    with pytest.raises(StepFailed) as caught:
        read_wants(content)
    assert (caught.value.step, caught.value.reason.code) == (Step.BUILD, "no-answer")


COMMAND = Command(argv=("python", "hook.py"), cwd="/", what="build the wheel")
ENDED = {
    (Ended.EXITED, 1): ("exit-code", "could not build the wheel: exit code 1", "what it said is above"),
    (Ended.EXITED, -9): ("exit-code", "could not build the wheel: was killed by signal 9", "what it said is above"),
    (Ended.EXITED, 127): ("missing-program", "could not build the wheel: python is not there", "name a program that"),
    (Ended.WALL, 0): ("wall", "it broke the wall time limit after 61 s", "raise limits.wall in the recipe"),
    (Ended.SILENCE, 0): ("silence", "it broke the silence limit after 61 s", "raise limits.silence in the recipe"),
    (Ended.LOG, 0): ("log", "it broke the log size limit after 61 s", "raise limits.log in the recipe"),
    (Ended.CPU, 0): ("cpu", "it broke the processor time limit after 61 s", "raise limits.cpu in the recipe"),
    (Ended.MEMORY, 0): ("memory", "it broke the memory limit after 61 s", "raise limits.memory in the recipe"),
    (Ended.DISK, 0): ("disk", "it broke the disk limit after 61 s", "raise limits.disk in the recipe"),
    (Ended.PIDS, 0): ("pids", "it broke the process limit after 61 s", "raise limits.pids in the recipe"),
}


@pytest.mark.parametrize("end", ENDED, ids=lambda end: f"{end[0]} {end[1]}")
def test_why_a_command_failed(end: tuple[Ended, int]) -> None:
    done = Completed(command=COMMAND, ended=end[0], exit_code=end[1], seconds=61.2, tail=("a", "b"))
    reason = failure(done)
    code, message, advice = ENDED[end]
    assert not done.ok
    assert reason.code == code
    assert message in reason.message
    assert reason.advice.startswith(advice)
    assert (reason.command, reason.tail) == (COMMAND.argv, ("a", "b"))


def test_a_hook_is_spoken_of_by_its_name_and_everything_else_as_it_is_typed() -> None:
    failed = Completed(command=call_hook(JOB, LAYOUT), ended=Ended.EXITED, exit_code=1, seconds=1)
    asked = replace(failed, tail=('  File "…/build_meta.py", line 333, in get_requires_for_build_wheel',))
    assert spoken(JOB, failure(failed)) == "build_wheel of backend:api.hooks (PEP 517)"
    assert spoken(JOB, failure(asked)) == "get_requires_for_build_wheel of backend:api.hooks (PEP 517)"
    typed = replace(failed, command=before(JOB, LAYOUT)[0])
    assert spoken(JOB, failure(typed)) == shlex.join(typed.command.argv)


@pytest.mark.parametrize(
    ("ended", "used", "limit", "words"),
    [
        (Ended.MEMORY, 512 << 20, 256 << 20, "it used 512 MiB, the limit is 256 MiB (polled)"),
        (Ended.DISK, 3 << 29, 1 << 30, "it used 1.5 GiB, the limit is 1 GiB (polled)"),
        (Ended.PIDS, 101, 99, "it used 101 processes and threads, the limit is 99 processes and threads (polled)"),
        (Ended.CPU, 60.16, 60, "it used 60.2 s of processor time, the limit is 60.0 s of processor time (polled)"),
    ],
)
def test_how_much_was_used_is_said(ended: Ended, used: float, limit: float, words: str) -> None:
    excess = Excess(used=used, limit=limit, measured="polled")
    reason = failure(Completed(command=COMMAND, ended=ended, exit_code=-9, seconds=61, excess=excess))
    assert reason.message == f"could not build the wheel: it broke the {ended} after 61 s: {words}"


def test_each_end_of_a_command_has_words_but_that_of_a_stopped_attempt_which_is_no_failure() -> None:
    assert {end for end, _ in ENDED} == set(Ended) - {Ended.STOPPED}


def test_only_an_exit_code_0_that_was_read_is_success() -> None:
    done = Completed(command=COMMAND, ended=Ended.EXITED, exit_code=0, seconds=1)
    assert done.ok
    assert not replace(done, ended=Ended.STOPPED).ok
