"""All files are written, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildfarm.app.rewriting import Rewrite, text_of, write_all
from buildfarm.model.errors import RecipeError


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_line_ends_modes_and_links_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    real.write_bytes(b"name: six\r\n")
    real.chmod(0o640)
    link.symlink_to(real)
    write_all([Rewrite(path=link, before=text_of(link), after="name: seven\r\n")])
    assert link.is_symlink()
    assert real.read_bytes() == b"name: seven\r\n"
    assert real.stat().st_mode & 0o777 == 0o640
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("bad", ["changed", "gone"])
def test_one_that_cannot_be_written_stops_all(tmp_path: Path, bad: str) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("name: a\n")
    second.write_text("name: b\n")
    rewrites = [Rewrite(path=path, before=text_of(path), after="name: c\n") for path in (first, second)]
    if bad == "gone":
        second.unlink()
    else:
        second.write_text("name: mine\n")
    before = files(tmp_path)
    with pytest.raises(RecipeError, match=r"b\.yaml"):
        write_all(rewrites)
    assert files(tmp_path) == before


def test_what_does_not_change_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: a\n")
    before = path.stat()
    write_all([Rewrite(path=path, before="name: a\n", after="name: a\n")])
    assert path.stat().st_ino == before.st_ino


def test_what_is_no_text_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xff")
    with pytest.raises(RecipeError, match="UTF-8"):
        text_of(path)
