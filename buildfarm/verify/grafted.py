"""Rules about libraries that a repair put into the wheel: that something needs them, and that its SBOM lists them."""

from __future__ import annotations

from collections.abc import Iterator

from buildfarm.model.wheel import FILE_PROPERTY, Finding, is_grafted
from buildfarm.verify.binary import Binary
from buildfarm.verify.claim import Claim
from buildfarm.verify.finding import error, some, warning
from buildfarm.verify.wheelfile import Wheel


def unneeded_library(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """Each grafted library is needed by another binary; a warning, for code may load it by its name."""
    needed = {name for _, elf in wheel.elfs for name in elf.needed}
    unneeded = [
        each.path for each in _grafted(wheel) if not needed & {each.filename, each.elf.soname if each.elf else ""}
    ]
    if unneeded:
        yield warning(
            f"no binary of the wheel needs {some(unneeded)}",
            subject=min(unneeded),
            advice="repair a wheel that was just built, not one that was repaired before",
        )


def unlisted_library(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """Each grafted library is a component of an SBOM of the wheel (PEP 770): an error in a wheel of our own."""
    digests = {member.path: member.sha256 for member in wheel.members}
    unlisted = [
        each.path for each in _grafted(wheel) if not wheel.listed & {each.path, each.filename, digests[each.path]}
    ]
    if unlisted:
        message = f"no SBOM in {wheel.dist_info}/sboms lists {some(unlisted)}"
        advice = f"a CycloneDX component stands for a file by its sha256, or by its property {FILE_PROPERTY}"
        finding = error if claim.target is not None else warning
        yield finding(message, subject=min(unlisted), advice=advice)


def _grafted(wheel: Wheel) -> list[Binary]:
    return [each for each in wheel.binaries if is_grafted(each.path)]
