"""Crates that the store has already."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from buildfarm.adapters.host.crates import CargoCrates
from buildfarm.adapters.host.prefix import Prefix
from buildfarm.adapters.memory import MemoryStore
from buildfarm.model.errors import Unavailable
from buildfarm.model.job import BuildJob, Environment, SourcePin
from buildfarm.model.system import Crate
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact
from buildfarm.ports import no_report

TARGET = Target.parse("cp311-manylinux_2_17_x86_64")
JOB = BuildJob(
    project="demo",
    version="1.0",
    target=TARGET,
    source=SourcePin(artifact=Artifact(name="demo-1.0.tar.gz", size=1, sha256="5" * 64), origin="/demo", epoch=0),
    environment=Environment(name="host", lane="", target=TARGET, definition={}, test_definition={}),
)


def test_what_is_in_the_store_is_not_fetched_and_has_its_size(tmp_path: Path) -> None:
    store = MemoryStore()
    there = store.put("rpds-1.2.0.tar.gz", io.BytesIO(b"a crate"))
    crates = CargoCrates(
        home=tmp_path / "cargo",
        store=store,
        prefix=lambda _: pytest.fail("nothing is to be fetched"),
        config=tmp_path / "config.toml",
        environ={},
        report=no_report,
    )
    assert crates.fetch([Crate(name="rpds", version="1.2.0", sha256=there.sha256)], JOB) == (there,)
    assert there.size == 7


def test_packages_without_cargo_are_said(tmp_path: Path) -> None:
    crates = CargoCrates(
        home=tmp_path / "cargo",
        store=MemoryStore(),
        prefix=lambda _: Prefix(root=tmp_path, arch="x86_64", packages=()),
        config=tmp_path / "config.toml",
        environ={},
        report=no_report,
    )
    with pytest.raises(Unavailable, match="bring no usr/bin/cargo") as refused:
        crates.fetch([Crate(name="rpds", version="1.2.0", sha256="a" * 64)], JOB)
    assert refused.value.reason.code == "crates"
