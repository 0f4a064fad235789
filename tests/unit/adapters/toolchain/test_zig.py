from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from buildfarm.adapters.host import zig
from buildfarm.adapters.host.tools import Tools
from buildfarm.adapters.host.zig import ZigCache, target_name
from buildfarm.model.errors import FarmError
from buildfarm.model.target import Target


@pytest.fixture
def cache(tmp_path: Path, said: Any) -> ZigCache:
    """One whose compilers are scripts that put what they were asked for into the cache."""
    compilers = tmp_path / "compilers"
    compilers.mkdir()
    for name in ("zig-cc", "zig-c++", "python"):
        script = "#!/bin/sh\n[ -f probe.c ] || [ -f probe.cc ] || exit 1\nd=$ZIG_GLOBAL_CACHE_DIR/o\n"
        script += f'mkdir -p "$d" && echo "$BUILDFARM_ZIG_TARGET $*" >>"$d/{name}"\n'
        (compilers / name).write_text(script)
        (compilers / name).chmod(0o755)
    tools = Tools(programs=tmp_path, compilers=compilers, python=str(compilers / "python"), empty=tmp_path, readable=())
    return ZigCache(root=tmp_path / "cache", tools=tools, target="x86_64-linux-gnu.2.17", report=said)


def test_the_name_of_a_target() -> None:
    assert target_name(Target.parse("cp311-manylinux_2_17_x86_64")) == "x86_64-linux-gnu.2.17"
    assert target_name(Target.parse("cp311-manylinux_2_28_aarch64")) == "aarch64-linux-gnu.2.28"
    with pytest.raises(FarmError, match="cp311-win_amd64 is none"):
        target_name(Target.parse("cp311-win_amd64"))


def test_a_base_is_warmed_once_for_each_language(cache: ZigCache, said: Any) -> None:
    for language in ("c", "c", "c++", "c", "c++"):
        with cache.slot(language) as slot:
            assert (slot / "o/zig-cc").read_text().startswith("x86_64-linux-gnu.2.17 -O2 -fPIC -c probe.c")
            assert len((slot / "o/zig-cc").read_text().splitlines()) == 4
    assert [each.partition(" after ")[0] for each in said.messages] == [
        "warming zig's cache for c (once, a few seconds) …",
        "zig's cache is warm for c",
        "warming zig's cache for c++ (once, a minute or more: libc++) …",
        "zig's cache is warm for c++",
    ]


def test_a_slot_gets_what_it_lacks_for_another_language(cache: ZigCache) -> None:
    with cache.slot("c") as slot:
        assert not (slot / "o/zig-c++").exists()
    with cache.slot("c++") as slot:
        assert (slot / "o/zig-c++").exists()


def test_two_jobs_are_never_in_one_slot(cache: ZigCache) -> None:
    with cache.slot("c") as first, cache.slot("c") as second:
        assert first != second
        with cache.slot("c") as third:
            assert third not in (first, second)
    with cache.slot("c") as again:
        assert again == first


def test_what_a_job_leaves_stays_in_its_slot(cache: ZigCache) -> None:
    with cache.slot("c") as slot:
        (slot / "o/object").mkdir()
        (slot / "o/object/x.o").touch()
    with cache.slot("c") as slot, cache.slot("c") as other:
        assert (slot / "o/object/x.o").exists()
        assert not (other / "o/object").exists()


def test_a_slot_that_grew_too_big_is_emptied(cache: ZigCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zig, "_FULL", 1000)
    with cache.slot("c") as slot:
        (slot / "o/object").mkdir()
        (slot / "o/object/x.o").write_bytes(bytes(1001))
    with cache.slot("c") as slot:
        assert {path.name for path in (slot / "o").iterdir()} == {"zig-cc"}


def test_a_link_in_a_slot_leads_nowhere(cache: ZigCache, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    with cache.slot("c") as slot:
        (slot / "o/zig-cc").unlink()
        (slot / "o").rmdir()
        (slot / "o").symlink_to(tmp_path / "precious")
    with cache.slot("c") as slot:
        assert not (slot / "o").is_symlink()
    assert list((tmp_path / "precious").iterdir()) == []


def test_a_zig_that_does_not_work_is_said_with_its_own_words(cache: ZigCache) -> None:
    (cache.tools.compilers / "zig-cc").write_text("#!/bin/sh\necho 'no such cpu' >&2; exit 1\n")
    message = r"(?s)zig does not work on this machine: .*-c probe\.c.*no such cpu"
    with pytest.raises(FarmError, match=message), cache.slot("c"):
        pass
    assert not (cache.root / "base-c").exists()


def test_what_a_killed_warming_left_is_no_base(cache: ZigCache) -> None:
    (cache.root / "warming-c/o").mkdir(parents=True)
    (cache.root / "warming-c/o/half").touch()
    with cache.slot("c") as slot:
        assert {path.name for path in (slot / "o").iterdir()} == {"zig-cc"}
    assert {path.name for path in cache.root.iterdir()} == {"base-c", "base-c.lock", "slots"}
