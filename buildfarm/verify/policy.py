"""Platform policies (PEP 600, PEP 656): what a wheel may take from the system, by platform tag.

The tables are those of auditwheel, so that the check agrees with the repair.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from packaging.version import Version

from buildfarm.model.canonical import Plain

_TAG = re.compile(r"(?P<family>manylinux|musllinux)_(?P<major>\d+)_(?P<minor>\d+)(?:_(?P<machine>\w+))?")
_LEGACY_TAG = re.compile(r"(?P<alias>manylinux\d+)_(?P<machine>\w+)")
_MUSL_NAMES = {"i686": "x86", "armv7l": "armv7"}
_LOADERS = ("ld-linux", "ld-musl-", "ld64.so.")

Place = tuple[str, tuple[int, int], str]
"""Family, floor and machine of a policy: ``("manylinux", (2, 17), "x86_64")``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What every system at a platform's floor has, for one machine.

    ``libraries`` are sonames; ``versions`` maps a prefix of symbol versions (``GLIBC``) to those known (``2.17``).
    """

    name: str
    libraries: frozenset[str]
    versions: Mapping[str, frozenset[str]]

    def has_library(self, soname: str) -> bool:
        """Whether the system brings the library."""
        return soname in self.libraries or is_loader(soname)

    def has_version(self, version: str) -> bool:
        """Whether the system's libraries know the symbol version; one with a prefix of no table is never refused."""
        prefix, _, number = version.partition("_")
        return prefix not in self.versions or number in self.versions[prefix]

    def newest(self, version: str) -> str:
        """The newest symbol version that there is with the same prefix, ``GLIBC_2.17``; "" where there is none."""
        prefix = version.partition("_")[0]
        numbers = [number for number in self.versions[prefix] if re.fullmatch(r"\d+(\.\d+)*", number)]
        return f"{prefix}_{max(numbers, key=Version)}" if numbers else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """All policies. ``aliases`` are the floors of manylinux1, manylinux2010 and manylinux2014."""

    tables: Mapping[Place, Policy]
    aliases: Mapping[str, tuple[int, int]]

    def of(self, platform: str) -> Policy | None:
        """The policy of a platform tag: its own, or that of the next older floor, whose systems have no more.

        None for a platform that has none: another system, or a machine that the tag's floor does not know.
        """
        place = self._place(platform)
        return self.tables[place] if place else None

    def strictest(self, platforms: Iterable[str]) -> tuple[Policy, ...]:
        """Of each family and machine among the tags, the policy of the oldest floor: the newer ones contain it."""
        oldest: dict[tuple[str, str], Place] = {}
        for place in filter(None, map(self._place, platforms)):
            family, _, machine = place
            oldest[family, machine] = min(place, oldest.get((family, machine), place))
        return tuple(self.tables[place] for place in oldest.values())

    def _place(self, platform: str) -> Place | None:
        if match := _LEGACY_TAG.fullmatch(platform):
            family, floor = "manylinux", self.aliases.get(match["alias"], (0, 0))
        elif (match := _TAG.fullmatch(platform)) and match["machine"]:
            family, floor = match["family"], (int(match["major"]), int(match["minor"]))
        else:
            return None
        wanted = (family, match["machine"], floor[0])
        known = [place for place in self.tables if (place[0], place[2], place[1][0]) == wanted and place[1] <= floor]
        return max(known, default=None)


def is_loader(soname: str) -> bool:
    """Whether the library is the dynamic loader itself, which every program has and no policy lists."""
    return soname.startswith(_LOADERS)


def libc_of(soname: str) -> str:
    """Which C library a library belongs to: ``glibc``, ``musl``, or "" for neither."""
    if soname.startswith(("libc.musl-", "ld-musl-")) or soname == "libc.so":
        return "musl"
    return "glibc" if soname.startswith(("libc.so.", "ld-linux", "ld64.so.")) else ""


def read_policies(*documents: Plain) -> Policies:
    """Read auditwheel's policy files, parsed: objects with name, aliases, symbol_versions and lib_whitelist."""
    tables, aliases = {}, {}
    for entry in (entry for document in documents for entry in document):
        match = _TAG.fullmatch(entry["name"])
        if match is None:
            continue
        floor = (int(match["major"]), int(match["minor"]))
        aliases.update(dict.fromkeys(entry["aliases"], floor))
        for machine, versions in entry["symbol_versions"].items():
            libraries = set(entry["lib_whitelist"])
            if match["family"] == "musllinux":
                libraries.add(f"libc.musl-{_MUSL_NAMES.get(machine, machine)}.so.1")
            tables[match["family"], floor, machine] = Policy(
                name=f"{entry['name']}_{machine}",
                libraries=frozenset(libraries),
                versions={prefix: frozenset(numbers) for prefix, numbers in versions.items()},
            )
    return Policies(tables=tables, aliases=aliases)


@cache
def shipped_policies() -> Policies:
    """The policies of the auditwheel that is installed beside us; data of a package, constant as its code is."""
    folder = files("auditwheel") / "policy"
    return read_policies(
        *(json.loads((folder / f"{family}-policy.json").read_text("utf-8")) for family in ("manylinux", "musllinux"))
    )
