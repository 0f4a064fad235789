"""Programs that run in containers, here as they are started there: by an interpreter that knows nothing of us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from buildfarm.adapters.container.inside import program, watch
from buildfarm.adapters.container.inside import take as taking


def take(root: Path, most: int, *globs: str) -> bytes:
    argv = [sys.executable, "-I", "-S", "-c", program("dumpable", "take"), str(root), str(most), *globs]
    return subprocess.run(argv, check=True, capture_output=True).stdout


def test_the_shim_is_one_program_that_needs_nothing_of_ours() -> None:
    source = program("dumpable", "output", "watch", "shim").removesuffix("main()\n") + "print('read')\n"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", source], check=True, capture_output=True)
    assert done.stdout == b"read\n"


def test_what_matches_is_sent_by_name(tmp_path: Path) -> None:
    for name, content in (("b.whl", b"bb"), ("a.whl", b""), (".c.whl", b"c"), ("d.txt", b"d")):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "e.whl").symlink_to("b.whl")
    (tmp_path / "f.whl").mkdir()
    os.mkfifo(tmp_path / "g.whl")
    assert take(tmp_path, 10, "*.whl") == b"0 a.whl\x002 b.whl\x00bb"
    assert take(tmp_path, 10, ".c.whl") == b"1 .c.whl\x00c"
    assert take(tmp_path, 10, "e.whl") == take(tmp_path, 10, "none") == b""


def test_no_link_is_followed_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_bytes(b"a")
    (tmp_path / "away").symlink_to("real")
    assert take(tmp_path, 10, "real", "a") == take(tmp_path, 10, "*", "a") == b"1 a\x00a"
    assert take(tmp_path, 10, "away", "a") == b""


def test_what_is_too_much_is_only_counted(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(1 << 40)
    assert take(tmp_path, 1 << 20, "?") == b"2199023255552\x00"


def test_a_file_that_grows_meanwhile_is_sent_as_it_was(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    seen = os.fstat

    def grow(descriptor: int) -> os.stat_result:
        found = seen(descriptor)
        with (tmp_path / "a").open("ab") as file:
            file.write(b"more")
        return found

    monkeypatch.setattr(os, "fstat", grow)
    taking.take(str(tmp_path), 100, ["a"])
    monkeypatch.undo()
    size, _, rest = capfdbinary.readouterr().out.partition(b" a\0")
    assert len(rest) == int(size) < (tmp_path / "a").stat().st_size


@pytest.mark.parametrize(("fell", "broken"), [(2000, "disk"), (500, "full")])
def test_a_full_disk_is_whose_use_filled_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fell: int, broken: str
) -> None:
    monkeypatch.setattr(watch, "free", lambda _: watch._RESERVE - 1 + fell)
    over = watch.Watch(str(tmp_path), disk=1000, cpu=1e9, logged=0)
    monkeypatch.setattr(watch, "free", lambda _: watch._RESERVE - 1)
    monkeypatch.setattr(over, "_due", 0.0)
    assert over.breaks(0)
    assert over.said(0)["broken"] == broken


def test_open_files_without_a_name_are_weighed_once(tmp_path: Path) -> None:
    before = watch.nameless(str(tmp_path))
    with (tmp_path / "file").open("wb", 0) as file:
        file.write(bytes(1 << 20))
        assert watch.nameless(str(tmp_path)) == before
        (tmp_path / "file").unlink()
        with os.fdopen(os.dup(file.fileno()), "rb"):
            assert (1 << 20) <= watch.nameless(str(tmp_path)) - before < (2 << 20)


def test_a_weighing_that_is_always_ended_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "started", lambda *_: (0, 7))
    monkeypatch.setattr(watch, "answer", lambda _: (b"0\n", -9))
    monkeypatch.setattr(watch, "free", lambda _: 1 << 40)
    over = watch.Watch(str(tmp_path), disk=1000, cpu=1e9, logged=0)
    for _ in range(watch._UNHEARD):
        monkeypatch.setattr(over, "_due", 0.0)
        monkeypatch.setattr(over, "_weigh_at", 0.0)
        assert not over.breaks(0)
        over.read([7])
    monkeypatch.setattr(over, "_due", 0.0)
    assert over.breaks(0)
    assert over.said(0)["broken"] == "disk"
