"""Programs that run in containers, here as they are started there: by an interpreter that knows nothing of us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from buildfarm.adapters.container.inside import program


def take(root: Path, most: int, *globs: str) -> bytes:
    argv = [sys.executable, "-I", "-S", "-c", program("take"), str(root), str(most), *globs]
    return subprocess.run(argv, check=True, capture_output=True).stdout


def test_the_shim_is_one_program_that_needs_nothing_of_ours() -> None:
    source = program("output", "watch", "shim").removesuffix("main()\n") + "print('read')\n"
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
