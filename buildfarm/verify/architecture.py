"""Rules about compiled code that is in the wrong wheel: for another machine, another C library, another Python."""

from __future__ import annotations

import re
from collections.abc import Iterator

from buildfarm.model.wheel import Finding
from buildfarm.verify.binary import Binary, Format
from buildfarm.verify.claim import Claim
from buildfarm.verify.finding import error, some, warning
from buildfarm.verify.policy import libc_of
from buildfarm.verify.wheelfile import Wheel

_LINUX = re.compile(r"(?:linux|manylinux\d+|(?P<family>manylinux|musllinux)_\d+_\d+)_(?P<machine>\w+)")
_SUFFIX = re.compile(
    r"(?P<module>[^.]+)\.cpython-(?P<abi>\d+[a-z]*)(?:-(?P<machine>[^-.]+)-linux-(?P<libc>[a-z]+)\w*)?\.so"
)
_TRIPLET = {"i686": "i386", "armv7l": "arm", "ppc64": "powerpc64", "ppc64le": "powerpc64le"}
_LIBC = {"manylinux": ("glibc", "gnu"), "musllinux": ("musl", "musl")}


def purelib(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """No compiled code is in a wheel for any platform, nor would it be installed into purelib (PEP 427)."""
    native = [binary.path for binary in wheel.binaries if not _is_launcher(binary)]
    if native and "any" in wheel.platforms:
        yield error(
            f"it is for any platform, and holds compiled code: {some(native)}",
            subject=min(native),
            advice="look for a prebuilt binary in the source, or a setup that does not declare its extensions",
        )
        return
    data = wheel.data
    misplaced = [
        path
        for path in native
        if path.startswith(f"{data}purelib/") or (wheel.fields.purelib and not path.startswith(data))
    ]
    if misplaced:
        yield error(
            f"it would install compiled code into purelib: {some(misplaced)}",
            subject=min(misplaced),
            advice="WHEEL must say Root-Is-Purelib: false",
        )


def foreign_architecture(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """Every binary is sound, and of the system, machine and class that the tag names."""
    for binary in wheel.binaries:
        if binary.problem:
            yield error(
                f"{binary.path} begins like an ELF file, but {binary.problem}",
                subject=binary.path,
                advice="look in the log of the build for a linker that was killed, or remove the file with a patch",
            )
            continue
        false = [platform for platform in wheel.platforms if not _fits(binary, platform)]
        if false:
            machine = f" for {binary.elf.machine}" if binary.elf else ""
            yield error(
                f"{binary.path} is {binary.format}{machine}, and the wheel is for {some(false)}",
                subject=binary.path,
                advice="look for a prebuilt binary in the source, or a build that took the wrong compiler",
            )


def libc(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """Every binary is linked to the C library of the tag: manylinux to glibc, musllinux to musl (PEP 600, PEP 656)."""
    for family in sorted(_families(wheel)):
        right, _suffix = _LIBC[family]
        for binary, elf in wheel.elfs:
            wrong = [name for name in elf.needed if libc_of(name) not in ("", right)]
            if wrong:
                yield error(
                    f"{binary.path} needs {some(wrong)}, and on {family} the C library is {right}",
                    subject=binary.path,
                    advice="build in an environment of that C library, or with zig; look for a prebuilt binary",
                )


def module_suffix(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """The suffix of every extension module is one that a Python of the tags imports (PEP 3149)."""
    abis = {tag.abi if tag.abi != "none" else tag.interpreter for tag in wheel.tags}
    if "abi3" in abis or not any(abi.startswith("cp") for abi in abis):
        return
    named = [(binary.path, match) for binary in wheel.extensions if (match := _SUFFIX.fullmatch(binary.filename))]
    importable = {_module(path, match) for path, match in named if _importable(match, abis, wheel)}
    for path, match in named:
        if not _importable(match, abis, wheel):
            message = f"{path} has a suffix that no Python of {some(wheel.filename.split('-')[-2:-1])} looks for here"
            if _module(path, match) in importable:
                yield warning(message, subject=path)  # one of several, as in wheels that carry many Pythons
            else:
                yield error(
                    message,
                    subject=path,
                    advice="another Python's build directory was in the source, or EXT_SUFFIX is not this Python's",
                )


def _module(path: str, match: re.Match[str]) -> str:
    return f"{path.rpartition('/')[0]}/{match['module']}"


def _importable(match: re.Match[str], abis: set[str], wheel: Wheel) -> bool:
    if f"cp{match['abi']}" not in abis:
        return False
    machines = {_TRIPLET.get(linux["machine"], linux["machine"]) for linux in _linux(wheel)}
    if not match["machine"] or not machines:
        return True
    # until 3.9 a Python on musl said gnu as well
    old = match["abi"].startswith("3") and int(re.sub(r"\D", "", match["abi"])[1:] or 0) < 10
    libcs = {_LIBC[family][1] for family in _families(wheel)}
    return match["machine"] in machines and (old or not libcs or match["libc"].startswith(tuple(libcs)))


def _linux(wheel: Wheel) -> list[re.Match[str]]:
    return [match for platform in wheel.platforms if (match := _LINUX.fullmatch(platform))]


def _families(wheel: Wheel) -> set[str]:
    return {match["family"] or "manylinux" for match in _linux(wheel) if not match[0].startswith("linux_")}


def _is_launcher(binary: Binary) -> bool:
    """Programs for Windows in pure wheels are launchers: data, as in setuptools and distlib."""
    return binary.format is Format.PE and binary.program


def _fits(binary: Binary, platform: str) -> bool:
    if linux := _LINUX.fullmatch(platform):
        return binary.program if binary.elf is None else binary.elf.machine == linux["machine"]
    if platform.startswith("win"):
        return binary.format is Format.PE
    if platform.startswith("macosx_"):
        return binary.format is Format.MACH_O
    return True
