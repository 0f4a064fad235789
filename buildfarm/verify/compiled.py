"""Rules about compiled code: what it needs from the host, and whether it is there at all."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from buildfarm.model.wheel import Finding
from buildfarm.verify.binary import Binary
from buildfarm.verify.claim import Claim
from buildfarm.verify.elf import Elf
from buildfarm.verify.finding import error, some, warning
from buildfarm.verify.policy import Policy, is_loader
from buildfarm.verify.stable_abi import STABLE_PRIVATE
from buildfarm.verify.wheelfile import Wheel

_ORIGIN = ("$ORIGIN", "${ORIGIN}")


def policy(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """What the binaries need is on the oldest system that the tag admits, or in the wheel (PEP 600, PEP 656)."""
    inside = {binary.filename for binary in wheel.binaries} | {elf.soname for _, elf in _elfs(wheel)}
    for platform in wheel.platforms:
        if platform.startswith(("manylinux", "musllinux")) and claim.policies.of(platform) is None:
            yield error(f"there is no policy for {platform}", advice="choose a floor that auditwheel's `--plat` knows")
    for table in claim.policies.strictest(wheel.platforms):
        for binary, elf in _elfs(wheel):
            yield from _libraries(binary, elf, table, inside, claim.external)
            yield from _versions(binary, elf, table, inside)
    for binary, elf in _elfs(wheel):
        if elf.executable_stack:
            yield warning(
                f"{binary.path} asks for an executable stack, and glibc 2.41 refuses to load such a library",
                subject=binary.path,
                advice="link with -z noexecstack",
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


def abi3(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """A wheel for abi3 uses no private name of CPython that is not in the stable ABI, and says so in its file names."""
    if not any(tag.abi == "abi3" for tag in wheel.tags):
        if claim.wheel_kind == "abi3":
            yield error("the recipe says wheel: abi3, and its tags do not", advice="say wheel: auto")
        return
    for binary, elf in _elfs(wheel):
        private = [name for name in elf.wants if name.startswith("_Py") and name not in STABLE_PRIVATE]
        if private:
            yield error(
                f"{binary.path} is for abi3 and uses private functions of one Python: {some(private)}",
                subject=binary.path,
                advice="define Py_LIMITED_API when compiling, or say wheel: platform",
            )
    for binary in wheel.extensions:
        if ".cpython-" in binary.filename:
            yield error(
                f"{binary.path} has a suffix that one Python alone imports, and the wheel is for abi3",
                subject=binary.path,
                advice="the suffix is .abi3.so; in setuptools: Extension(py_limited_api=True)",
            )


def rpath(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """Libraries are looked for beside the wheel's own files only: every RPATH and RUNPATH begins with $ORIGIN."""
    for binary, elf in _elfs(wheel):
        foreign = [path for path in (*elf.rpath, *elf.runpath) if path.partition("/")[0] not in _ORIGIN]
        if foreign:
            yield error(
                f"{binary.path} looks for libraries in {some([repr(path) for path in foreign])}",
                subject=binary.path,
                advice="build without -rpath, or remove it with `patchelf --remove-rpath` before the repair",
            )


def build_paths(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """The path of the build's session stands in no file: a warning, for debug data always has it."""
    if wheel.traces:
        yield warning(
            f"{len(wheel.traces)} files hold the path of the build, {claim.root}: {some(wheel.traces)}",
            subject=min(wheel.traces),
            advice="compile with -ffile-prefix-map or -g0 where wheels must be equal",
        )


def _elfs(wheel: Wheel) -> Iterator[tuple[Binary, Elf]]:
    return ((binary, binary.elf) for binary in wheel.binaries if binary.elf is not None)


def _libraries(
    binary: Binary, elf: Elf, policy: Policy, inside: set[str], external: tuple[str, ...]
) -> Iterator[Finding]:
    missing = [name for name in elf.needed if name not in inside and not policy.has_library(name)]
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
