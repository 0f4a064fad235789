"""Rules about what a wheel says of itself: its names, RECORD, licence files."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator

from packaging.utils import canonicalize_name
from packaging.version import Version

from buildfarm.model.wheel import Finding
from buildfarm.verify.claim import Claim
from buildfarm.verify.finding import error, some, warning
from buildfarm.verify.wheelfile import Wheel

_SIGNATURES = ("RECORD", "RECORD.jws", "RECORD.p7s")
_BEFORE_PEP_639 = ("", "1.0", "1.1", "1.2", "2.0", "2.1", "2.2", "2.3")


def name_version(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """File name, dist-info folder and METADATA name the claimed project and version, normalised (PEP 427, 440, 503)."""
    folder_name, _, folder_version = wheel.dist_info.removesuffix(".dist-info").partition("-")
    said = (
        ("the file name", wheel.project, str(wheel.version)),
        (f"the folder {wheel.dist_info}", folder_name, folder_version),
        ("METADATA", wheel.metadata.name, wheel.metadata.version),
    )
    for where, name, version in said:
        if canonicalize_name(name) != canonicalize_name(claim.project):
            yield error(
                f"{where} names the project {name!r}, not {claim.project!r}",
                advice="give the recipe the name that the project's own metadata has",
            )
        if _version(version) != _version(claim.version):
            yield error(
                f"{where} names the version {version!r}, not {claim.version!r}",
                advice="where the version comes from version control, set it under build.env"
                f" (SETUPTOOLS_SCM_PRETEND_VERSION: {claim.version!r})",
            )


def record(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """RECORD lists every file once, with its sha256 and size, and no other (PEP 376, 427)."""
    members = {member.path: member for member in wheel.members}
    exempt = {f"{wheel.dist_info}/{name}" for name in _SIGNATURES}
    rows = {row.path: row for row in wheel.record}
    twice = [path for path, count in Counter(row.path for row in wheel.record).items() if count > 1]
    unlisted = members.keys() - rows.keys() - exempt
    absent = rows.keys() - members.keys()
    listed = sorted(rows.keys() & members.keys() - exempt)
    unsafe = {path for path in listed if not rows[path].digest.startswith("sha256=")}
    changed = [path for path in listed if path not in unsafe and rows[path].digest != _digest(members[path].sha256)]
    resized = [path for path in listed if rows[path].size not in ("", str(members[path].size))]
    troubles = (
        (twice, "are listed twice"),
        (unlisted, "are not listed"),
        (absent, "are listed and not there"),
        (unsafe, "have no sha256"),
        (changed, "have another sha256"),
        (resized, "have another size"),
    )
    for paths, trouble in troubles:
        if paths:
            yield error(
                f"of the files in RECORD {len(paths)} {trouble}: {some(paths)}",
                subject=min(paths),
                advice="a step changed the wheel without writing its RECORD anew: pack it with `wheel pack`",
            )


def licence(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """Each License-File of METADATA is in the wheel: under licenses (PEP 639), or where older backends put it."""
    licences = set(wheel.licences)
    missing = [name for name in wheel.metadata.license_files if f"{wheel.dist_info}/licenses/{name}" not in licences]
    if wheel.metadata.metadata_version in _BEFORE_PEP_639:
        members = {member.path for member in wheel.members}
        legacy = [name for name in missing if f"{wheel.dist_info}/{name.rpartition('/')[2]}" not in members]
        if legacy:
            yield warning(f"METADATA names licence files that the wheel lacks: {some(legacy)}")
    elif missing:
        yield error(
            f"METADATA names licence files that are not under {wheel.dist_info}/licenses: {some(missing)}",
            subject=f"{wheel.dist_info}/METADATA",
            advice="raise or lower the version of the build backend, which writes both",
        )


def _version(text: str) -> Version | str:
    try:
        return Version(text)
    except ValueError:  # no version, or one with more digits than int() reads
        return text


def _digest(sha256: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()
