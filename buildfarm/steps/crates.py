"""Crates of Rust for a session without network: those that a source locks, and how cargo finds them there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import NoReturn

from buildfarm.model.errors import Unavailable
from buildfarm.model.job import Input
from buildfarm.model.outcome import Reason
from buildfarm.model.session import Archive, Content, Layout
from buildfarm.model.system import Crate
from buildfarm.steps.entry import Entry
from buildfarm.steps.toml import parse_toml

_NAME, _VERSION, _SHA256 = r"[A-Za-z0-9][A-Za-z0-9_-]*", r"\d+[0-9A-Za-z.+-]*", r"[0-9a-f]{64}"
_ROLE = "crate"


def locked_crates(source: Iterable[Entry]) -> tuple[Crate, ...]:
    """The crates that a source's Cargo.lock names, in order; none where the source has no Cargo.toml.

    Raises ``Unavailable`` (code ``crates``) where they are not locked, or not by hash.
    """
    rust, locks = False, dict[str, bytes]()
    for entry in source:
        file = PurePosixPath(entry.path).name
        rust = rust or file == "Cargo.toml"
        if file == "Cargo.lock" and entry.kind == "file":
            with entry.open() as opened:
                locks[entry.path] = opened.read()
    if not rust:
        return ()
    if not locks:
        _refuse("is in Rust and has no Cargo.lock, so nobody knows which crates it needs", "Add one by a patch")
    _, text = min(locks.items(), key=lambda each: (each[0].count("/"), each[0]))
    try:
        packages = parse_toml(text.decode()).get("package", [])
    except ValueError as error:
        _refuse(f"has a Cargo.lock that is no TOML: {error}", "Mend it by a patch")
    if not isinstance(packages, list) or not all(isinstance(each, dict) for each in packages):
        _refuse("has a Cargo.lock whose packages are no tables", "Mend it by a patch")
    return tuple(sorted({_crate(each) for each in packages if "source" in each}))


def _crate(package: Mapping[str, object]) -> Crate:
    name, version, sha256 = (str(package.get(key, "")) for key in ("name", "version", "checksum"))
    if not re.fullmatch(_NAME, name) or not re.fullmatch(_VERSION, version):
        _refuse(f"has a Cargo.lock that names {name!r} {version!r}, which is no crate", "Mend it by a patch")
    if not re.fullmatch(_SHA256, sha256):
        _refuse(
            f"takes {name} {version} from {str(package['source'])!r}, without a hash",
            "Only crates of a registry have one",
        )
    return Crate(name=name, version=version, sha256=sha256)


def vendored(inputs: tuple[Input, ...], layout: Layout) -> dict[str, Content]:
    """What to put where in a session so that cargo takes these crates and asks no network; nothing for no crates."""
    folder, put = f"{layout.work}/crates", dict[str, Content]()
    for each in inputs:
        if each.role == _ROLE:
            crate = f"{folder}/{each.artifact.name.removesuffix('.tar.gz')}"
            put[crate] = Archive(artifact=each.artifact)
            checksum = {"files": {}, "package": each.artifact.sha256}
            put[f"{crate}/.cargo-checksum.json"] = json.dumps(checksum).encode()
    if put:
        put[f"{layout.root}/.cargo/config.toml"] = _config(folder).encode()
    return put


def _config(folder: str) -> str:
    return (
        '[source.crates-io]\nreplace-with = "vendored"\n'
        f"[source.vendored]\ndirectory = {json.dumps(folder)}\n"
        "[net]\noffline = true\n"
    )


def _refuse(what: str, advice: str) -> NoReturn:
    raise Unavailable(Reason(code="crates", message=f"the source {what[:500]}", advice=f"{advice}."))
