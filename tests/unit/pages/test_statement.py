from __future__ import annotations

import json
from dataclasses import replace

from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.statement import Statement

from buildfarm.model.job import BuildJob, BuildPart, Environment, Input, SourcePin
from buildfarm.model.outcome import Built, Ran
from buildfarm.model.recipe import Verify
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact, Finding, Severity, VerifiedWheel
from buildfarm.pages.statement import Build, statement

TARGET = Target(abi="cp311", platform="manylinux_2_17_x86_64")
SDIST = Artifact(name="six-1.tar.gz", size=7, sha256="a" * 64)
WHEEL = Artifact(name="six-1-cp311-cp311-manylinux_2_17_x86_64.whl", size=9, sha256="c" * 64)
RELAXED = Finding(rule="rpath", severity=Severity.WARNING, message="odd (relaxed by the recipe: it is harmless)")
JOB = BuildJob(
    project="six",
    version="1",
    target=TARGET,
    source=SourcePin(
        artifact=SDIST, origin="https://me:secret@example.org/six-1.tar.gz?token=secret", epoch=1_700_000_000
    ),
    environment=Environment(name="host", lane="l", target=TARGET, definition={"os": "linux"}, test_definition={}),
    part=BuildPart(verify=Verify(relax={"rpath": "it is harmless"})),
    tools={"auditwheel": "6.8.2"},
)
BUILD = Build(
    job=JOB,
    built=Built(
        wheel=VerifiedWheel(artifact=WHEEL, content="d" * 64, extensions=1, warnings=(RELAXED,)),
        isolation="bubblewrap (no network)",
        ran=(Ran(what="build the wheel", argv=("python", "hook.py"), cwd="/buildfarm/source", seconds=1.5),),
    ),
    inputs=(
        Input(role="source", artifact=SDIST),
        Input(role="wheelhouse", artifact=Artifact(name="setuptools-80-py3-none-any.whl", size=5, sha256="b" * 64)),
    ),
    worker="local-1",
    attempt="k.1",
    started=1_700_000_100.0,
    seconds=2.25,
)


def test_it_is_an_in_toto_statement_with_slsa_provenance() -> None:
    """The library of the standard reads and validates it."""
    plain = json.loads(statement(WHEEL, BUILD, "1.0"))
    read = Statement.copy_from_pb(json_format.ParseDict(plain, Statement([], "", {}).pb))
    read.validate()
    predicate = json_format.ParseDict(plain["predicate"], Provenance())  # refuses a field that it does not know
    assert predicate.build_definition.resolved_dependencies[1].digest["sha256"] == "b" * 64


def test_it_says_recipe_source_locked_inputs_environment_commands_and_times() -> None:
    plain = json.loads(statement(WHEEL, BUILD, "1.0"))
    assert plain["subject"] == [{"name": WHEEL.name, "digest": {"sha256": WHEEL.sha256}}]
    definition, details = plain["predicate"]["buildDefinition"], plain["predicate"]["runDetails"]
    assert definition["externalParameters"]["recipe"] == {"verify": {"relax": {"rpath": "it is harmless"}}}
    assert [each["digest"]["sha256"][0] for each in definition["resolvedDependencies"]] == ["a", "b"]
    inner = definition["internalParameters"]
    assert (inner["jobKey"], inner["environment"], inner["isolation"]) == (
        JOB.key,
        {"os": "linux"},
        "bubblewrap (no network)",
    )
    assert inner["commands"][0]["argv"] == ["python", "hook.py"]
    assert details["metadata"]["startedOn"] == "2023-11-14T22:15:00.000Z"
    assert details["metadata"]["finishedOn"] == "2023-11-14T22:15:02.250Z"


def test_a_relaxed_rule_is_there_with_its_reason() -> None:
    definition = json.loads(statement(WHEEL, BUILD, "1.0"))["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["relaxed"] == {"rpath": "it is harmless"}
    assert "it is harmless" in definition["internalParameters"]["findings"][0]["message"]


def test_it_tells_no_secret_and_no_path_of_a_machine() -> None:
    assert b"secret" not in statement(WHEEL, BUILD, "1.0")
    assert b"https://example.org/six-1.tar.gz" in statement(WHEEL, BUILD, "1.0")
    commit = replace(JOB, source=replace(JOB.source, origin=f"git+https://me:secret@example.org/six@{'1' * 40}"))
    assert f'"git+https://example.org/six@{"1" * 40}"' in statement(WHEEL, replace(BUILD, job=commit), "1.0").decode()
    local = replace(JOB, source=replace(JOB.source, origin="/home/me/six"))
    assert b"/home/me" not in statement(WHEEL, replace(BUILD, job=local), "1.0")
