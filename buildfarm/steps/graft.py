"""What a repair put into a wheel, told inside it: an SBOM (PEP 770) and the licences of the libraries (PEP 639)."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import IO
from urllib.parse import quote

from buildfarm.model.job import BuildJob
from buildfarm.model.recipe import MIB
from buildfarm.model.system import SeenPackage, SystemPackage
from buildfarm.model.wheel import FILE_PROPERTY, is_grafted
from buildfarm.steps.repack import BROKEN, dist_info, repacked
from buildfarm.steps.sbom import Component, bill

GRAFT_VERSION = "3"
"""Enters the keys of build jobs: raised when a wheel with grafted libraries would get other bytes."""

_HEADER_END = re.compile(rb"\r?\n(?=\r?\n|\Z)")
_NONE: Mapping[str, str] = MappingProxyType({})
_RENAMED = re.compile(r"-(?P<digest>[0-9a-f]{8})(?=\.)")  # auditwheel puts the beginning of the sha256 into the name
_KINDS = {"apt": ("deb", "debian"), "dnf": ("rpm", "fedora"), "apk": ("apk", "alpine")}
_LICENCE = re.compile(r"^License: *(?P<name>\S.*?) *$", re.MULTILINE)  # Debian's machine-readable copyright file


@dataclass(frozen=True, slots=True, kw_only=True)
class Grafted:
    """A library: its path in the wheel, its bytes' sha256, and the package that it came from, if one is known.

    ``name`` and ``original`` are its file name and sha256 before the repair; ``original`` is empty where not known.
    """

    path: str
    sha256: str
    name: str
    original: str = ""
    package: SeenPackage | None = None


def tell(
    job: BuildJob, wheel: IO[bytes], packages: Iterable[SeenPackage], included: Mapping[str, str] = _NONE
) -> bytes | None:
    """The wheel with an SBOM of its grafted libraries and their licences in it; None where there are none.

    ``included`` maps members that were put in before the repair to the sha256 that they had then.
    An SBOM that the repair tool wrote is kept beside ours. Equal wheels and packages give equal bytes. ``wheel`` is
    seekable; what is no wheel, or larger than one may be, is left to the verification.
    """
    try:
        with zipfile.ZipFile(wheel) as packed:
            return _told(job, packed, tuple(packages), included)
    except BROKEN:
        return None


def _told(
    job: BuildJob, packed: zipfile.ZipFile, packages: tuple[SeenPackage, ...], included: Mapping[str, str]
) -> bytes | None:
    folder = dist_info(packed)
    libraries = tuple(_libraries(packed, packages, included)) if folder else ()
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
    return repacked(packed, {f"{folder}/METADATA": metadata, **added}, job.source.epoch)


def _libraries(
    packed: zipfile.ZipFile, packages: tuple[SeenPackage, ...], included: Mapping[str, str]
) -> Iterator[Grafted]:
    known = {
        (name, digest[:8]): (digest, package) for package in packages for name, digest in package.libraries.items()
    }
    owners = dict(known.values())
    for path in sorted(packed.namelist()):
        name = path.rpartition("/")[2]
        if path in included:
            original, package = included[path], owners.get(included[path])
        elif name and is_grafted(path):
            renamed = _RENAMED.search(name)
            name = _RENAMED.sub("", name, count=1)
            original, package = known.get((name, renamed["digest"] if renamed else ""), ("", None))
        else:
            continue
        digest = sha256()
        with packed.open(path) as body:
            while piece := body.read(MIB):
                digest.update(piece)
        yield Grafted(path=path, sha256=digest.hexdigest(), name=name, original=original, package=package)


def _component(library: Grafted, job: BuildJob, licences: Mapping[str, bytes], folder: str) -> Component:
    facts = {FILE_PROPERTY: library.path, "buildfarm:library": library.name}
    if library.original:
        facts["buildfarm:sha256-before-repair"] = library.original
    if library.package is None:
        return Component(name=library.name, sha256=library.sha256, properties=facts)
    package = library.package.package
    licence = f"grafted/{package.name}/copyright"
    names = dict.fromkeys(_LICENCE.findall(library.package.licence))
    if licence in licences:
        facts["buildfarm:licence-file"] = f"{folder}/licenses/{licence}"
    return Component(
        name=package.name,
        version=package.version,
        sha256=library.sha256,
        purl=_purl(package, library.package.release or job.environment.test_definition.get("os", "")),
        licences=tuple(names) or ((f"see {licence}",) if licence in licences else ()),
        properties=facts,
    )


def _purl(package: SystemPackage, release: str) -> str:
    """The package URL of a package of that release of a distribution, ``debian 12``."""
    kind, usual = _KINDS[package.manager]
    distribution, _, number = (release or usual).partition(" ")
    name, version, source = (quote(text, safe=":") for text in (package.name, package.version, package.source))
    return (
        f"pkg:{kind}/{distribution}/{name}@{version}"
        f"?arch={package.architecture}&distro={distribution}-{number}&upstream={source}"
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
