"""Rules about compiled code: what it needs from the host, and whether it is there at all."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from buildfarm.model.wheel import Finding
from buildfarm.verify.binary import Binary
from buildfarm.verify.claim import Claim
from buildfarm.verify.elf import Elf
from buildfarm.verify.finding import error, some, warning
from buildfarm.verify.policy import Policy, is_loader, libc_of
from buildfarm.verify.wheelfile import Wheel


def policy(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """What the binaries need is on the oldest system that the tag admits, or in the wheel (PEP 600, PEP 656)."""
    inside = {binary.filename for binary in wheel.binaries} | {elf.soname for _, elf in wheel.elfs}
    for platform in wheel.platforms:
        if platform.startswith(("manylinux", "musllinux")) and claim.policies.of(platform) is None:
            yield error(f"there is no policy for {platform}", advice="choose a floor that auditwheel's `--plat` knows")
    for table in claim.policies.strictest(wheel.platforms):
        for binary, elf in wheel.elfs:
            yield from _libraries(binary, elf, table, inside, claim.external)
            yield from _versions(binary, elf, table, inside)


def no_binaries(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """A wheel for one platform has compiled code: an error where its tag names the ABI of one Python as well."""
    if "any" in wheel.platforms or wheel.binaries:
        return
    finding = error if any(tag.abi != "none" for tag in wheel.tags) else warning
    yield finding(
        f"it is for {some(wheel.platforms)}, and has no compiled code",
        advice="say wheel: pure if the project has none; else find in the log why its extensions were left out",
    )


def lost_extensions(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """Native code of the source is in the wheel, and no extension module of the last good release is gone."""
    if claim.wheel_kind == "pure":
        return
    advice = "look in the log of the build for a compiler error that ended in exit code 0; or say wheel: pure"
    if claim.native_source and not wheel.binaries:
        yield error("its source has native code, and the wheel has no compiled code", advice=advice)
    elif len(wheel.extensions) < claim.extensions_before:
        yield error(
            f"it has {len(wheel.extensions)} extension modules, and the last good release {claim.extensions_before}",
            advice=advice,
        )


def _libraries(
    binary: Binary, elf: Elf, policy: Policy, inside: set[str], external: tuple[str, ...]
) -> Iterator[Finding]:
    missing = [name for name in elf.needed if not (name in inside or policy.has_library(name) or libc_of(name))]
    excluded = [name for name in missing if any(fnmatchcase(name, glob) for glob in external)]
    if foreign := set(missing) - set(excluded):
        yield error(
            f"{binary.path} needs {some(foreign)}: neither in the wheel nor on every system of {policy.name}",
            subject=binary.path,
            advice="the repair puts libraries in that it finds: name their folder under repair.search",
        )
    if excluded:
        yield warning(f"{binary.path} needs {some(excluded)}, left outside by repair.exclude", subject=binary.path)


def _versions(binary: Binary, elf: Elf, policy: Policy, inside: set[str]) -> Iterator[Finding]:
    newer = {
        version
        for library, version in elf.versions
        if library not in inside and not is_loader(library) and not policy.has_version(version)
    }
    if newer:
        newest = some({policy.newest(version) for version in newer} - {""})
        yield error(
            f"{binary.path} needs {some(newer)}, and {policy.name} ends at {newest or 'nothing of the kind'}",
            subject=binary.path,
            advice="build with compiler: zig or in an image at that floor, or ask for a newer floor",
        )
