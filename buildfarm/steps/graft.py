"""What a repair grafted into a wheel, told inside it: an SBOM (PEP 770) and the licences of the libraries (PEP 639)."""

from __future__ import annotations

import base64
import csv
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import IO

from buildfarm.model.job import BuildJob
from buildfarm.model.recipe import GIB, MIB
from buildfarm.model.system import SeenPackage
from buildfarm.model.wheel import FILE_PROPERTY, is_grafted
from buildfarm.steps.sbom import Component, bill

GRAFT_VERSION = "2"
"""Enters the keys of build jobs: raised when a wheel with grafted libraries would get other bytes."""

_LARGEST, _SMALL, _RATIO = 2 * GIB, 256 * MIB, 64  # of what is told; real wheels are packed to a tenth at most
_HEADER_END = re.compile(rb"\r?\n(?=\r?\n|\Z)")
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(KeyError, ValueError, EOFError, OSError, RuntimeError),  # RuntimeError: encrypted, or a compression unknown to it
)
_RENAMED = re.compile(r"-(?P<digest>[0-9a-f]{8})(?=\.)")  # auditwheel puts the beginning of the sha256 into the name
_LICENCE = re.compile(r"^License: *(?P<name>\S.*?) *$", re.MULTILINE)  # Debian's machine-readable copyright file


@dataclass(frozen=True, slots=True, kw_only=True)
class Grafted:
    """A library: its path in the wheel, its bytes' sha256, and the package that it came from, if one is known.

    ``name`` and ``original`` are its file name and sha256 before it was grafted; ``original`` is empty where not known.
    """

    path: str
    sha256: str
    name: str
    original: str = ""
    package: SeenPackage | None = None


def tell(job: BuildJob, wheel: IO[bytes], packages: Iterable[SeenPackage]) -> bytes | None:
    """The wheel with an SBOM of its grafted libraries and their licences in it; None where nothing was grafted.

    An SBOM that the repair tool wrote is kept beside ours. Equal wheels and packages give equal bytes. ``wheel`` is
    seekable; what is no wheel, or larger than one may be, is left to the verification.
    """
    try:
        with zipfile.ZipFile(wheel) as packed:
            return _told(job, packed, tuple(packages))
    except _BROKEN:
        return None


def _told(job: BuildJob, packed: zipfile.ZipFile, packages: tuple[SeenPackage, ...]) -> bytes | None:
    folders = [name.partition("/")[0] for name in packed.namelist() if name.endswith(".dist-info/RECORD")]
    size = sum(member.file_size for member in packed.infolist())
    allowed = min(_LARGEST, max(_SMALL, _RATIO * sum(member.compress_size for member in packed.infolist())))
    if len(folders) != 1 or size > allowed:
        return None
    libraries, folder = tuple(_libraries(packed, packages)), folders[0]
    if not libraries:
        return None
    licences = {
        f"grafted/{each.package.package.name}/copyright": each.package.licence.encode()
        for each in libraries
        if each.package and each.package.licence
    }
    added = {f"{folder}/licenses/{name}": text for name, text in sorted(licences.items())}
    components = [_component(each, job, licences, folder) for each in libraries]
    added[f"{folder}/sboms/buildfarm.cdx.json"] = bill(job, components)
    metadata = _metadata(packed.read(f"{folder}/METADATA"), licences)
    return _packed(packed, {f"{folder}/METADATA": metadata, **added}, f"{folder}/RECORD", job.source.epoch)


def _libraries(packed: zipfile.ZipFile, packages: tuple[SeenPackage, ...]) -> Iterable[Grafted]:
    known = {
        (name, digest[:8]): (digest, package) for package in packages for name, digest in package.libraries.items()
    }
    for path in sorted(packed.namelist()):
        if is_grafted(path) and not path.endswith("/"):
            filename = path.rpartition("/")[2]
            renamed = _RENAMED.search(filename)
            name = _RENAMED.sub("", filename, count=1)
            original, package = known.get((name, renamed["digest"] if renamed else ""), ("", None))
            digest = sha256()
            with packed.open(path) as body:
                for piece in _pieces(body):
                    digest.update(piece)
            yield Grafted(path=path, sha256=digest.hexdigest(), name=name, original=original, package=package)


def _component(library: Grafted, job: BuildJob, licences: Mapping[str, bytes], folder: str) -> Component:
    facts = {FILE_PROPERTY: library.path, "buildfarm:library": library.name}
    if library.original:
        facts["buildfarm:sha256-before-repair"] = library.original
    if library.package is None:
        return Component(name=library.name, sha256=library.sha256, properties=facts)
    package = library.package.package
    release, _, number = job.environment.test_definition.get("os", "").partition(" ")
    licence = f"grafted/{package.name}/copyright"
    if licence in licences:
        facts["buildfarm:licence-file"] = f"{folder}/licenses/{licence}"
    return Component(
        name=package.name,
        version=package.version,
        sha256=library.sha256,
        purl=f"pkg:deb/{release or 'debian'}/{package.name}@{package.version}"
        f"?arch={package.architecture}&distro={release or 'debian'}-{number}&upstream={package.source}",
        licences=tuple(dict.fromkeys(_LICENCE.findall(library.package.licence))),
        properties=facts,
    )


def _metadata(raw: bytes, licences: Iterable[str]) -> bytes:
    """METADATA that names the licence files, where its version knows of such (PEP 639: from 2.4 on)."""
    version = re.match(rb"Metadata-Version: (\d+)\.(\d+)", raw)
    if version is None or (int(version[1]), int(version[2])) < (2, 4):
        return raw
    end = _HEADER_END.search(raw)
    at = end.start() if end else len(raw)
    lines = b"".join(f"\nLicense-File: {name}".encode() for name in sorted(licences))
    return raw[:at] + lines + (raw[at:] or b"\n")


def _packed(packed: zipfile.ZipFile, changed: Mapping[str, bytes], record: str, epoch: int) -> bytes:
    """A wheel with the members of another, those that are changed or new, and a RECORD of all of them (PEP 427)."""
    made, rows = io.BytesIO(), []
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, opened in _members(packed, changed, record, epoch):
            digest, size = sha256(), 0
            with opened as body, wheel.open(member, "w") as copy:
                for piece in _pieces(body):
                    digest.update(piece)
                    size += copy.write(piece)
            if not member.filename.endswith("/"):
                written = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
                rows.append((member.filename, f"sha256={written}", str(size)))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*rows, (record, "", "")])
        wheel.writestr(_member(record, epoch), text.getvalue(), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _pieces(body: IO[bytes]) -> Iterator[bytes]:
    """The bytes in pieces: a member may be huge."""
    return iter(lambda: body.read(MIB), b"")


def _members(
    packed: zipfile.ZipFile, changed: Mapping[str, bytes], record: str, epoch: int
) -> Iterator[tuple[zipfile.ZipInfo, IO[bytes]]]:
    names = packed.namelist()
    for member in packed.infolist():
        if member.filename != record and member.filename not in changed:
            copy = _member(member.filename, epoch)
            copy.date_time, copy.external_attr = member.date_time, member.external_attr
            yield copy, packed.open(member)
    for name in sorted(changed, key=lambda name: (name not in names, name)):
        yield _member(name, epoch), io.BytesIO(changed[name])


def _member(name: str, epoch: int) -> zipfile.ZipInfo:
    moment = datetime.fromtimestamp(epoch, UTC)
    member = zipfile.ZipInfo(name, (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second))
    member.external_attr, member.compress_type = 0o100644 << 16, zipfile.ZIP_DEFLATED
    return member
