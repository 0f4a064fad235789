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
from buildfarm.verify.elf import Elf, is_elf

_LONGEST_NAME = 255
_LONGEST_LINE = 4096
_LARGEST_ELF = GIB // 2  # the one sort of member that is held in memory whole, however large
_LARGEST_SBOMS = 8 * MIB  # all together; parsing takes half a second for each of hostile ones
_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")
_ENTRY_POINTS = "entry_points.txt"
_LONGEST = {"METADATA": MIB, "WHEEL": MIB, "RECORD": 16 * MIB, _ENTRY_POINTS: MIB}  # bytes of what is read


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

    ``root`` is the path whose traces are looked for ("": none). ``limit`` bounds the unpacked size in bytes. Of what is
    neither a text of the dist-info folder nor ELF, a piece at a time is in memory. Raises ``NotAWheel``.
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
    for path, mode, size, pieces in read_members(content, limit):
        folder, _, text = path.partition("/")
        told = folder.endswith(".dist-info")
        sbom = told and text.startswith("sboms/") and (room := room - size) >= 0
        longest = _LONGEST.get(text, 0) if told else 0
        if longest and size > longest:
            raise NotAWheel(f"its {text} has {size:,} bytes, more than {longest:,}")
        looked = _look(path, size, pieces, root.encode(), whole=sbom or bool(longest))
        members.append(Member(path=path, size=looked.size, sha256=looked.sha256, mode=mode))
        if binary := read_binary(path, looked.body):
            binaries.append(binary)
        if looked.trace:
            traces.append(path)
        if longest:
            texts[path] = bytes(looked.body)
        if sbom:
            listed |= read_sbom(bytes(looked.body))
        if folder.endswith(".data") and text.startswith("scripts/"):
            scripts[path] = bytes(looked.body[:_LONGEST_LINE]).partition(b"\n")[0]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """What was seen of a member: its size, its digest, whether the root's path stands in it, and its first piece or
    all of it.
    """

    size: int
    sha256: str
    trace: bool
    body: bytearray


def _look(path: str, size: int, pieces: Iterator[bytes], root: bytes, *, whole: bool) -> _Looked:
    body, seen, digest, trace, tail = bytearray(), 0, hashlib.sha256(), False, b""
    for piece in pieces:
        first = not seen
        seen += len(piece)
        digest.update(piece)
        if first and is_elf(piece):
            if size > _LARGEST_ELF:
                raise NotAWheel(f"its ELF file {path} has {size:,} bytes, more than {_LARGEST_ELF:,}")
            whole = True
        if first or whole:
            body += piece
        if root and not trace:
            trace = root in tail + piece
            tail = piece[-len(root) :]
    return _Looked(size=seen, sha256=digest.hexdigest(), trace=trace, body=body)


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
    return body
