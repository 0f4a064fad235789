"""Environments of CPython 2.7: made and filled by what was its own time's."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from buildfarm.model.session import Layout
from buildfarm.model.target import Target
from buildfarm.steps.install import fill, requires

GOLDEN = Path(__file__).parents[2] / "golden" / "commands" / "python27.txt"
LAYOUT = Layout.at("/home of/s", python="/usr/bin/python2.7", tools={"uv": ("/opt/uv",)})
TARGET = Target.parse("cp27mu-manylinux_2_28_x86_64")
BROUGHT = ("pip-20.3.4-py2.py3-none-any.whl", "virtualenv-16.7.12-py2.py3-none-any.whl")


def wheels(*names: str) -> list[str]:
    return [f"{LAYOUT.wheelhouse}/{name}" for name in names]


def test_commands_are_the_golden_ones() -> None:
    commands = fill(TARGET, LAYOUT, wheels(*BROUGHT, "setuptools-44.1.1-py2.py3-none-any.whl"))
    text = "\n".join(
        f"# {each.what}, in {each.cwd}\n"
        + "".join(f"{name}={shlex.quote(value)}\n" for name, value in each.env.items())
        + f"{shlex.join(each.argv)}\n"
        for each in commands
    )
    if os.environ.get("BUILDFARM_REGOLD"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_an_environment_without_anything_is_only_made() -> None:
    (make,) = fill(TARGET, LAYOUT, wheels(*BROUGHT))
    assert make.what == "make the environment"


def test_what_is_required_of_a_lock() -> None:
    assert requires(TARGET) == ("pip", "virtualenv")
    assert requires(Target.parse("cp313-manylinux_2_17_x86_64")) == ()
