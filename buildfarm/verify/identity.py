"""Rules about what a wheel says of itself: its names and its licence."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import canonicalize_name
from packaging.version import Version

from buildfarm.model.wheel import Finding
from buildfarm.verify.claim import Claim
from buildfarm.verify.finding import error, some, warning
from buildfarm.verify.wheelfile import Wheel

_LICENCES = ("LICEN", "COPYING", "COPYRIGHT", "UNLICENSE", "AUTHORS", "NOTICE")
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


def licence(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """Each License-File of METADATA is in the wheel: under licenses (PEP 639), or where older backends put it.

    A wheel with no text of a licence at all gets a warning.
    """
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
    if not wheel.metadata.license_files and not any(_is_licence(member.path) for member in wheel.members):
        yield warning("it has no text of a licence", advice="have the source declare license-files (PEP 639)")


def _is_licence(path: str) -> bool:
    return path.rpartition("/")[2].upper().startswith(_LICENCES)


def _version(text: str) -> Version | str:
    try:
        return Version(text)
    except ValueError:  # no version, or one with more digits than int() reads
        return text
