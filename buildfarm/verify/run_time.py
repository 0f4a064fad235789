"""The rule about what a binary looks for when it runs, at a path of the system that it was built on.

A repair sees what a library is linked with, and nothing of this: MariaDB's client logs in by plug-ins from a folder
that only machines with the distribution's package have. All that the bytes tell of such a folder is its name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from buildfarm.model.wheel import Finding, Severity
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
_HARMLESS = r"(?:debug|pkgconfig|cmake|perl|python|systemd|gconv|ld-)"
_NOTHING = re.compile(r"(?:/usr)?/lib/(?:modules|firmware|debug|systemd)(?:/|$)")  # of the kernel, or of no library
# The first that fits counts. All are looked for, so that no text takes longer than its length.
_KINDS = (
    _Kind(re.compile(r"/(?:ssl|pki/tls)(?:/|$)"), "CA certificates and settings of OpenSSL"),
    _Kind(re.compile(r"/(?:engines-[\d.]+|openssl/engines|ossl-modules)$"), "modules that OpenSSL's settings name"),
    _Kind(re.compile(r"/(?:krb5/plugins(?:/|$)|gss$)"), "plug-ins of Kerberos"),
    _Kind(re.compile(r"/sasl2$"), "SASL mechanisms"),
    _Kind(re.compile(r"/pkcs11$"), "modules for smart cards"),
    _Kind(re.compile(r"/libxslt-plugins$"), "XSLT extensions"),
    _Kind(re.compile(rf"[/.-]{_PLUGINS}(?:[-.]\d[\d.]*)?(?:/|$)"), "plug-ins", Severity.ERROR),
    _Kind(re.compile(rf"/lib(?:64|32|x32|/[\w.]+-linux-\w+)/(?!{_HARMLESS})"), "files of its own"),
)
_ADVICE = (
    "put them into the wheel with repair.include and tell the library where they are, in a patch of the package; "
    "or relax the rule with the reason why nobody needs them"
)
_SELDOM = "whoever needs them names them by a setting or variable of the library"


def run_time_paths(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """No binary loads plug-ins from a folder of the build's system, unless the wheel has a folder of that name with
    binaries in it. For what a library can do without, and for a wheel that is not held against a target, a warning.
    """
    carried = {part for each in wheel.binaries for part in each.path.split("/")[-2:]}
    for binary in wheel.binaries:
        found: dict[_Kind, list[str]] = defaultdict(list)
        for place in binary.places:
            kind = _kind_of(place)
            if kind and place.rpartition("/")[2] not in carried:
                found[kind].append(place)
        for kind, places in found.items():
            strict = kind.severity is Severity.ERROR
            finding = error if strict and claim.target is not None else warning
            yield finding(
                f"when it runs, {binary.path} looks for {kind.what} in {some(places)}, "
                "which other systems keep elsewhere or not at all",
                subject=binary.path,
                advice=_ADVICE if strict else _SELDOM,
            )


def _kind_of(place: str) -> _Kind | None:
    if _NOTHING.match(place):
        return None
    return next((kind for kind in _KINDS if kind.paths.search(place)), None)
