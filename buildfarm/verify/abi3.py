"""The rule about the promise of abi3: one wheel for a Python and all later ones (PEP 384, PEP 425)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from buildfarm.model.wheel import Finding
from buildfarm.verify.claim import Claim
from buildfarm.verify.finding import error, some
from buildfarm.verify.stable_abi import stable_symbols
from buildfarm.verify.wheelfile import Wheel

_INTERPRETER = re.compile(r"cp(\d)(\d+)")


def abi3(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """A wheel for abi3 uses symbols of the stable ABI alone, none newer than its tag, and says so in its file names."""
    oldest = _oldest(wheel)
    if oldest is None:
        if claim.wheel_kind == "abi3":
            yield error("the recipe says wheel: abi3, and its tags do not", advice="say wheel: auto")
        return
    stable = stable_symbols()
    given = {name for _, elf in wheel.elfs for name in elf.gives}
    for binary, elf in wheel.elfs:
        wants = set(elf.wants) - given
        if unstable := wants - stable.keys():
            yield error(
                f"{binary.path} is for abi3 and uses what is not in the stable ABI: {some(unstable)}",
                subject=binary.path,
                advice="define Py_LIMITED_API when compiling, or say wheel: platform",
            )
        newer = {name: stable[name] for name in wants & stable.keys() if stable[name] > oldest}
        if newer:
            yield error(
                f"{binary.path} is for Python {_dotted(oldest)} and later, and uses"
                f" {some([f'{name} (new in {_dotted(since)})' for name, since in newer.items()])}",
                subject=binary.path,
                advice=f"define Py_LIMITED_API as 0x{oldest[0]:02x}{oldest[1]:02x}0000 when compiling, or tag the wheel"
                f" cp{''.join(map(str, max(newer.values())))}-abi3",
            )
    for binary in wheel.extensions:
        if ".cpython-" in binary.filename:
            yield error(
                f"{binary.path} has a suffix that one Python alone imports, and the wheel is for abi3",
                subject=binary.path,
                advice="the suffix is .abi3.so; in setuptools: Extension(py_limited_api=True)",
            )


def _oldest(wheel: Wheel) -> tuple[int, int] | None:
    found = (_INTERPRETER.fullmatch(tag.interpreter) for tag in wheel.tags if tag.abi == "abi3")
    return min(((int(match[1]), int(match[2])) for match in found if match), default=None)


def _dotted(python: tuple[int, int]) -> str:
    return ".".join(map(str, python))
