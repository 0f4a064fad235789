"""System packages as a layer: installed by the image's own manager in a container that has network and no sources."""

from __future__ import annotations

import io
import json
import re
import shlex
import tarfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources import files

from buildfarm.adapters.container.committed import Failed, never
from buildfarm.adapters.container.engine import told
from buildfarm.adapters.container.labels import ours
from buildfarm.adapters.container.layers import Layers, Making, add
from buildfarm.adapters.container.network import Network
from buildfarm.adapters.container.tools import ROOT, Layer
from buildfarm.model.canonical import digest, from_plain, to_plain
from buildfarm.model.errors import FarmError, StepFailed
from buildfarm.model.image import Image
from buildfarm.model.outcome import Reason, Step
from buildfarm.model.session import Stop
from buildfarm.model.system import SeenPackage, SystemPackage
from buildfarm.model.wheel import Artifact

_LAYOUT = "1"  # raised when a layer is made in another way
_LIST = f"{ROOT}/packages.json"
_ASK = files("buildfarm.adapters.container.inside").joinpath("installed.py").read_bytes()
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9+._-]*[A-Za-z0-9+])?")  # none of apt's suffixes, no option
_REFUSED = 300.0  # seconds that an answer of a package manager holds, for several sessions ask
_INSTALL = {
    # A server that a package brings is not started; an image may have its own way to say so.
    "apt": """export DEBIAN_FRONTEND=noninteractive LC_ALL=C
        if [ ! -e /usr/sbin/policy-rc.d ]; then
            policy=/usr/sbin/policy-rc.d; printf '#!/bin/sh\\nexit 101\\n' >$policy; chmod 755 $policy
        fi
        apt-get -qq -o Acquire::Retries=3 -o Acquire::Languages=none -o APT::Update::Error-Mode=any update
        apt-get -qq -o Acquire::Retries=3 install -y --no-install-recommends -- {names}
        apt-get clean; rm -rf /var/lib/apt/lists/* ${{policy:-}}""",
    "dnf": """export LC_ALL=C
        if command -v dnf; then
            dnf -y --setopt=install_weak_deps=False --setopt=sslcacert="${{SSL_CERT_FILE:-}}" install {names}
            dnf clean all
        else yum -y install {names}; rpm -q --whatprovides {names}; yum clean all; fi""",
    "apk": "apk add --no-cache {names}",
}
_UNKNOWN = re.compile(  # what the managers say of names that no archive of theirs has, or that exclude each other
    r"Unable to locate package|no installation candidate|unmet dependencies|Unable to correct problems"
    r"|Unable to find a match|No match for argument|No package \S+ available|no package provides"
    r"|unable to select packages|no such package"
)
_SEARCH = {"apt": "apt-cache search WORD", "dnf": "dnf search WORD", "apk": "apk search WORD"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPackages:
    """Makes the layers. What a manager refuses is ``refused`` for some minutes."""

    layers: Layers
    network: Network
    refused: dict[str, tuple[Reason, float]] = field(default_factory=dict)

    def on(self, tools: Layer, image: Image, names: Iterable[str], generation: int = 1, stop: Stop = never) -> Layer:
        """The layer ``tools`` of an image with these packages; with none of them it only says what is there.

        Raises ``StepFailed`` (code ``packages``) in the manager's words for names that it does not know; ``FarmError``
        where its archive does not answer.
        """
        wanted = tuple(sorted(set(names)))
        self._demand(image, wanted)
        key = digest(["system", _LAYOUT, tools.key, image.manager, wanted, generation, _ASK.decode()])
        reason, until = self.refused.get(key, (None, 0.0))
        if reason and time.monotonic() < until:
            raise StepFailed(Step.BUILD, reason)
        try:
            return Layer(key=key, image=self.layers.made(key, lambda: self._making(tools, image, wanted), stop))
        except Failed as failed:
            refusal = _refusal(image, failed)
            if refusal is None:
                raise
            self.refused[key] = refusal, time.monotonic() + _REFUSED
            raise StepFailed(Step.BUILD, refusal) from failed

    def seen(self, layer: Layer) -> tuple[SeenPackage, ...]:
        """The packages of the layer, and of the image below it, that own shared libraries; by name."""
        kept = self.layers.folder / f"{layer.image.removeprefix('sha256:')}.packages.json"
        if kept.exists():
            return from_plain(tuple[SeenPackage, ...], json.loads(kept.read_text(encoding="utf-8")))
        packages = tuple(_package(each) for each in json.loads(self._read(layer.image)))
        kept.parent.mkdir(parents=True, exist_ok=True)  # another home may have made the layer
        aside = kept.with_suffix(f".{time.monotonic_ns()}")
        aside.write_text(json.dumps(to_plain(packages)), encoding="utf-8")
        aside.replace(kept)
        return packages

    def _making(self, tools: Layer, image: Image, wanted: tuple[str, ...]) -> Making:
        install = _INSTALL[image.manager].format(names=shlex.join(wanted)) if wanted else ""
        ask = f"{ROOT}/installed.py"
        what = f"install {', '.join(wanted)} in {image.name}" if wanted else f"ask {image.name} for its packages"
        return Making(
            base=tools.image,
            what=what,
            script=f"{install}\n{image.python} -IS {ask} >{_LIST}",
            fill=lambda archive: add(archive, ask, _ASK),
            network=self.network.for_manager(image.manager) if wanted else None,
        )

    def _demand(self, image: Image, wanted: tuple[str, ...]) -> None:
        if wanted and image.manager not in _INSTALL:
            raise FarmError(f"images/{image.name}.yaml names no package manager; say manager: {', '.join(_INSTALL)}")
        for name in wanted:
            if not _NAME.fullmatch(name):
                message = f"{name!r} is no name of a package"
                reason = Reason(code="packages", message=message, advice="Write the plain name: libyaml-dev.")
                raise StepFailed(Step.BUILD, reason)

    def _read(self, image: str) -> bytes:
        with told("read what is installed in an image"):
            container = self.layers.engine.client.containers.create(
                image, ["true"], network_mode="none", labels=ours(self.layers.farm, "making").written
            )
            try:
                pieces, _ = container.get_archive(_LIST)
                with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
                    content = archive.extractfile(_LIST.rpartition("/")[2])
                    return content.read() if content else b"[]"
            finally:
                container.remove(force=True)


def _package(said: dict[str, object]) -> SeenPackage:
    name, version = str(said["name"]), str(said["version"])
    package = SystemPackage(
        manager=str(said["manager"]),
        name=name,
        version=version,
        architecture=str(said["architecture"]),
        source=str(said["source"]),
        artifact=Artifact(name=f"{name}_{version}", size=0, sha256=""),  # its manager fetched it, and kept none
        origin="",
    )
    libraries = from_plain(dict[str, str], said["libraries"])
    return SeenPackage(package=package, libraries=libraries, licence=str(said["licence"]), release=str(said["release"]))


def _refusal(image: Image, failed: Failed) -> Reason | None:
    """None where it is not the names that are at fault."""
    said = [line.removeprefix("E: ").strip() for line in failed.tail if _UNKNOWN.search(line)]
    if not said:
        return None
    return Reason(
        code="packages",
        message=f"{image.manager} in {image.name} says: {'; '.join(said)}",
        advice=f"`{_SEARCH[image.manager]}` in that system finds the right name.",
        tail=failed.tail,
    )
