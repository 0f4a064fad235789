from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tomllib

import pytest

from buildfarm.model.errors import Unavailable
from buildfarm.model.job import Input
from buildfarm.model.session import Archive, Layout
from buildfarm.model.system import Crate
from buildfarm.model.wheel import Artifact
from buildfarm.steps.archive import entries
from buildfarm.steps.crates import locked_crates, vendored

SHA = hashlib.sha256(b"").hexdigest()
LOCK = f"""version = 4
[[package]]
name = "demo"
version = "0.1.0"
[[package]]
name = "rpds"
version = "1.2.0"
source = "registry+here"
checksum = "{SHA}"
"""


def sdist(**files: str) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"demo-1.0/{name.replace('__', '/').replace('_', '.')}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    packed.seek(0)
    return packed


def crates(**files: str) -> tuple[Crate, ...]:
    return locked_crates(entries("demo-1.0.tar.gz", sdist(**files)))


def test_crates_are_those_of_the_lock_and_not_the_project_itself() -> None:
    assert crates(Cargo_toml="", Cargo_lock=LOCK) == (Crate(name="rpds", version="1.2.0", sha256=SHA),)


def test_of_two_locks_the_upper_one_counts() -> None:
    assert crates(Cargo_toml="", Cargo_lock="", a__Cargo_lock=LOCK) == ()


def test_a_source_without_rust_needs_none() -> None:
    assert crates(setup_py="") == ()


@pytest.mark.parametrize(
    ("lock", "message"),
    [
        ({}, "no Cargo.lock"),
        ({"Cargo_lock": "["}, "no TOML"),
        ({"Cargo_lock": LOCK.replace("registry", "git").replace("checksum", "x")}, "'git+here', without a hash"),
        ({"Cargo_lock": LOCK.replace("registry", "\\u001b[31m").replace("checksum", "x")}, r"'\x1b[31m+here', without"),
        ({"Cargo_lock": LOCK.replace("registry", "r" * 9999).replace("checksum", "x")}, "takes rpds 1.2.0 from 'rrr"),
        ({"Cargo_lock": "package = 1"}, "no tables"),
        ({"Cargo_lock": 'package = ["source"]'}, "no tables"),
        ({"Cargo_lock": "[package]\nsource = 1"}, "no tables"),
        ({"Cargo_lock": "x = " + "[" * 100_000}, "no TOML"),
        ({"Cargo_lock": "x = " + "1" * 5_000}, "no TOML"),
        ({"Cargo_lock": LOCK.replace("rpds", "../rpds")}, "is no crate"),
        ({"Cargo_lock": LOCK.replace("1.2.0", "1/../2")}, "is no crate"),
    ],
)
def test_what_is_not_locked_by_hash_is_refused(lock: dict[str, str], message: str) -> None:
    with pytest.raises(Unavailable) as refused:
        crates(Cargo_toml="", **lock)
    assert refused.value.reason.code == "crates"
    assert message in refused.value.reason.message
    assert len(refused.value.reason.message) < 600


def test_a_session_gets_a_vendored_source() -> None:
    layout = Layout.at("/buildfarm", python="/python", tools={})
    crate = Artifact(name="rpds-1.2.0.tar.gz", size=0, sha256=SHA)
    put = vendored((Input(role="wheelhouse", artifact=crate), Input(role="crate", artifact=crate)), layout)
    config = put.pop("/buildfarm/.cargo/config.toml")
    assert isinstance(config, bytes)
    assert tomllib.loads(config.decode())["source"] == {
        "crates-io": {"replace-with": "vendored"},
        "vendored": {"directory": "/buildfarm/work/crates"},
    }
    assert put == {
        "/buildfarm/work/crates/rpds-1.2.0": Archive(artifact=crate),
        "/buildfarm/work/crates/rpds-1.2.0/.cargo-checksum.json": json.dumps({"files": {}, "package": SHA}).encode(),
    }
    assert vendored((), layout) == {}
