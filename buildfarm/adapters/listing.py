"""Distributions that are listed all at once: those of a folder, of a web server's listing, of an export."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from packaging.utils import canonicalize_name

from buildfarm.model.distribution import named
from buildfarm.model.origin import Offer


class Listing:
    """A ``ports.Shelf`` of known offers. What by its name is neither a wheel nor an sdist is no distribution."""

    def __init__(self, offers: Iterable[Offer]) -> None:
        self._offers: defaultdict[str, list[Offer]] = defaultdict(list)
        for offer in offers:
            if name := named(offer.filename):
                self._offers[name.project].append(offer)

    def projects(self) -> tuple[str, ...]:
        """Normalised names of all projects, sorted."""
        return tuple(sorted(self._offers))

    def offers(self, project: str) -> tuple[Offer, ...]:
        """Its files of the project."""
        return tuple(self._offers.get(canonicalize_name(project), ()))


def files_below(folder: Path) -> tuple[Offer, ...]:
    """Every file in a folder and in those below it, by path; dot files and links to elsewhere are passed over."""
    found = (path for path in sorted(folder.rglob("[!.]*")) if path.is_file() and not path.is_symlink())
    return tuple(Offer(filename=each.name, origin=str(each.absolute()), size=each.stat().st_size) for each in found)
