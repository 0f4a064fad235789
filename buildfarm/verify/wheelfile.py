"""From the bytes of a wheel to a frozen value (PEP 427): all that the rules look at."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from typing import IO

from packaging.metadata import parse_email
from packaging.tags import Tag
from packaging.utils import BuildTag, InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from buildfarm.model.recipe import GIB, MIB
from buildfarm.verify.archive import NotAWheel, read_members
from buildfarm.verify.binary import Binary, read_binary

_LONGEST_NAME = 255
_LONGEST_TEXT = 64 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file of the wheel: path, size in bytes, sha256 (64 hex digits), Unix mode (0: the archive has none)."""

    path: str
    size: int
    sha256: str
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """A row of RECORD as written: path, ``sha256=<urlsafe base64>``, size; the last two may be empty."""

    path: str
    digest: str
    size: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreMetadata:
    """What METADATA says, as written, and its bytes."""

    metadata_version: str
    name: str
    version: str
    requires_python: str
    requires_dist: tuple[str, ...]
    license_files: tuple[str, ...]
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFields:
    """What the file WHEEL says, as written; ``purelib`` is Root-Is-Purelib."""

    purelib: bool
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel, read.

    ``project``, ``version``, ``build`` and ``tags`` are of the file name; ``traces`` are the members in whose bytes the
    build's root path stands.
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
    members, binaries, traces, texts = [], [], [], {}
    for path, mode, body in read_members(content, limit):
        members.append(Member(path=path, size=len(body), sha256=hashlib.sha256(body).hexdigest(), mode=mode))
        if binary := read_binary(path, body):
            binaries.append(binary)
        if root and root.encode() in body:
            traces.append(path)
        folder, _, text = path.partition("/")
        if folder.endswith(".dist-info") and text in ("METADATA", "WHEEL", "RECORD"):
            texts[path] = body
    dist_info = _dist_info(members)
    return Wheel(
        filename=name,
        project=project,
        version=version,
        build=build,
        tags=tags,
        dist_info=dist_info,
        metadata=_read_metadata(_text(texts, dist_info, "METADATA")),
        fields=_read_fields(_text(texts, dist_info, "WHEEL")),
        record=_read_record(_text(texts, dist_info, "RECORD")),
        members=tuple(members),
        binaries=tuple(binaries),
        traces=tuple(traces),
    )


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


def _read_metadata(raw: bytes) -> CoreMetadata:
    fields, _ = parse_email(raw)
    if "name" not in fields or "version" not in fields:
        raise NotAWheel("its METADATA lacks Name or Version, or has it twice")
    return CoreMetadata(
        metadata_version=fields.get("metadata_version", ""),
        name=fields["name"],
        version=fields["version"],
        requires_python=fields.get("requires_python", ""),
        requires_dist=tuple(fields.get("requires_dist", ())),
        license_files=tuple(fields.get("license_files", ())),
        raw=raw,
    )


def _read_fields(raw: bytes) -> WheelFields:
    message = BytesParser().parsebytes(raw)
    version = str(message.get("Wheel-Version", ""))
    if version.partition(".")[0].strip() != "1":
        raise NotAWheel(f"its WHEEL says Wheel-Version {version!r}, and installers know 1.x")
    return WheelFields(
        purelib=str(message.get("Root-Is-Purelib", "")).strip().lower() == "true",
        tags=tuple(str(tag).strip() for tag in message.get_all("Tag", [])),
    )


def _read_record(raw: bytes) -> tuple[RecordRow, ...]:
    try:
        rows = [row for row in csv.reader(raw.decode().splitlines()) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise NotAWheel(f"its RECORD is no CSV in UTF-8: {error}") from error
    if any(len(row) != 3 for row in rows):
        raise NotAWheel("its RECORD has a row that is not path, hash and size")
    return tuple(RecordRow(path=path, digest=digest, size=size) for path, digest, size in rows)
