"""What a person is told whose wish upstream does not meet: no such project, no such version, other bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches

from packaging.version import Version

from buildfarm.model.origin import Offer
from buildfarm.model.outcome import Reason

_MOST = 5  # versions that are named


def unknown_project(name: str) -> Reason:
    """Nobody offers anything under that name."""
    return Reason(
        code="unknown-project",
        message=f"upstream knows no project {name}.",
        advice="Is the name right? `buildfarm config show` says which index is asked.",
    )


def unknown_version(name: str, wanted: str, offers: Mapping[str, Offer]) -> Reason:
    """No sdist meets ``wanted``, a version or a specifier (empty: any that is not yanked)."""
    return Reason(
        code="unknown-version",
        message=f"upstream has no sdist of {name} {wanted or 'that is not yanked'}.",
        advice=f"It has {_some(wanted, offers) or 'only yanked ones'}.",
    )


def other_bytes(refused: Reason, key: str) -> Reason:
    """A file without the promised hash: the recipe promised it under ``key``; where that is empty, the index did."""
    if key:
        promiser = f"the recipe says at {key}"
        advice = (
            "if that is mistyped, take it out and `buildfarm recipe pin` writes the right one; if it was right once, "
            "the file changed upstream: find out why before you take its new hash"
        )
    else:
        promiser = "the index says"
        advice = "the index, or a proxy before it, serves another file than it names: tell whoever runs it"
    return replace(refused, message=f"{refused.message}, as {promiser}", advice=advice)


def changed(name: str, version: str, offer: Offer, pinned: str) -> Reason:
    """The ledger pinned the sha256 ``pinned`` when it first saw the release, and upstream offers other bytes now."""
    return Reason(
        code="hash",
        message=(
            f"{offer.filename} changed upstream: it was sha256:{pinned} when it was first pinned, "
            f"now it is sha256:{offer.sha256}."
        ),
        advice=(
            f"A release's file never changes honestly: find out why. Then name the one to build in the recipe of "
            f'{name}: `source: {{sdist: {{"{version}": "sha256:…"}}}}`.'
        ),
    )


def _some(wanted: str, offers: Mapping[str, Offer]) -> str:
    """A few versions that are not yanked: the one spelled like ``wanted``, then the newest."""
    standing = [str(each) for each in sorted((Version(v) for v, o in offers.items() if not o.yanked), reverse=True)]
    near = get_close_matches(wanted, standing, n=1, cutoff=0.7)
    named = [*dict.fromkeys((*near, *standing))]
    more = f" and {len(named) - _MOST} more" if len(named) > _MOST else ""
    return f"{', '.join(named[:_MOST])}{more}"
