"""The rule about what a binary looks for when it runs, at a path of the system that it was built on.

A repair sees what a library is linked with, and nothing of this: MariaDB's client logs in by plug-ins from a folder
that only machines with the distribution's package have. All that the bytes tell of such a folder is its name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from buildfarm.model.wheel import Finding, Severity, is_grafted
from buildfarm.verify.claim import Claim
from buildfarm.verify.finding import error, some, warning
from buildfarm.verify.wheelfile import Wheel


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is at such paths, and whether a library does without in its ordinary work (a warning)."""

    paths: re.Pattern[str]
    what: str
    severity: Severity = Severity.WARNING


_PLUGINS = r"(?:plug-?ins?|modules?|drivers?|loaders?|engines?|providers?|backends?|codecs?)"
# Of the kernel, or of no library.
_NOTHING = re.compile(
    r"(?:/usr)?/lib/(?:modules|firmware)(?:/|$)"
    r"|(?:/usr(?:/local)?)?/lib(?:64|32|x32|exec)?(?:/[\w.]+-linux-\w+)?/"
    r"(?:(?:debug|pkgconfig|cmake|perl[\w.-]*|python[\d.]*|systemd|gconv)(?:/|$)|ld-)"
)
# The first that fits counts. All are looked for, so that no text takes longer than its length.
_KINDS = (
    _Kind(re.compile(r"/(?:ssl|pki/tls)(?:/|$)"), "CA certificates and settings of OpenSSL"),
    _Kind(re.compile(r"/(?:engines-[\d.]+|openssl/engines|ossl-modules)$"), "modules that OpenSSL's settings name"),
    _Kind(re.compile(r"/(?:krb5/plugins(?:/|$)|gss$)"), "plug-ins of Kerberos"),
    _Kind(re.compile(r"/sasl2$"), "SASL mechanisms"),
    _Kind(re.compile(r"/(?:pkcs11|p11-kit)(?:/|$)"), "modules for smart cards"),
    _Kind(re.compile(r"/libxslt-plugins$"), "XSLT extensions"),
    _Kind(re.compile(rf"[/.-]{_PLUGINS}(?:[-.]\d[\d.]*)?(?:/|$)"), "plug-ins", Severity.ERROR),
    _Kind(re.compile(r"/lib(?:64|32|x32|exec|/[\w.]+-linux-\w+)/"), "files of its own"),
)
_ADVICE = (
    "put them into the wheel with repair.include and tell the library where they are, in a patch of the package; "
    "or relax the rule with the reason why nobody needs them"
)
_SELDOM = "whoever needs them names them by a setting or variable of the library"


def run_time_paths(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """No library of the build's system loads plug-ins from a folder there, unless the wheel has a folder of that name
    with binaries in it. For what it can do without, for code of the project itself, which its author may know better,
    and for a wheel that is not held against a target, a warning.
    """
    carried = {part for each in wheel.binaries for part in each.path.split("/")[-2:]}
    for binary in wheel.binaries:
        found: dict[_Kind, list[str]] = defaultdict(list)
        for place in binary.places:
            kind = _kind_of(place)
            if kind and _name(place) not in carried:
                found[kind].append(place)
        foreign = is_grafted(binary.path) or binary.path.rpartition("/")[0] in claim.included
        for kind, places in found.items():
            strict = kind.severity is Severity.ERROR
            finding = error if strict and foreign and claim.target is not None else warning
            yield finding(
                f"when it runs, {binary.path} looks for {kind.what} in {some(places)}, "
                "which other systems keep elsewhere or not at all",
                subject=binary.path,
                advice=_ADVICE if strict else _SELDOM,
            )


def _name(place: str) -> str:
    """The last part that is not made up at run time."""
    return next((part for part in reversed(place.split("/")) if "%" not in part), "")


def _kind_of(place: str) -> _Kind | None:
    if _NOTHING.match(place):
        return None
    return next((kind for kind in _KINDS if kind.paths.search(place)), None)
