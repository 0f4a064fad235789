from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from base64 import urlsafe_b64decode
from dataclasses import replace
from email import message_from_bytes
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from buildfarm.model.job import BuildJob, Environment, SourcePin
from buildfarm.model.system import SeenPackage, SystemPackage
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact
from buildfarm.steps.graft import _metadata, tell

ORIGINAL = hashlib.sha256(b"libyaml as the distribution has it").hexdigest()
GRAFTED = f"pyyaml.libs/libyaml-0-{ORIGINAL[:8]}.so.2.0.9"
TARGET = Target(abi="cp311", platform="manylinux_2_17_x86_64")
JOB = BuildJob(
    project="pyyaml",
    version="6.0.3",
    target=TARGET,
    source=SourcePin(
        artifact=Artifact(name="pyyaml-6.0.3.tar.gz", size=1, sha256="a" * 64), origin="", epoch=1_700_000_000
    ),
    environment=Environment(name="host", lane="l", target=TARGET, definition={}, test_definition={"os": "debian 12"}),
    tools={"auditwheel": "6.8.2"},
)
COPYRIGHT = "Format: machine-readable\n\nFiles: *\nLicense: MIT\n Permission is hereby granted\n"
LIBYAML = SeenPackage(
    package=SystemPackage(
        manager="apt",
        name="libyaml-0-2",
        version="0.2.5-1",
        architecture="amd64",
        source="libyaml",
        artifact=Artifact(name="libyaml-0-2_0.2.5-1_amd64.deb", size=1, sha256="b" * 64),
        origin="",
    ),
    libraries={"libyaml-0.so.2.0.9": ORIGINAL},
    licence=COPYRIGHT,
)


def wheel(*libraries: str, metadata: str = "2.4") -> io.BytesIO:
    made = io.BytesIO()
    text = f"Metadata-Version: {metadata}\nName: PyYAML\nVersion: 6.0.3\nLicense-File: LICENSE\n\nWhat it is.\n"
    members = {
        "yaml/_yaml.cpython-311-x86_64-linux-gnu.so": b"native",
        **{path: path.encode() for path in libraries},
        "PyYAML-6.0.3.dist-info/METADATA": text.encode(),
        "PyYAML-6.0.3.dist-info/licenses/LICENSE": b"MIT",
        "PyYAML-6.0.3.dist-info/sboms/auditwheel.cdx.json": b"{}",
    }
    with zipfile.ZipFile(made, "w") as packed:
        for name, body in members.items():
            packed.writestr(zipfile.ZipInfo(name), body)
        packed.writestr("PyYAML-6.0.3.dist-info/RECORD", "")
    return made


def unpacked(told: bytes | None) -> dict[str, bytes]:
    assert told is not None
    with zipfile.ZipFile(io.BytesIO(told)) as packed:
        assert len(packed.namelist()) == len(set(packed.namelist()))
        return {name: packed.read(name) for name in packed.namelist()}


def bill(told: bytes | None) -> dict[str, Any]:
    text = unpacked(told)["PyYAML-6.0.3.dist-info/sboms/buildfarm.cdx.json"].decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document: dict[str, Any] = json.loads(text)
    return document


def test_a_wheel_without_grafted_libraries_stays_as_it_is() -> None:
    assert tell(JOB, wheel(), (LIBYAML,)) is None


