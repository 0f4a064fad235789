"""Where a wheel comes from, beside it: an in-toto Statement (v1) with SLSA provenance (v1). It is not signed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from buildfarm.model.canonical import digest, to_plain
from buildfarm.model.job import BuildJob, Input
from buildfarm.model.outcome import Built
from buildfarm.model.wheel import Artifact

BUILD_TYPE = "urn:buildfarm:build:1"
"""Says how the parameters of a statement are to be read: docs/provenance.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """The attempt that made a wheel: by which worker and when (seconds since 1970), from which inputs."""

    job: BuildJob
    built: Built
    inputs: tuple[Input, ...]
    worker: str
    attempt: str
    started: float
    seconds: float


def statement(wheel: Artifact, build: Build, farm: str) -> bytes:
    """The statement of one wheel as JSON; ``farm`` is the version of buildfarm. Equal builds give equal bytes."""
    job = build.job
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": wheel.name, "digest": {"sha256": wheel.sha256}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "project": job.project,
                    "version": job.version,
                    "target": str(job.target),
                    "recipe": to_plain(job.part),
                    "recipeDigest": {"sha256": digest(job.part)},
                    "relaxed": to_plain(job.part.verify.relax),
                },
                "internalParameters": {
                    "jobKey": job.key,
                    "environment": to_plain(job.environment.definition),
                    "tools": to_plain(job.tools),
                    "backend": job.backend,
                    "sourceDateEpoch": job.source.epoch,
                    "generation": job.generation,
                    "needs": to_plain(job.needs),
                    "isolation": build.built.isolation,
                    "commands": to_plain(build.built.ran),
                    "findings": to_plain(build.built.wheel.warnings),
                },
                "resolvedDependencies": list(_dependencies(job, build.inputs)),
            },
            "runDetails": {
                "builder": {"id": f"urn:buildfarm:worker:{build.worker}", "version": {"buildfarm": farm}},
                "metadata": {
                    "invocationId": build.attempt,
                    "startedOn": _moment(build.started),
                    "finishedOn": _moment(build.started + build.seconds),
                },
            },
        },
    }
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def _dependencies(job: BuildJob, inputs: Iterable[Input]) -> Iterable[Mapping[str, Any]]:
    """Resource descriptors of in-toto: the source, and everything that was locked for the build."""
    for each in inputs:
        found: dict[str, Any] = {
            "name": each.artifact.name,
            "digest": {"sha256": each.artifact.sha256},
            "annotations": {"role": each.role, "size": each.artifact.size},
        }
        if each.artifact == job.source.artifact and (origin := _without_credentials(job.source.origin)):
            found["uri"] = origin
        yield found


def _without_credentials(origin: str) -> str:
    """The URL of a source, without user and password; empty for a path of this machine."""
    parts = urlsplit(origin)
    if parts.scheme.removeprefix("git+") not in ("http", "https", "ssh"):
        return ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
