"""File names of sdists, of today (PEP 625) and of the past."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from buildfarm.model.origin import Offer
from buildfarm.model.session import ARCHIVES


def sdist_version(filename: str, project: str) -> str:
    """The normalised version that an sdist of the project has by its file name; empty when it is none.

    Before PEP 625 both parts could hold hyphens, as in ``python-dateutil-2.8-1.tar.gz``: the project's name tells them.
    """
    suffix = next((suffix for suffix in ARCHIVES if filename.endswith(suffix)), "")
    stem = filename.removesuffix(suffix)
    wanted = canonicalize_name(project)
    for match in re.finditer("-", stem if suffix else ""):
        if canonicalize_name(stem[: match.start()]) == wanted:
            try:
                return str(Version(stem[match.end() :]))
            except InvalidVersion:
                continue
    return ""


def best_sdists(project: str, offers: Iterable[Offer]) -> Mapping[str, Offer]:
    """The sdists among the offers by version; of several, what is not yanked, and then the best format."""
    found: dict[str, Offer] = {}
    for offer in offers:
        if version := sdist_version(offer.filename, project):
            found[version] = min(found.get(version, offer), offer, key=_rank)
    return found


def _rank(offer: Offer) -> tuple[bool, int]:
    return offer.yanked, next(place for place, suffix in enumerate(ARCHIVES) if offer.filename.endswith(suffix))
