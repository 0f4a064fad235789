"""``ports.Packages`` on a host of Debian's family: system packages pinned by apt, their files in the store."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from buildfarm.adapters.host import debs
from buildfarm.adapters.host.apt import Apt, Gone, Stanza
from buildfarm.model.errors import Unavailable
from buildfarm.model.outcome import Reason
from buildfarm.model.system import SystemPackage
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Progress, Store

_ALWAYS = "pkg-config"  # what asks where a library is, must be there to answer
_REFUSED = 300.0  # seconds: planning asks several times, and people wait for it


@dataclass(frozen=True, slots=True, kw_only=True)
class AptPackages:
    """A ``ports.Packages`` for this machine's own release. What apt refuses is ``refused`` for some minutes."""

    apt: Apt
    store: Store
    refused: dict[tuple[str, ...], tuple[Reason, float]] = field(default_factory=dict)

    def lock(self, names: Iterable[str]) -> tuple[SystemPackage, ...]:
        """See ``ports.Packages``."""
        asked = tuple(sorted(set(names)))
        refused, until = self.refused.get(asked, (None, 0.0))
        if refused and time.monotonic() < until:
            raise Unavailable(refused)
        self.apt.report(Progress(job="", step="packages", message=f"asking apt what {', '.join(asked)} need"))
        try:
            return self._current(asked)
        except Unavailable as unavailable:
            self.refused[asked] = unavailable.reason, time.monotonic() + _REFUSED
            raise

    def _current(self, asked: tuple[str, ...]) -> tuple[SystemPackage, ...]:
        try:
            return self._fetched(asked)
        except Gone:  # since our lists were made
            self.apt.forget()
            return self._fetched(asked)

    def _fetched(self, asked: tuple[str, ...]) -> tuple[SystemPackage, ...]:
        closure = self.apt.closure((*asked, _ALWAYS))
        linked = _linked(asked, {stanza["Package"]: stanza for stanza in closure})
        packages = tuple(_package(stanza) for stanza in closure)
        for package in packages:
            self.fetch(package)
        return tuple(replace(each, floor=self._floor(each)) if each.name in linked else each for each in packages)

    def fetch(self, package: SystemPackage) -> Artifact:
        """See ``ports.Packages``."""
        artifact = package.artifact
        if self.store.has(artifact.sha256):
            return artifact
        self.apt.report(Progress(job="", step="packages", message=f"fetching {artifact.name}"))
        with tempfile.TemporaryDirectory(prefix="deb.", dir=self.apt.home) as folder:
            file = Path(folder, "deb")
            self.apt.download(package.origin, artifact.sha256, file)
            with file.open("rb") as fetched:
                kept = self.store.put(artifact.name, fetched)
        if kept.sha256 != artifact.sha256:
            raise Unavailable(Reason(code="hash", message=f"{artifact.name} has another hash than was promised"))
        return artifact

    def _floor(self, package: SystemPackage) -> debs.Floor:
        with self.store.open(package.artifact.sha256) as deb:
            return debs.floor(deb)


def _package(stanza: Stanza) -> SystemPackage:
    name = stanza["Filename"].rpartition("/")[2]
    return SystemPackage(
        manager="apt",
        name=stanza["Package"],
        version=stanza["Version"],
        architecture=stanza["Architecture"],
        source=stanza.get("Source", stanza["Package"]).partition(" ")[0],
        artifact=Artifact(name=name, size=int(stanza["Size"]), sha256=stanza["SHA256"]),
        origin=stanza["URI"],
    )


def _linked(asked: Iterable[str], closure: Mapping[str, Stanza]) -> frozenset[str]:
    """Names of the packages whose libraries a wheel may link with: what those for developers need, step by step.

    What was asked for as a program, a compiler of Rust, say, links itself with what no wheel will carry.
    """
    providers = {provided: name for name, stanza in closure.items() for provided in _names(stanza.get("Provides", ""))}
    wanted = [name for name in asked if name.endswith("-dev") or name.startswith("lib")]
    found: set[str] = set()
    while wanted:
        name = wanted.pop()
        name = name if name in closure else providers.get(name, "")
        if name and name not in found:
            found.add(name)
            wanted += _names(closure[name].get("Depends", ""))
    return frozenset(name for name in found if not name.endswith("-dev") and closure[name]["Architecture"] != "all")


def _names(relation: str) -> list[str]:
    """Names in a field such as Depends: every alternative counts."""
    return re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)", relation)
