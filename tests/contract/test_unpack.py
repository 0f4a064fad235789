"""Whatever somebody packs: a session refuses it and writes nothing, or holds exactly what it is said to hold."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from buildfarm.adapters.host.provision import Provision
from buildfarm.adapters.host.runner import HostRunner
from buildfarm.adapters.memory import MemoryStore
from buildfarm.adapters.memory_runner import ROOT, MemorySession
from buildfarm.model.errors import StepFailed, Unavailable
from buildfarm.model.job import Environment
from buildfarm.model.outcome import Step
from buildfarm.model.session import Archive, Purpose, SessionSpec
from buildfarm.model.target import Target
from buildfarm.ports import Session
from buildfarm.steps.archive import unpacked

SPEC = SessionSpec(
    attempt="attempt",
    owner="us",
    purpose=Purpose.BUILD,
    environment=Environment(
        name="x",
        lane="x",
        target=Target(abi="cp311", platform="manylinux_2_17_x86_64"),
        definition={},
        test_definition={},
    ),
)

names = st.sampled_from(
    ["a", "b", "A", "é", "e\u0301", "l", "..", ".", "", "aux", "x.", "\\", "c:", "\0", "\x1b", "-rf"]
)
paths = st.builds(
    "{}{}".format, st.sampled_from(["p/", "p/", "p/", "", "/"]), st.lists(names, min_size=1, max_size=3).map("/".join)
)
kinds = st.sampled_from(
    [
        tarfile.REGTYPE,
        tarfile.REGTYPE,
        tarfile.DIRTYPE,
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.FIFOTYPE,
    ]
)
members = st.lists(st.tuples(paths, kinds, paths), max_size=5)


def as_tar(found: list[tuple[str, bytes, str]]) -> tuple[str, bytes]:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, link in found:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, link, 0o6777
            info.size = 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(b"data"))
    return "p-1.0.tar.gz", packed.getvalue()


def as_zip(found: list[tuple[str, bytes, str]]) -> tuple[str, bytes]:
    packed = io.BytesIO()
    modes = {tarfile.SYMTYPE: stat.S_IFLNK, tarfile.FIFOTYPE: stat.S_IFIFO, tarfile.CHRTYPE: stat.S_IFCHR}
    with zipfile.ZipFile(packed, "w") as archive:
        for name, kind, link in found:
            info = zipfile.ZipInfo("x" * len(name))
            info.filename = f"{name}/" if kind == tarfile.DIRTYPE else name
            info.external_attr = (modes.get(kind, stat.S_IFREG) | 0o6777) << 16
            archive.writestr(info, link if kind == tarfile.SYMTYPE else b"data")
    return "p-1.0.zip", packed.getvalue()


def on_disk(folder: Path) -> dict[str, tuple[str, bytes]]:
    """What lies below a folder: kind and content (of a link its target) by path; folders only if they are empty."""
    found: dict[str, tuple[str, bytes]] = {}
    for above, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(above, name)
            where = str(path.relative_to(folder))
            if path.is_symlink():
                found[where] = ("link", os.fsencode(path.readlink()))
            elif path.is_file():
                assert not path.stat().st_mode & 0o7022
                found[where] = ("file", path.read_bytes())
            elif not any(path.iterdir()):
                found[where] = ("folder", b"")
    return found


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def session(store: MemoryStore, tmp_path: Path) -> Iterator[Session]:
    nothing = nullcontext(Provision(python="python", tools={}))
    with HostRunner(tmp_path, store, lambda _: nothing, None).open(SPEC, print, lambda: False) as session:
        yield session


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=members, pack=st.sampled_from([as_tar, as_zip]))
def test_all_or_nothing_is_written(
    found: list[tuple[str, bytes, str]],
    pack: Callable[[list[tuple[str, bytes, str]]], tuple[str, bytes]],
    session: Session,
    store: MemoryStore,
) -> None:
    name, content = pack(found)
    source = Archive(artifact=store.put(name, io.BytesIO(content)))
    before = on_disk(Path(session.layout.root))
    with TemporaryDirectory(dir=session.layout.work) as below:
        failed: StepFailed | None = None
        try:
            session.put(f"{below}/source", source)
        except StepFailed as error:
            failed = error
        if failed is not None:
            assert (failed.step, failed.reason.code) == (Step.PREPARE, "archive")
            assert on_disk(Path(below)) == {}
        else:
            said = {
                each.path: (each.kind, each.target.encode() if each.kind == "link" else each.open().read())
                for each in unpacked(source, store.open)
            }
            above = {str(parent) for path in said for parent in Path(path).parents}
            assert on_disk(Path(below, "source")) == {path: each for path, each in said.items() if path not in above}
            root = Path(below, "source").resolve()
            for path in Path(below, "source").rglob("*"):
                assert Path(os.path.realpath(path)).is_relative_to(root)  # resolve() raises for a link to itself
    assert on_disk(Path(session.layout.root)) == before


@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(max_examples=100, deadline=None)
@given(found=members, pack=st.sampled_from([as_tar, as_zip]))
@example(found=[("", b"0", "p/a")], pack=as_zip)
def test_in_memory_too(
    found: list[tuple[str, bytes, str]], pack: Callable[[list[tuple[str, bytes, str]]], tuple[str, bytes]]
) -> None:
    name, content = pack(found)
    store = MemoryStore()
    source = Archive(artifact=store.put(name, io.BytesIO(content)))
    session = MemorySession(store, lambda _, __: (0, b""), SPEC, print, lambda: False)
    try:
        said = {
            f"{ROOT}/source/{each.path}": each.open().read()
            for each in unpacked(source, store.open)
            if each.kind == "file"
        }
    except Unavailable:
        with pytest.raises(StepFailed):
            session.put(f"{ROOT}/source", source)
        assert session.files == {}
    else:
        session.put(f"{ROOT}/source", source)
        assert session.files == said
