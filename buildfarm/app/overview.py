"""What the ledger knows, for people and programs: status, logs, and the story of a wheel."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from buildfarm.app.harmless import harmless
from buildfarm.app.indexes import event_json, moment
from buildfarm.app.table import print_table
from buildfarm.app.wiring import Site
from buildfarm.farm.publish import PROVENANCE
from buildfarm.farm.why import Arrival, Story
from buildfarm.model.canonical import to_plain
from buildfarm.model.job import BuildJob, Job
from buildfarm.model.outcome import Failed, Tested
from buildfarm.model.records import JobRow, Publication
from buildfarm.model.url import redacted


def title(row: JobRow) -> str:
    """One line that names a job and its state."""
    job = row.job
    return f"{job.kind} {job.title}: {row.state} [{job.key[:12]}]"


def log_json(site: Site, row: JobRow) -> dict[str, Any]:
    """A job's log with its name."""
    return {
        "key": row.job.key,
        "title": title(row),
        "path": site.log.where(row.log),
        "text": site.log.read(row.log).decode("utf-8", "replace"),
    }


def status_json(site: Site) -> dict[str, Any]:
    """Open requests, jobs, publications."""
    return {
        "requests": [
            {
                "id": each.id,
                "owner": each.owner,
                "index": each.index,
                "projects": [recipe.name for recipe in (*each.recipes, *(upload.recipe for upload in each.uploads))],
            }
            for each in site.farm.requests.open_requests()
        ],
        "jobs": [
            {
                "key": row.job.key,
                "kind": row.job.kind,
                "name": row.job.project,
                "version": row.job.version,
                "target": str(row.job.target),
                "state": row.state,
                "attempts": row.attempts,
                "seconds": round(row.seconds, 3),
                "reason": row.outcome.reason.message if isinstance(row.outcome, Failed) else None,
            }
            for row in site.farm.jobs.rows()
        ],
        "publications": [
            {"index": each.index, "filename": each.artifact.name, "sha256": each.artifact.sha256, "state": each.state}
            for each in site.farm.events.publications()
        ],
    }


def status_table(site: Site, console: Console) -> None:
    """The same for a person."""
    rows = site.farm.jobs.rows()
    print_table(
        console,
        ("state", "job", "project", "version", "target", "key", "began", "took", "of"),
        (
            (
                *(_state(row), row.job.kind, row.job.project, row.job.version, str(row.job.target), row.job.key[:12]),
                *_when(row),
                _of(row.job),
            )
            for row in rows
        ),
    )
    requests = len(site.farm.requests.open_requests())
    states = Counter(row.state for row in rows)
    published = Counter(each.state for each in site.farm.events.publications())
    line = f"{requests} open requests; jobs: {_counts(states)}; files: {_counts(published)}"
    console.print(line, soft_wrap=True, highlight=False)


def _state(row: JobRow) -> Text:
    step = row.outcome.step.value if isinstance(row.outcome, Failed) else row.job.kind
    where = f" at {step}" if step != row.job.kind else ""
    return Text(row.state + where, {"succeeded": "green", "failed": "red"}.get(row.state, "yellow"))


def _when(row: JobRow) -> tuple[str, str]:
    """When its last attempt began, in this machine's time, and how long it took."""
    if not row.started:
        return "", ""
    took = f"{row.seconds:.1f} s" if row.seconds else ""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(row.started)), took


def _of(job: Job) -> str:
    """What is built or tested: two jobs of one project and target differ in that."""
    if isinstance(job, BuildJob):
        return job.source.artifact.name
    what = (each for test in job.tests for each in (*(f"import {name}" for name in test.imports), *test.run))
    return f"{job.wheel.name} {job.wheel.sha256[:12]}: {'; '.join(what)}"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items())) or "none"


