"""System libraries from the distribution's packages, with no engine and no root."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.e2e.conftest import HERE, Done, Farm

pytestmark = [pytest.mark.host, pytest.mark.network, pytest.mark.slow, pytest.mark.e2e]

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="module")
def pyyaml(farm: Farm) -> Done:
    """Its recipe asks for libyaml, and tests what is only there with it."""
    done = farm.build(RECIPES / "pyyaml.yaml")
    assert done.code == 0, done.err
    return done


def test_a_library_is_grafted_and_told(farm: Farm, pyyaml: Done) -> None:
    wheel = pyyaml.job("pyyaml")["wheel"]
    assert f"{HERE}-{HERE}-manylinux_2_17_x86_64" in wheel["tags"]
    path = farm.home / "index/main/+f" / wheel["sha256"] / wheel["filename"]
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as packed:
        (told,) = (name for name in packed.namelist() if name.endswith("/sboms/buildfarm.cdx.json"))
        bill = packed.read(told).decode()
        (grafted,) = (name for name in packed.namelist() if ".libs/" in name and not name.endswith("/"))
        licences = [packed.read(name) for name in packed.namelist() if "/licenses/grafted/" in name]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    (component,) = json.loads(bill)["components"]
    assert component["purl"].startswith("pkg:deb/debian/libyaml-0-2@")
    assert {"name": "buildfarm:file", "value": grafted} in component["properties"]
    assert any(b"Kirill Simonov" in text for text in licences)


def test_what_a_library_opens_when_it_runs_is_put_in_repaired_and_told(farm: Farm) -> None:
    include = "repair: {include: [{from: /usr/lib/*/libyaml-0.so.2, to: tinyc_plugin}]}"
    done = farm.build(farm.project("tinyc", "carrier", recipe=["system: {apt: [libyaml-dev]}", include]))
    assert done.code == 0, done.err
    wheel = done.job("carrier")["wheel"]
    path = farm.home / "index/main/+f" / wheel["sha256"] / wheel["filename"]
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as packed:
        (told,) = (name for name in packed.namelist() if name.endswith("/sboms/buildfarm.cdx.json"))
        (component,) = json.loads(packed.read(told))["components"]
        assert packed.read("carrier_plugin/libyaml-0.so.2").startswith(b"\x7fELF")
    assert component["name"] == "libyaml-0-2"
    assert {"name": "buildfarm:file", "value": "carrier_plugin/libyaml-0.so.2"} in component["properties"]


def test_what_is_not_there_to_be_put_in_is_said(farm: Farm) -> None:
    include = "repair: {include: [{from: /usr/lib/*/libyaml-7.so, to: tinyc}]}"
    job = farm.build(farm.project("tinyc", "idler", recipe=["system: {apt: [libyaml-dev]}", include])).job("idler")
    assert (job["step"], job["code"]) == ("repair", "include")
    assert "no file matches /usr/lib/*/libyaml-7.so" in job["reason"]


def test_its_provenance_names_the_packages(farm: Farm, pyyaml: Done) -> None:
    wheel = pyyaml.job("pyyaml")["wheel"]
    path = farm.home / "index/main/+f" / wheel["sha256"] / f"{wheel['filename']}.provenance.json"
    definition = json.loads(path.read_text())["predicate"]["buildDefinition"]
    roles = {each["annotations"]["role"] for each in definition["resolvedDependencies"]}
    assert roles == {"source", "wheelhouse", "package"}
    assert definition["externalParameters"]["recipe"]["system"]["apt"] == ["libyaml-dev"]


def test_a_package_that_is_not_there_is_said_before_anything_is_built(farm: Farm) -> None:
    done = farm.build(farm.project("tinyc", "unknown", recipe=["system: {apt: [libyamll-dev]}"]))
    assert done.code == 1
    assert done.json["jobs"] == []
    (out,) = done.json["left_out"]
    assert "libyamll-dev" in out["reason"]
    assert "libyaml-dev" in out["reason"]


def test_a_library_that_is_too_new_for_the_sites_floor_is_left_out_before_it_is_built(farm: Farm) -> None:
    recipe = farm.project("tinyc", "tooearly", recipe=["system: {apt: [libpq-dev]}"])
    raised = farm.run("plan", recipe, "--targets", f"{HERE}-*", "--json").json
    assert {job["target"] for job in raised["jobs"]} == {f"{HERE}-manylinux_2_34_x86_64"}
    held = farm.run("plan", recipe, "--targets", f"{HERE}-*", "--json", env={"BUILDFARM_GLIBC": "2.17"}).json
    assert held["jobs"] == []
    (out,) = held["left_out"]
    assert "2.34" in out["reason"]
    assert "2.17" in out["reason"]