def test_a_library_of_a_package_is_told_with_version_licence_and_where_its_text_is() -> None:
    told = tell(JOB, wheel(GRAFTED), (LIBYAML,))
    (component,) = bill(told)["components"]
    assert (component["name"], component["version"]) == ("libyaml-0-2", "0.2.5-1")
    assert component["purl"] == "pkg:deb/debian/libyaml-0-2@0.2.5-1?arch=amd64&distro=debian-12&upstream=libyaml"
    assert component["licenses"] == [{"license": {"name": "MIT"}}]
    assert component["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(GRAFTED.encode()).hexdigest()}]
    facts = {each["name"]: each["value"] for each in component["properties"]}
    assert facts == {
        "buildfarm:file": GRAFTED,
        "buildfarm:library": "libyaml-0.so.2.0.9",
        "buildfarm:sha256-before-repair": ORIGINAL,
        "buildfarm:licence-file": "PyYAML-6.0.3.dist-info/licenses/grafted/libyaml-0-2/copyright",
    }
    assert unpacked(told)[facts["buildfarm:licence-file"]] == COPYRIGHT.encode()


@pytest.mark.parametrize(
    ("manager", "release", "purl"),
    [
        ("apt", "debian 11", "pkg:deb/debian/libyaml-0-2@0.2.5-1?arch=amd64&distro=debian-11&upstream=libyaml"),
        (
            "dnf",
            "almalinux 8.10",
            "pkg:rpm/almalinux/libyaml-0-2@0.2.5-1?arch=amd64&distro=almalinux-8.10&upstream=libyaml",
        ),
        ("apk", "alpine 3.20.1", "pkg:apk/alpine/libyaml-0-2@0.2.5-1?arch=amd64&distro=alpine-3.20.1&upstream=libyaml"),
    ],
)
def test_a_package_of_an_image_is_of_the_release_of_the_image(manager: str, release: str, purl: str) -> None:
    seen = replace(LIBYAML, package=replace(LIBYAML.package, manager=manager), release=release)
    (component,) = bill(tell(JOB, wheel(GRAFTED), (seen,)))["components"]
    assert component["purl"] == purl


def test_a_licence_that_only_people_can_read_is_where_its_text_is() -> None:
    seen = replace(LIBYAML, package=replace(LIBYAML.package, version="1:3+deb11u1"), licence="Copyright (c) somebody")
    (component,) = bill(tell(JOB, wheel(GRAFTED), (seen,)))["components"]
    assert component["licenses"] == [{"license": {"name": "see grafted/libyaml-0-2/copyright"}}]
    assert "@1:3%2Bdeb11u1?" in component["purl"]


def test_what_was_put_in_before_the_repair_is_told_as_well() -> None:
    plugin = "yaml/plugin/any.so"  # whose bytes the repair has changed
    told = tell(JOB, wheel(plugin), (LIBYAML,), {plugin: ORIGINAL})
    (component,) = bill(told)["components"]
    assert (component["name"], component["version"]) == ("libyaml-0-2", "0.2.5-1")
    facts = {each["name"]: each["value"] for each in component["properties"]}
    assert (facts["buildfarm:file"], facts["buildfarm:sha256-before-repair"]) == (plugin, ORIGINAL)
    assert unpacked(told)["PyYAML-6.0.3.dist-info/licenses/grafted/libyaml-0-2/copyright"] == COPYRIGHT.encode()


def test_a_library_of_nobody_is_told_as_that() -> None:
    other = f"pyyaml.libs/libmine-{'0' * 8}.so.1"
    names = {
        each["name"]: "version" in each for each in bill(tell(JOB, wheel(GRAFTED, other), (LIBYAML,)))["components"]
    }
    assert names == {"libyaml-0-2": True, "libmine.so.1": False}


def test_a_library_of_the_same_name_with_other_bytes_is_of_nobody() -> None:
    other = f"pyyaml.libs/libyaml-0-{'0' * 8}.so.2.0.9"
    (component,) = bill(tell(JOB, wheel(other), (LIBYAML,)))["components"]
    assert component["name"] == "libyaml-0.so.2.0.9"


@pytest.mark.parametrize(("version", "named"), [("2.4", True), ("2.5", True), ("2.3", False), ("2.1", False)])
def test_metadata_names_the_licence_files_where_its_version_can(version: str, named: bool) -> None:
    members = unpacked(tell(JOB, wheel(GRAFTED, metadata=version), (LIBYAML,)))
    head, _, body = members["PyYAML-6.0.3.dist-info/METADATA"].decode().partition("\n\n")
    assert ("License-File: grafted/libyaml-0-2/copyright" in head.splitlines()) is named
    assert body == "What it is.\n"


@pytest.mark.parametrize("end", ["\n", "\n\n", "\r\n", "\r\n\r\nWhat it is.\r\n", ""])
def test_the_licence_is_a_header_however_the_headers_end(end: str) -> None:
    line = "\r\n" if end.startswith("\r") else "\n"
    raw = f"Metadata-Version: 2.4{line}Name: x{end}".encode()
    told = message_from_bytes(_metadata(raw, ["grafted/a/copyright"]))
    assert told.get_all("License-File") == ["grafted/a/copyright"]
    assert str(told.get_payload()).strip() == ("What it is." if "What" in end else "")


@pytest.mark.slow
def test_a_bomb_is_left_to_the_verification() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("x-1.dist-info/RECORD", "")
        with packed.open("x.libs/a.so", "w") as member:
            for _ in range(300):
                member.write(bytes(1 << 20))
    assert tell(JOB, made, ()) is None


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
def test_a_damaged_member_is_left_to_the_verification(method: int) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as packed:
        packed.writestr("x.libs/a.so", bytes(range(256)) * 10)
        packed.writestr("x-1.dist-info/RECORD", "")
    damaged = bytearray(made.getvalue())
    damaged[60:100] = b"x" * 40
    assert tell(JOB, io.BytesIO(bytes(damaged)), ()) is None


def test_record_lists_all_and_what_the_repair_tool_told_is_kept() -> None:
    members = unpacked(tell(JOB, wheel(GRAFTED), (LIBYAML,)))
    assert members["PyYAML-6.0.3.dist-info/sboms/auditwheel.cdx.json"] == b"{}"
    rows = list(csv.reader(members["PyYAML-6.0.3.dist-info/RECORD"].decode().splitlines()))
    assert {path for path, _, _ in rows} == members.keys()
    for path, digest, size in rows:
        if digest:
            assert urlsafe_b64decode(digest.removeprefix("sha256=") + "=") == hashlib.sha256(members[path]).digest()
            assert int(size) == len(members[path])


def test_equal_wheels_are_told_in_equal_bytes() -> None:
    assert tell(JOB, wheel(GRAFTED), (LIBYAML,)) == tell(JOB, wheel(GRAFTED), (LIBYAML,))


@pytest.mark.parametrize("content", [b"", b"no zip file", wheel(GRAFTED).getvalue()[:-30]])
def test_what_is_no_wheel_is_left_to_the_verification(content: bytes) -> None:
    assert tell(JOB, io.BytesIO(content), (LIBYAML,)) is None
