"""Rules about how the loader will treat compiled code: where it looks for libraries, and what it must permit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from buildfarm.model.wheel import Finding
from buildfarm.verify.claim import Claim
from buildfarm.verify.elf import Elf
from buildfarm.verify.finding import error, some
from buildfarm.verify.wheelfile import Wheel

_ORIGIN = ("$ORIGIN", "${ORIGIN}")


def rpath(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """Libraries are looked for where wheels install: each RPATH begins with $ORIGIN and does not climb out."""
    for binary, elf in wheel.elfs:
        paths = {path: path.partition("/") for path in (*elf.rpath, *elf.runpath)}
        foreign = [repr(path) for path, (first, _, _) in paths.items() if first not in _ORIGIN]
        if foreign:
            yield error(
                f"{binary.path} looks for libraries in {some(foreign)}",
                subject=binary.path,
                advice="build without -rpath, or remove it with `patchelf --remove-rpath` before the repair",
            )
        place = wheel.installed(binary.path)
        outside = [repr(path) for path, (first, _, rest) in paths.items() if first in _ORIGIN and _climbs(place, rest)]
        if place and outside:
            yield error(
                f"{binary.path} looks for libraries outside of site-packages, in {some(outside)}",
                subject=binary.path,
                advice="what is there belongs to nobody: remove it with `patchelf --remove-rpath` before the repair",
            )


def executable_stack(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """No binary asks for an executable stack, which glibc 2.41 refuses to a library that is loaded."""
    trouble = "asks for an executable stack, and glibc 2.41 refuses to load such a library"
    return _each(
        wheel, lambda elf: elf.executable_stack, trouble, "link with -z noexecstack (LDFLAGS: -Wl,-z,noexecstack)"
    )


def text_relocations(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """No binary makes the loader write into code, which musl cannot and SELinux forbids."""
    trouble = "has text relocations: it was compiled for a fixed address"
    return _each(
        wheel, lambda elf: elf.text_relocations, trouble, "compile all of it with -fPIC, static libraries included"
    )


def writable_code(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """No part of a binary is loaded both writable and executable."""
    trouble = "has a segment that is both writable and executable"
    return _each(
        wheel,
        lambda elf: elf.writable_code,
        trouble,
        "link without -N (--omagic) and without a linker script of its own",
    )


def _each(wheel: Wheel, holds: Callable[[Elf], bool], trouble: str, advice: str) -> Iterator[Finding]:
    """An error for each binary of which that holds."""
    for binary, elf in wheel.elfs:
        if holds(elf):
            yield error(f"{binary.path} {trouble}", subject=binary.path, advice=advice)


def _climbs(path: str, rest: str) -> bool:
    """Whether ``rest``, taken from the folder of ``path``, leads out of the root that ``path`` begins at."""
    depth = path.count("/")
    for part in rest.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return False
