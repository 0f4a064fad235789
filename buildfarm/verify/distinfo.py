"""The files of a wheel's dist-info folder, read: METADATA, WHEEL, RECORD, entry points, SBOMs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from itertools import islice
from typing import Any

from packaging.metadata import RawMetadata, parse_email

from buildfarm.model.wheel import FILE_PROPERTY
from buildfarm.verify.archive import MOST_MEMBERS, NotAWheel

_DEEPEST = 3  # components within components of an SBOM
_MOST_LOOKED_AT = 200_000  # fields, all of them once for each name; 2,000 of 30 names are 60,000
_LONGEST_PYTHON = 1000  # characters of Requires-Python, which is held against many versions


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """A row of RECORD as written: path, ``sha256=<urlsafe base64>``, size; the last two may be empty."""

    path: str
    digest: str
    size: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreMetadata:
    """What METADATA says, as written, and its bytes. ``unread`` are fields that no installer reads."""

    metadata_version: str
    name: str
    version: str
    requires_python: str
    requires_dist: tuple[str, ...]
    license_files: tuple[str, ...]
    fields: RawMetadata
    unread: tuple[str, ...]
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFields:
    """What the file WHEEL says, as written; ``purelib`` is Root-Is-Purelib, None if it is neither true nor false."""

    purelib: bool | None
    tags: tuple[str, ...]
    build: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoint:
    """A line of entry_points.txt: ``name = value`` below ``[group]``."""

    group: str
    name: str
    value: str


def parse_fields(raw: bytes) -> tuple[RawMetadata, dict[str, list[str]]]:
    """The fields of core metadata that are known, and all others. The work is bounded by the length of the bytes.

    Raises ``NotAWheel`` for what is written to be hard to read.
    """
    head = BytesHeaderParser().parsebytes(raw)
    names = head.keys()
    if len(names) * len(frozenset(names)) > _MOST_LOOKED_AT:  # packaging looks at all of them for each name
        raise NotAWheel(f"its METADATA has {len(names):,} fields, more than anybody reads")
    if head.get_content_maintype() in ("multipart", "message"):  # parts of parts, without end
        raise NotAWheel("its METADATA says that it is a mail of several parts")
    return parse_email(raw)


def read_metadata(raw: bytes) -> CoreMetadata:
    """Read METADATA; raises ``NotAWheel`` where it does not name one project and one version, as ``parse_fields``
    does, and for a Requires-Python that is too long.
    """
    fields, unread = parse_fields(raw)
    if "name" not in fields or "version" not in fields:
        raise NotAWheel("its METADATA lacks Name or Version, or has it twice")
    if len(fields.get("requires_python", "")) > _LONGEST_PYTHON:
        raise NotAWheel(f"Requires-Python in its METADATA is longer than {_LONGEST_PYTHON:,} characters")
    return CoreMetadata(
        metadata_version=fields.get("metadata_version", ""),
        name=fields["name"],
        version=fields["version"],
        requires_python=fields.get("requires_python", ""),
        requires_dist=tuple(fields.get("requires_dist", ())),
        license_files=tuple(fields.get("license_files", ())),
        fields=fields,
        unread=tuple(sorted(unread)),
        raw=raw,
    )


def read_fields(raw: bytes) -> WheelFields:
    """Read WHEEL; raises ``NotAWheel`` for a Wheel-Version that installers refuse (PEP 427)."""
    message = BytesHeaderParser().parsebytes(raw)
    version = str(message.get("Wheel-Version", ""))
    if version.partition(".")[0].strip() != "1":
        raise NotAWheel(f"its WHEEL says Wheel-Version {version!r}, and installers know 1.x")
    return WheelFields(
        purelib={"true": True, "false": False}.get(str(message.get("Root-Is-Purelib", "")).strip().lower()),
        tags=tuple(str(tag).strip() for tag in message.get_all("Tag", [])),
        build=str(message.get("Build", "")).strip(),
    )


def read_record(raw: bytes) -> tuple[RecordRow, ...]:
    """Read RECORD; raises ``NotAWheel`` for what is no table of three columns, or too long a one."""
    table = csv.reader(io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8", newline=""))
    try:
        rows = [row for row in islice(table, MOST_MEMBERS + 1) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise NotAWheel(f"its RECORD is no CSV in UTF-8: {error}") from error
    if table.line_num > MOST_MEMBERS:
        raise NotAWheel(f"its RECORD has more than {MOST_MEMBERS:,} rows")
    if any(len(row) != 3 for row in rows):
        raise NotAWheel("its RECORD has a row that is not path, hash and size")
    return tuple(RecordRow(path=path, digest=digest, size=size) for path, digest, size in rows)


def read_entry_points(raw: bytes) -> Iterator[EntryPoint]:
    """Read entry_points.txt as leniently as installers do."""
    group = ""
    for line in map(str.strip, raw.decode("utf-8", "replace").splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield EntryPoint(group=group, name=name.strip(), value=value.strip())


def read_sbom(raw: bytes) -> frozenset[str]:
    """What the components of a CycloneDX document stand for: names, sha256 digests, and paths in the wheel.

    A path is the value of a component's property ``buildfarm:file``. A document that is none stands for nothing.
    """
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return frozenset()
    return frozenset(_components(document, _DEEPEST))


def _components(parent: Any, depth: int) -> Iterator[str]:
    for component in _objects(parent, "components"):
        named = [component.get("name")]
        named += [each.get("content") for each in _objects(component, "hashes") if each.get("alg") == "SHA-256"]
        named += [each.get("value") for each in _objects(component, "properties") if each.get("name") == FILE_PROPERTY]
        yield from (name for name in named if isinstance(name, str))
        if depth:
            yield from _components(component, depth - 1)


def _objects(parent: Any, key: str) -> list[dict[str, Any]]:
    found = parent.get(key) if isinstance(parent, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
