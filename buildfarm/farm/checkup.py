"""The tree held against the events, byte for byte: what is missing, what differs, what should not be; and mended."""

from __future__ import annotations

import gzip
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.distribution import read_distribution
from buildfarm.farm.lay_out import lay_out_anew
from buildfarm.farm.publish import FILES, WANTED, place_of
from buildfarm.farm.render import PAGES, catch_up, written
from buildfarm.model.events import DocsPublished, FilePublished, IndexEvent
from buildfarm.model.index import Index, awaited, closure, depth
from buildfarm.model.wheel import Artifact
from buildfarm.pages.addresses import SERIAL
from buildfarm.pages.documents import last_said
from buildfarm.pages.project import File, Project, held, merged
from buildfarm.pages.simple import render_project, render_root

_CHUNK = 1 << 20
_FILES = FilePublished | DocsPublished
_FORMS = ("index.html", "index.html.gz", "index.json", "index.json.gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A path of the tree and what is wrong with it: ``missing``, ``differs`` or ``stray``.

    ``page`` are the bytes that should be there, ``file`` those of the store that should; None, None: nothing should.
    """

    path: str
    what: str
    page: bytes | None = None
    file: Artifact | None = None


def check(farm: Coordinator, indexes: Iterable[str] = ()) -> tuple[Fault, ...]:
    """Everything that is wrong with these indexes (default: all that there are or were), in the order of their names.

    Every hash of every file is computed anew, every page is made anew from the events and compared by bytes; what is
    compressed, by what it unpacks to.
    """
    names, before = tuple(indexes), tuple[Fault, ...]()
    while True:
        catch_up(farm)
        last = farm.rendering.position(PAGES)
        faults = tuple(_faults(farm, names))
        if not faults:
            return ()
        with farm.rendering.lock(FILES):  # whoever was putting some in place has said so then
            if not farm.events.since(last):  # else what looks wrong may be what was changed meanwhile
                return faults
        if twice := tuple(fault for fault in faults if fault in before):  # or who publishes all the time keeps us here
            return twice
        before = faults


def rebuild(farm: Coordinator, indexes: Iterable[str] = ()) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    """Make the tree of these indexes what the events say; the faults that were mended, and those that were not: of
    files whose bytes the store has not, or no longer as they were. Nobody else writes pages or files meanwhile.
    Documentation is laid out where it is missing.
    """
    names = tuple(indexes)
    catch_up(farm)
    lay_out_anew(farm, names)
    with farm.rendering.lock(FILES), farm.rendering.lock(PAGES):
        faults = tuple(_faults(farm, names))
        mended = tuple(fault for fault in faults if _mend(farm, fault))
    return mended, tuple(fault for fault in faults if fault not in mended)


def _mend(farm: Coordinator, fault: Fault) -> bool:
    if fault.page is not None:
        farm.tree.write(fault.path, fault.page)
    elif fault.what == "stray":
        if not farm.tree.names(fault.path):
            farm.tree.remove(fault.path)
        farm.tree.clear(fault.path)
    elif fault.file is None or not _is_sound(farm, fault.file):
        return False
    else:
        farm.tree.remove(fault.path)
        farm.tree.link(fault.path, fault.file)
    return True


def _is_sound(farm: Coordinator, artifact: Artifact) -> bool:
    """Whether the store has the bytes: its file may be the one in the tree, by another name."""
    if not farm.store.has(artifact.sha256):
        return False
    digest = sha256()
    with farm.store.open(artifact.sha256) as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest() == artifact.sha256


def _faults(farm: Coordinator, names: tuple[str, ...]) -> Iterator[Fault]:
    indexes = farm.events.indexes()
    told: defaultdict[str, list[IndexEvent]] = defaultdict(list)
    for event in farm.events.since(0):
        told[event.index].append(event)
    own = held(event for events in told.values() for event in events)
    coming = {(each.index, each.artifact.sha256) for each in farm.events.publications(states=WANTED)}
    there, last = farm.tree.read(SERIAL), written(farm.rendering.position(PAGES))
    if told and there != last:
        yield Fault(path=SERIAL, what="missing" if there is None else "differs", page=last)
    for name in names or sorted({*told, *indexes}):
        layers = closure(name, indexes) if name in indexes else ()
        yield from _pages(farm, name, layers, own)
        if name in indexes:
            files = (file for project in own.get(name, {}).values() for file in project.files)
            yield from (fault for file in files for fault in _file(farm, file))
            zips = (zip_ for zip_ in last_said(told[name]).values() if zip_)
            yield from (fault for zip_ in zips for fault in _bytes(farm, place_of(name, zip_), zip_))
        known = {digest for index, digest in coming if index == name}
        known |= {event.payload.artifact.sha256 for event in told[name] if isinstance(event.payload, _FILES)}
        for stray in sorted({*farm.tree.names(f"{name}/+f")} - known):
            yield Fault(path=f"{name}/+f/{stray}", what="stray")


def _pages(
    farm: Coordinator, name: str, layers: Iterable[Index], own: Mapping[str, Mapping[str, Project]]
) -> Iterator[Fault]:
    """Pages are to be the same bytes as when they are made now; beside them is nothing."""
    seen = [(each, own.get(each.name, {})) for each in layers]
    listed = [those for each, those in seen if each.name == name or not awaited(name)]
    projects = sorted({name for those in listed for name, project in those.items() if project.files})
    for project in projects:
        shown = merged(project, ((each, those.get(project)) for each, those in seen))
        for path, content in render_project(shown, depth(name)).items():
            yield from _page(farm, f"{name}/simple/{path}", content)
        for stray in sorted({*farm.tree.names(f"{name}/simple/{project}")} - {*_FORMS}):
            yield Fault(path=f"{name}/simple/{project}/{stray}", what="stray")
    if seen:
        for path, content in render_root(projects).items():
            yield from _page(farm, f"{name}/simple/{path}", content)
    for stray in sorted({*farm.tree.names(f"{name}/simple")} - {*projects, *(_FORMS if seen else ())}):
        yield Fault(path=f"{name}/simple/{stray}", what="stray")


def _page(farm: Coordinator, path: str, content: bytes) -> Iterator[Fault]:
    there, packed = farm.tree.read(path), farm.tree.read(f"{path}.gz")
    if there != content:
        yield Fault(path=path, what="missing" if there is None else "differs", page=content)
    if packed is None or _unpacked(packed) != content:
        what = "missing" if packed is None else "differs"
        yield Fault(path=f"{path}.gz", what=what, page=gzip.compress(content, mtime=0))


def _unpacked(packed: bytes) -> bytes | None:
    try:
        return gzip.decompress(packed)
    except (OSError, EOFError, zlib.error):
        return None


def _file(farm: Coordinator, file: File) -> Iterator[Fault]:
    """The bytes of a file of the index, and of the metadata beside it (PEP 658)."""
    artifact, path = file.published.artifact, place_of(file.index, file.published.artifact)
    yield from _bytes(farm, path, artifact)
    if file.published.metadata_sha256:
        digest = farm.tree.digest(f"{path}.metadata")
        if digest != file.published.metadata_sha256:
            what = "missing" if digest is None else "differs"
            yield Fault(path=f"{path}.metadata", what=what, page=_metadata(farm, artifact))


def _bytes(farm: Coordinator, path: str, artifact: Artifact) -> Iterator[Fault]:
    digest = farm.tree.digest(path)
    if digest != artifact.sha256:
        yield Fault(path=path, what="missing" if digest is None else "differs", file=artifact)


def _metadata(farm: Coordinator, artifact: Artifact) -> bytes | None:
    """The metadata that the store's bytes have; None where they are not there."""
    if not _is_sound(farm, artifact):
        return None
    with farm.store.open(artifact.sha256) as content:
        return read_distribution(artifact.name, content).metadata
