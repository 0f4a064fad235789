"""Rules about what a wheel says of where it installs, by its file name and by its file WHEEL (PEP 425, PEP 427)."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.tags import Tag, parse_tag

from buildfarm.model.wheel import Finding
from buildfarm.verify.claim import Claim
from buildfarm.verify.finding import error, some, warning
from buildfarm.verify.wheelfile import Wheel

_REPACK = "rename wheels with `wheel tags`, which writes both"
_LONGEST_TAG = 256  # compressed sets multiply: a longer line could name billions


def tags(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """Tags of the file name are those of WHEEL, are what the recipe says, and cover the target."""
    yield from _same_in_both(wheel)
    yield from _as_claimed(wheel, claim)


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
            advice=_REPACK,
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


def wheel_file(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """WHEEL says where the wheel's files go, and has the build tag of the file name (PEP 427)."""
    where = f"{wheel.dist_info}/WHEEL"
    if wheel.fields.purelib is None:
        yield error("WHEEL does not say Root-Is-Purelib: true or false", subject=where, advice=_REPACK)
    elif not wheel.fields.purelib and wheel.platforms == ("any",):
        yield warning("WHEEL says Root-Is-Purelib: false, and the wheel is for any platform", subject=where)
    build = "".join(map(str, wheel.build))
    if wheel.fields.build.lstrip("0") != build:
        message = f"the file name has the build tag {build or 'none'}, and WHEEL {wheel.fields.build or 'none'}"
        yield error(message, subject=where, advice=_REPACK) if wheel.fields.build else warning(message, subject=where)


def _parse(line: str) -> frozenset[Tag]:
    if len(line) > _LONGEST_TAG or line.count("-") != 2:
        return frozenset()
    return parse_tag(line)


def _listed(tags: set[Tag] | frozenset[Tag]) -> str:
    return some([str(tag) for tag in tags]) or "nothing"
