"""What making images refuses before it begins, and how files get from one image into another."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import tarfile
from pathlib import Path

import pytest

from buildfarm.adapters.container.making.archive import Archive
from buildfarm.adapters.container.making.scripts import script
from buildfarm.adapters.container.making.taken import content, copied
from buildfarm.model.errors import FarmError


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FarmError) as caught:
        Archive(home=tmp_path, environ={"PATH": str(tmp_path)}).demand("bullseye")
    said = str(caught.value).splitlines()
    assert "debootstrap is not installed: `apt-get install debootstrap`" in said
    assert any("needs root" in line for line in said) == (os.geteuid() != 0)


def test_a_machine_without_apt_is_told_what_to_do_instead(tmp_path: Path) -> None:
    with pytest.raises(FarmError, match=r"apt-get is not there: .*name an image of a registry"):
        Archive(home=tmp_path, environ={"PATH": str(tmp_path)}).mirror("bullseye")


def test_the_newest_source_that_can_still_be_fetched_is_taken_and_kept(tmp_path: Path) -> None:
    """The index lists a version that the pool has no more, as mirrors do."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {
        "apt-get": 'echo "$*" >>"$CALLS"; case "$*" in *update) ;; '
        "*python3.13=3.13.15-1) echo got >python3.13_3.13.15.orig.tar.xz;; *) exit 100;; esac",
        "apt-cache": "printf 'Version: 3.13.9-1\\nVersion: 3.13.18-1\\nVersion: 3.13.15-1\\n'",
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    environ = {"PATH": f"{programs}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls")}
    archive = _Mirrored(home=tmp_path / "home", environ=environ)
    version, path = archive.source("python3.13", ("trixie",))
    assert (version, path.read_text()) == ("3.13.15", "got\n")
    calls = (tmp_path / "calls").read_text()
    assert archive.source("python3.13", ("trixie",)) == (version, path)
    assert (tmp_path / "calls").read_text() == calls
    with pytest.raises(FarmError, match=r"no source of python9 in trixie"):
        archive.source("python9", ("trixie",))


class _Mirrored(Archive):
    """apt's helper is no program of PATH."""

    __slots__ = ()

    def mirror(self, release: str) -> str:
        return f"http://mirror.example/{release}"


def test_arguments_of_scripts_arrive_as_they_are() -> None:
    text = script("tools", "a b", "$HOME").splitlines()[0]
    said = subprocess.run(["sh", "-ec", f'{text}\nprintf "%s|" "$@"'], capture_output=True, text=True, check=True)
    assert said.stdout == "a b|$HOME|"
    assert shlex.split(text)[2:] == ["a b", "$HOME"]


def test_what_is_copied_keeps_its_links() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        python = tarfile.TarInfo("cp/python")
        python.size = 4
        archive.addfile(python, io.BytesIO(b"code"))
        for name, kind, link in (("hard", tarfile.LNKTYPE, "cp/python"), ("soft", tarfile.SYMTYPE, "python")):
            member = tarfile.TarInfo(f"cp/{name}")
            member.type, member.linkname = kind, link
            archive.addfile(member)
    packed.seek(0)
    moved = io.BytesIO()
    with tarfile.open(fileobj=packed) as source, tarfile.open(fileobj=moved, mode="w") as to:
        copied(source, to, "/opt")
    moved.seek(0)
    with tarfile.open(fileobj=moved) as archive:
        assert [(each.name, each.linkname) for each in archive] == [
            ("opt/cp/python", ""),
            ("opt/cp/hard", "opt/cp/python"),
            ("opt/cp/soft", "python"),
        ]
        assert content(archive) == "code"
