"""The rule about what a wheel's tags promise (PEP 425, 427): of its own files, and of the target."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.tags import Tag, parse_tag

from buildfarm.model.wheel import Finding
from buildfarm.verify.binary import Binary, Format
from buildfarm.verify.claim import Claim
from buildfarm.verify.finding import error, some, warning
from buildfarm.verify.wheelfile import Wheel

_LINUX = re.compile(r"(?:linux|manylinux\d+|(?:manylinux|musllinux)_\d+_\d+)_(?P<machine>\w+)")
_LONGEST_TAG = 256  # compressed sets multiply: a longer line could name billions


def tags(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """Tags of the file name are those of WHEEL, cover the target, and are true of every binary."""
    yield from _same_in_both(wheel)
    yield from _as_claimed(wheel, claim)
    yield from _true_of_binaries(wheel)
    yield from _root_agrees(wheel)


def _same_in_both(wheel: Wheel) -> Iterator[Finding]:
    declared: set[Tag] = set()
    for line in wheel.fields.tags:
        tag = _parse(line)
        if not tag:
            yield error(f"WHEEL has a Tag that is none: {line[:_LONGEST_TAG]!r}", subject=f"{wheel.dist_info}/WHEEL")
        declared |= tag
    if declared != wheel.tags:
        yield error(
            f"the file name says {_listed(wheel.tags)}, and WHEEL says {_listed(declared)}",
            subject=f"{wheel.dist_info}/WHEEL",
            advice="rename wheels with `wheel tags`, which writes both",
        )


def _as_claimed(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    if claim.target is not None and not claim.target.covered_by(wheel.tags):
        yield error(
            f"its tags {_listed(wheel.tags)} do not install on every host of {claim.target}",
            advice=f"see in the log of the repair why it did not reach {claim.target.platform}",
        )
    pure = wheel.platforms == ("any",)
    if claim.wheel_kind == "pure" and not pure:
        yield error(f"the recipe says wheel: pure, and it is for {some(wheel.platforms)}", advice="say wheel: auto")
    if claim.wheel_kind == "platform" and pure:
        yield error("the recipe says wheel: platform, and it is for any", advice="say wheel: auto")


def _true_of_binaries(wheel: Wheel) -> Iterator[Finding]:
    for binary in wheel.binaries:
        if binary.problem:
            yield error(f"{binary.path} begins like an ELF file, but {binary.problem}", subject=binary.path)
            continue
        false = [platform for platform in wheel.platforms if not _fits(binary, platform)]
        if false:
            machine = f" for {binary.elf.machine}" if binary.elf else ""
            yield error(
                f"{binary.path} is {binary.format}{machine}, and the wheel is for {some(false)}",
                subject=binary.path,
                advice="look for a prebuilt binary in the source, or a build that took the wrong compiler",
            )


def _fits(binary: Binary, platform: str) -> bool:
    if platform == "any":
        # programs for Windows in pure wheels are launchers: data, as in setuptools and distlib
        return binary.format is Format.PE and binary.program
    if linux := _LINUX.fullmatch(platform):
        return binary.program if binary.elf is None else binary.elf.machine == linux["machine"]
    if platform.startswith("win"):
        return binary.format is Format.PE
    if platform.startswith("macosx_"):
        return binary.format is Format.MACH_O
    return True


def _root_agrees(wheel: Wheel) -> Iterator[Finding]:
    data = f"{wheel.dist_info.removesuffix('.dist-info')}.data/"
    pure = [
        binary.path
        for binary in wheel.binaries
        if binary.format is not Format.PE or not binary.program
        if binary.path.startswith(f"{data}purelib/") or (wheel.fields.purelib and not binary.path.startswith(data))
    ]
    if pure:
        yield error(
            f"it would install compiled code into purelib: {some(pure)}",
            subject=min(pure),
            advice="WHEEL must say Root-Is-Purelib: false",
        )
    if not wheel.fields.purelib and wheel.platforms == ("any",):
        yield warning("WHEEL says Root-Is-Purelib: false, and the wheel is for any platform")


def _parse(line: str) -> frozenset[Tag]:
    if len(line) > _LONGEST_TAG or line.count("-") != 2:
        return frozenset()
    return parse_tag(line)


def _listed(tags: set[Tag] | frozenset[Tag]) -> str:
    return some([str(tag) for tag in tags]) or "nothing"
