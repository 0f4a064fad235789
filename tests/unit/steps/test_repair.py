"""Commands of repair, and every failure of auditwheel that was seen, by its own words."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from buildfarm.model.job import BuildJob, BuildPart, Environment, SourcePin
from buildfarm.model.recipe import Repair
from buildfarm.model.session import Command, Completed, Ended, Layout
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact
from buildfarm.steps.repair import is_pure, repair, repair_failure, stamp

GOLDEN = Path(__file__).parents[2] / "golden" / "commands" / "repair.txt"
LAYOUT = Layout.at(
    "/s",
    python="/usr/bin/python3.11",
    tools={"auditwheel": ("/opt/python", "-m", "auditwheel"), "wheel": ("/opt/python", "-m", "wheel")},
)
WHEEL = "/s/dist/demo-1.0-cp311-cp311-linux_x86_64.whl"


def job(platform: str = "manylinux_2_17_x86_64", **parts: object) -> BuildJob:
    target = Target(abi="cp311", platform=platform)
    made = BuildJob(
        project="demo",
        version="1.0",
        target=target,
        source=SourcePin(artifact=Artifact(name="demo-1.0.tar.gz", size=1, sha256="0" * 64), origin="/demo", epoch=0),
        environment=Environment(name="host", lane="host", target=target, definition={}, test_definition={}),
    )
    return replace(made, **parts)  # type: ignore[arg-type]


def test_commands_are_the_golden_ones() -> None:
    options = BuildPart(repair=Repair(exclude=("libcuda.so.*", "libnv*"), search=("/opt/a", "/opt/b")))
    commands = [
        repair(job(), LAYOUT, WHEEL),
        repair(job("musllinux_1_2_aarch64", part=options), LAYOUT, WHEEL),
        stamp(job(build_tag=2), LAYOUT, "/s/repaired/demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"),
    ]
    text = "\n".join(f"# {each.what}, in {each.cwd}\n{shlex.join(each.argv)}\n" for each in commands)
    if os.environ.get("BUILDFARM_REGOLD"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "pure"),
    [
        ("demo-1.0-py3-none-any.whl", True),
        ("/s/dist/demo-1.0-1-py2.py3-none-any.whl", True),
        ("demo-1.0-cp311-cp311-linux_x86_64.whl", False),
        ("demo_any-1.0-cp311-cp311-linux_x86_64.whl", False),
    ],
)
def test_only_a_wheel_for_any_platform_is_pure(name: str, pure: bool) -> None:
    assert is_pure(name) is pure


NOT_A_PLATFORM_WHEEL = (
    "This does not look like a platform wheel, no ELF executable or shared library file (including compiled Python C "
    "extension) found in the wheel archive"
)
CANNOT = f'auditwheel: error: cannot repair "{WHEEL}" to "manylinux_2_17_x86_64" ABI because '
SAID = {
    f"INFO:auditwheel.main_repair:Repairing {WHEEL}\nERROR:auditwheel:{NOT_A_PLATFORM_WHEEL}": "no-binaries",
    f"WARNING:auditwheel.wheel_abi:ignoring: _demo.so with glibc libc\n{NOT_A_PLATFORM_WHEEL}": "no-binaries",
    'ValueError: Cannot repair wheel, because required library "farm.so.1" could not be located': "library-not-found",
    f"{CANNOT}of the presence of too-recent versioned symbols. You'll need to compile the wheel on an older "
    "toolchain.": "symbols-too-recent",
    f"{CANNOT}it was compiled against a UCS2 build of Python. You'll need to compile the wheel against a wide-unicode "
    "build of Python.": "exit-code",
    f"{CANNOT}it depends on black-listed symbols.": "symbols-forbidden",
    f"{CANNOT}it depends on unsupported ISA extensions.": "instructions-too-new",
    "auditwheel repair: error: argument --plat: invalid choice: 'manylinux_2_30_x86_64' (choose from 'linux_x86_64', "
    "'manylinux_2_17_x86_64')": "unknown-platform",
    "Invalid binary wheel: no ELF executable or shared library file (including compiled Python C extension) with a "
    "'aarch64' architecture found. The following ELF files were found:\n\t_demo.so": "foreign-architecture",
    f"auditwheel: error: cannot access {WHEEL}. No such file": "exit-code",
    "ValueError: Cannot find required utility 'patchelf' in PATH": "no-patchelf",
    "couldn't detect libc for python extension _demo.abi3.so": "no-libc",
    "Traceback (most recent call last):\nZeroDivisionError": "exit-code",
}


@pytest.mark.parametrize(("said", "code"), SAID.items(), ids=[text[-40:] for text in SAID])
def test_what_a_failure_means(said: str, code: str) -> None:
    command = Command(argv=("auditwheel", "repair", WHEEL), cwd="/s/work", what="repair the wheel")
    done = Completed(command=command, ended=Ended.EXITED, exit_code=1, seconds=1, tail=tuple(said.splitlines()))
    reason = repair_failure(job(), done)
    assert reason.code == code
    assert "{" not in reason.message + reason.advice
    assert reason.advice
    assert (reason.command, reason.tail) == (command.argv, done.tail)


def test_the_message_names_the_library_and_the_platform() -> None:
    command = Command(argv=("auditwheel",), cwd="/", what="repair the wheel")
    library, recent = (text for text, code in SAID.items() if code in ("library-not-found", "symbols-too-recent"))
    done = Completed(command=command, ended=Ended.EXITED, exit_code=1, seconds=1, tail=(library,))
    assert repair_failure(job(), done).message == "the wheel needs farm.so.1, which is not in the session"
    message = repair_failure(job(), replace(done, tail=(recent,))).message
    assert message == "its binaries use symbols newer than manylinux_2_17_x86_64 admits"


@pytest.mark.parametrize(
    ("platform", "code"), [("manylinux_2_30_x86_64", "unknown-platform"), ("manylinux_2_17_x86_64", "no-binaries")]
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="auditwheel runs on Linux")
def test_the_auditwheel_that_is_installed_still_says_so(tmp_path: Path, platform: str, code: str) -> None:
    wheel = tmp_path / "demo-1.0-cp311-cp311-linux_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("demo.py", "")
        archive.writestr("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp311-cp311-linux_x86_64\n")
        archive.writestr("demo-1.0.dist-info/RECORD", "demo.py,,\n")
    layout = replace(LAYOUT, repaired=str(tmp_path / "out"), tools={"auditwheel": (sys.executable, "-m", "auditwheel")})
    command = repair(job(platform), layout, str(wheel))
    ran = subprocess.run(command.argv, capture_output=True, text=True, check=False)
    tail = tuple((ran.stdout + ran.stderr).splitlines())
    done = Completed(command=command, ended=Ended.EXITED, exit_code=ran.returncode, seconds=1, tail=tail)
    assert not done.ok
    assert repair_failure(job(platform), done).code == code, tail
