from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from buildfarm.adapters.host import userland as module
from buildfarm.adapters.host.userland import userland


def fake(folder: Path, **tools: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in tools.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system of three folders, in the order in which they are searched."""
    monkeypatch.setattr(module, "_FROM", tuple(str(tmp_path / name) for name in ("first", "second")))
    fake(tmp_path / "first", sh="#!/bin/sh\necho first", gcc="", python3="", make="")
    fake(tmp_path / "second", sh="second", ls="busybox")
    (tmp_path / "second" / "cat").symlink_to("ls")
    (tmp_path / "second" / "sed").write_text("not executable")
    return tmp_path


def test_plain_tools_are_copied_and_nothing_else(system: Path) -> None:
    folder = userland(system / "tools")
    tools = folder / "bin"
    assert sorted(tool.name for tool in tools.iterdir()) == ["cat", "ls", "sh"]
    assert subprocess.run([tools / "sh"], capture_output=True, check=True).stdout == b"first\n"
    assert (tools / "cat").samefile(tools / "ls"), "one file under many names is copied once"
    assert not (tools / "cat").is_symlink()
    assert not (tools / "sh").stat().st_mode & 0o222
    assert "build:x:1000" in (folder / "etc" / "passwd").read_text()


def test_it_is_made_once_and_anew_after_an_upgrade(system: Path) -> None:
    tools = system / "tools"
    before = userland(tools)
    made = before.stat().st_mtime_ns
    assert userland(tools) == before
    assert before.stat().st_mtime_ns == made
    (system / "first" / "sh").write_text("#!/bin/sh\necho upgraded")
    after = userland(tools)
    assert after != before
    assert sorted(tools.iterdir()) == sorted([before, after]), "nothing is left lying about"


def test_no_compiler_is_on_the_list() -> None:
    forbidden = "cc gcc g++ c++ clang ld as ar make cmake git pkg-config python python3 pip uv"
    assert not set(forbidden.split()) & set(module._NAMES)
    assert not [name for name in module._NAMES if name.endswith("-config")]
