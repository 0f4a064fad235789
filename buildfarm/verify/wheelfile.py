"""From the bytes of a wheel to a frozen value (PEP 427): all that the rules look at."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from packaging.tags import Tag
from packaging.utils import BuildTag, InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from buildfarm.model.recipe import GIB, MIB
from buildfarm.verify.archive import NotAWheel, as_archive, read_members
from buildfarm.verify.binary import Binary, read_binary
from buildfarm.verify.distinfo import (
    CoreMetadata,
    EntryPoint,
    RecordRow,
    WheelFields,
    read_entry_points,
    read_fields,
    read_metadata,
    read_record,
    read_sbom,
)
from buildfarm.verify.elf import Elf

_LONGEST_NAME = 255
_LONGEST_TEXT = 64 * MIB
_LONGEST_LINE = 4096
_LARGEST_SBOMS = 8 * MIB  # all together; parsing takes half a second for each of hostile ones
_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")
_ENTRY_POINTS = "entry_points.txt"
_READ = frozenset({"METADATA", "WHEEL", "RECORD", _ENTRY_POINTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file of the wheel: path, size in bytes, sha256 (64 hex digits), Unix mode (0: the archive has none)."""

    path: str
    size: int
    sha256: str
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel, read.

    ``project``, ``version``, ``build`` and ``tags`` are of the file name. ``scripts`` are the first lines of the
    programs of the data folder, by path. ``listed`` is what its SBOMs have components for: names, sha256 digests, paths
    (PEP 770). ``traces`` are the members in whose bytes the build's root path stands.
    """

    filename: str
    project: str
    version: Version
    build: BuildTag
    tags: frozenset[Tag]
    dist_info: str
    metadata: CoreMetadata
    fields: WheelFields
    record: tuple[RecordRow, ...]
    members: tuple[Member, ...]
    binaries: tuple[Binary, ...]
    entry_points: tuple[EntryPoint, ...] = ()
    scripts: Mapping[str, bytes] = field(default_factory=dict)
    listed: frozenset[str] = frozenset()
    traces: tuple[str, ...] = ()

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platform tags of the file name, sorted."""
        return tuple(sorted({tag.platform for tag in self.tags}))

    @property
    def extensions(self) -> tuple[Binary, ...]:
        """The extension modules."""
        return tuple(binary for binary in self.binaries if binary.extension)

    @property
    def elfs(self) -> Iterator[tuple[Binary, Elf]]:
        """The ELF files that could be read."""
        return ((binary, binary.elf) for binary in self.binaries if binary.elf is not None)

    @property
    def data(self) -> str:
        """The folder for what is not installed as the rest is, with its slash."""
        return f"{self.dist_info.removesuffix('.dist-info')}.data/"

    def installed(self, path: str) -> str:
        """Where in site-packages a member ends, or "" for one that goes elsewhere (PEP 427)."""
        if not path.startswith(self.data):
            return path
        scheme, _, rest = path.removeprefix(self.data).partition("/")
        return rest if scheme in ("purelib", "platlib") else ""

    @property
    def licences(self) -> tuple[str, ...]:
        """Paths of the licence files, below ``licenses`` in the dist-info folder (PEP 639)."""
        return tuple(member.path for member in self.members if member.path.startswith(f"{self.dist_info}/licenses/"))


def read_wheel(name: str, content: IO[bytes], *, root: str = "", limit: int = 2 * GIB) -> Wheel:
    """Read the wheel called ``name`` from seekable bytes.

    ``root`` is the path whose traces are looked for ("": none). ``limit`` bounds the unpacked size in bytes; one member
    at a time is held in memory. Raises ``NotAWheel``.
    """
    if len(name.encode()) > _LONGEST_NAME:
        raise NotAWheel(f"its name is longer than {_LONGEST_NAME} bytes, and few systems have such files")
    try:
        project, version, build, tags = parse_wheel_filename(name)
    except InvalidWheelFilename as error:
        raise NotAWheel(f"its name is no wheel's name (PEP 427): {error}") from error
    members, binaries, traces, texts, scripts = [], [], [], {}, {}
    listed: frozenset[str] = frozenset()
    room = _LARGEST_SBOMS
    for path, mode, body in read_members(content, limit):
        members.append(Member(path=path, size=len(body), sha256=hashlib.sha256(body).hexdigest(), mode=mode))
        if binary := read_binary(path, body):
            binaries.append(binary)
        if root and root.encode() in body:
            traces.append(path)
        folder, _, text = path.partition("/")
        if folder.endswith(".dist-info") and text in _READ:
            texts[path] = body
        if folder.endswith(".dist-info") and text.startswith("sboms/") and (room := room - len(body)) >= 0:
            listed |= read_sbom(body)
        if folder.endswith(".data") and text.startswith("scripts/"):
            scripts[path] = body[:_LONGEST_LINE].partition(b"\n")[0]
    dist_info = _dist_info(members)
    texts.setdefault(f"{dist_info}/{_ENTRY_POINTS}", b"")
    return Wheel(
        filename=name,
        project=project,
        version=version,
        build=build,
        tags=tags,
        dist_info=dist_info,
        metadata=read_metadata(_text(texts, dist_info, "METADATA")),
        fields=read_fields(_text(texts, dist_info, "WHEEL")),
        record=read_record(_text(texts, dist_info, "RECORD")),
        members=tuple(members),
        binaries=tuple(binaries),
        entry_points=tuple(read_entry_points(_text(texts, dist_info, _ENTRY_POINTS))),
        scripts=scripts,
        listed=listed,
        traces=tuple(traces),
    )


def only_metadata(name: str, content: IO[bytes]) -> CoreMetadata:
    """METADATA of a wheel that was read whole before, and nothing else of it; raises ``NotAWheel``."""
    with as_archive(content) as archive:
        path = next((each for each in archive.namelist() if _METADATA.fullmatch(each)), "")
        if not path:
            raise NotAWheel(f"{name} has no METADATA")
        return read_metadata(archive.read(path))


def content_digest(wheel: Wheel) -> str:
    """sha256 over the members apart from WHEEL and RECORD: equal for wheels that differ only in the build tag."""
    own = {f"{wheel.dist_info}/WHEEL", f"{wheel.dist_info}/RECORD"}
    lines = sorted(f"{member.path} {member.sha256}\n" for member in wheel.members if member.path not in own)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _dist_info(members: list[Member]) -> str:
    folders = {folder for folder, slash, _ in (member.path.partition("/") for member in members) if slash}
    found = sorted(folder for folder in folders if folder.endswith(".dist-info"))
    if len(found) != 1:
        raise NotAWheel(f"it has {len(found)} dist-info folders at its top, not one: {', '.join(found) or 'none'}")
    return found[0]


def _text(texts: Mapping[str, bytes], dist_info: str, name: str) -> bytes:
    body = texts.get(f"{dist_info}/{name}")
    if body is None:
        raise NotAWheel(f"it has no {dist_info}/{name}")
    if len(body) > _LONGEST_TEXT:
        raise NotAWheel(f"its {name} has {len(body):,} bytes, more than {_LONGEST_TEXT:,}")
    return body