def story_json(site: Site, story: Story) -> dict[str, Any]:
    """Every input of a wheel."""
    job, wheel = story.job, story.wheel.wheel
    return {
        "wheel": to_plain(wheel.artifact),
        "job": job.key,
        "name": job.project,
        "version": job.version,
        "target": str(job.target),
        "source": {
            **to_plain(job.source),
            "origin": redacted(job.source.origin),
            "requires": list(job.requires),
            "backend": job.backend,
        },
        "recipe": to_plain(job.part),
        "environment": {"name": job.environment.name, "key": job.fingerprint, **job.environment.definition},
        "tools": dict(job.tools),
        "isolation": story.wheel.isolation,
        "generation": job.generation,
        "needs": dict(job.needs),
        "inputs": [{"role": each.role, **to_plain(each.artifact)} for each in story.inputs],
        "warnings": [to_plain(each) for each in wheel.warnings],
        "log": site.log.where(story.build.log),
        "tests": [
            {
                "target": str(row.job.target),
                "state": row.state,
                **(to_plain(row.outcome.report) if isinstance(row.outcome, Tested) else {}),
            }
            for row in story.tests
        ],
        "commands": to_plain(story.wheel.ran),
        "publications": [
            {
                "index": each.index,
                "state": each.state,
                "yanked": story.yanked.get(each.index),
                "provenance": provenance_path(each),
            }
            for each in story.publications
        ],
    }


def provenance_path(publication: Publication) -> str:
    """Where the statement of a published wheel is, below the folder ``index`` of the home, and below its URL."""
    artifact = publication.artifact
    return f"{publication.index}/+f/{artifact.sha256}/{artifact.name}{PROVENANCE}"


def story_text(site: Site, story: Story, console: Console) -> None:
    """The same for a person, one fact a line."""
    for name, value in _facts(site, story):
        print_fact(console, name, value)


def arrival_json(arrival: Arrival) -> dict[str, Any]:
    """A file that was not built here, and what happened to it on each index."""
    events = [{"index": each.index, **event_json(each)} for each in arrival.events]
    return {"file": to_plain(arrival.artifact), "events": events}


def arrival_text(arrival: Arrival, console: Console) -> None:
    """The same for a person, one fact a line."""
    print_fact(console, "file", f"{arrival.artifact.name}  sha256:{arrival.artifact.sha256}")
    for event in arrival.events:
        told = event_json(event)
        who = f" by {event.who}" if event.who else ""
        more = told["said"].removeprefix(arrival.artifact.name).removeprefix(": ")
        print_fact(console, told["kind"], f"{moment(event.at)} on {event.index}{who}{f'; {more}' if more else ''}")


def print_fact(console: Console, name: str, value: str) -> None:
    """A line; whatever the value says is shown as it is."""
    console.print(Text.assemble((f"{name:12}", "bold"), f" {harmless(value)}"), soft_wrap=True)


def _facts(site: Site, story: Story) -> Iterator[tuple[str, str]]:
    job, wheel = story.job, story.wheel.wheel
    yield "wheel", f"{wheel.artifact.name}  sha256:{wheel.artifact.sha256}"
    if job.build_tag:
        yield "", f"{job.version} was published before with other content: this one is build {job.build_tag}"
    attempt = story.build.log.rpartition(".")[2]
    yield "job", f"{job.key}  (attempt {attempt}, {story.build.seconds:.1f} s, generation {job.generation})"
    yield "source", f"{job.source.artifact.name}  sha256:{job.source.artifact.sha256}"
    yield "", f"SOURCE_DATE_EPOCH {job.source.epoch}"
    yield "recipe", str(to_plain(job.part) or "says nothing but name and versions")
    yield "environment", f"{job.environment.name}  {job.fingerprint[:16]}"
    for name, value in sorted(job.environment.definition.items()):
        yield "", f"{name}: {value}"
    yield "isolation", story.wheel.isolation
    yield "tools", ", ".join(f"{name} {version}" for name, version in sorted(job.tools.items()))
    yield "backend", job.backend
    for each in story.inputs[1:]:  # the first is the source
        yield each.role, f"{each.artifact.name}  sha256:{each.artifact.sha256}"
    for name, key in job.needs.items():
        yield "needs", f"{name}, built by job {key}"
    for finding in wheel.warnings:
        yield "warning", f"{finding.rule}: {finding.message}"
    for row in story.tests:
        report = row.outcome.report if isinstance(row.outcome, Tested) else None
        told = f": imported {', '.join(report.imported) or 'nothing'}; isolation: {report.isolation}" if report else ""
        yield "test", f"{row.job.target} {row.state}{told}"
    for ran in story.wheel.ran:
        yield "ran", f"{ran.seconds:7.1f} s  {shlex.join(ran.argv)}"
    for publication in story.publications:
        yanked = story.yanked.get(publication.index)
        told = "" if yanked is None else f", yanked: {yanked}"
        yield "index", f"{publication.index}: {publication.state}{told}"
        yield "", f"provenance: {provenance_path(publication)}"
    yield "log", site.log.where(story.build.log)
