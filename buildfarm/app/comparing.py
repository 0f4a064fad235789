"""How an attempt ended, held against how the recorded one did."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import Any

from buildfarm.app.overview import title
from buildfarm.model.outcome import Built, Failed, Outcome, Step, Tested
from buildfarm.model.records import JobRow
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Whether an attempt ended as the recorded one, in a sentence, and what differs."""

    same: bool
    sentence: str
    differs: tuple[str, ...] = ()


def compare(recorded: Outcome | None, now: Outcome, store: Store) -> Comparison:
    """Hold what it came to now against what the ledger has: failures by step and code, wheels by their bytes."""
    match recorded, now:
        case Failed(), Failed():
            where, here = _place(recorded), _place(now)
            if where != here:
                return Comparison(same=False, sentence=f"another failure: {_name(now)}, recorded is {_name(recorded)}")
            other = tuple(line for line in now.reason.lines if line not in recorded.reason.lines)
            return Comparison(same=True, sentence=f"the same failure: {_name(now)}", differs=other)
        case Built(), Built():
            before, after = recorded.wheel.artifact, now.wheel.artifact
            if before.sha256 == after.sha256:
                return Comparison(same=True, sentence=f"the same bytes: {after.name}  sha256:{after.sha256}")
            return Comparison(
                same=False,
                sentence=f"other bytes: {after.name} is sha256:{after.sha256}, recorded is sha256:{before.sha256}",
                differs=_members(before, after, store),
            )
        case Tested(), Tested():
            verdicts = recorded.report.verdict, now.report.verdict
            word = "the same report" if verdicts[0] == verdicts[1] else f"another report, recorded is {verdicts[0]}"
            return Comparison(same=verdicts[0] == verdicts[1], sentence=f"{word}: {verdicts[1]}")
        case _:
            was = _name(recorded) if recorded else "no end"
            return Comparison(same=False, sentence=f"it ended otherwise: {_name(now)}, recorded is {was}")


def _place(failed: Failed) -> tuple[Step, str]:
    return failed.step, failed.reason.code


def _name(outcome: Outcome) -> str:
    if isinstance(outcome, Failed):
        return f"failed at {outcome.step} ({outcome.reason.code}): {outcome.reason.message}"
    return {"Built": "it was built", "Tested": "it passed"}.get(type(outcome).__name__, type(outcome).__name__.lower())


def _members(before: Artifact, after: Artifact, store: Store) -> tuple[str, ...]:
    """Names of the files of two wheels that are not equal."""
    with store.open(before.sha256) as one, store.open(after.sha256) as other:
        old, new = ({each.filename: each.CRC for each in zipfile.ZipFile(wheel).infolist()} for wheel in (one, other))
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))


def comparison_json(row: JobRow, now: Outcome, found: Comparison, line: str) -> dict[str, Any]:
    """A repeated attempt as one JSON document."""
    failed = now if isinstance(now, Failed) else None
    return {
        "key": row.job.key,
        "title": title(row),
        "call": line,
        "same": found.same,
        "sentence": found.sentence,
        "differs": list(found.differs),
        "step": failed and failed.step.value,
        "code": failed and failed.reason.code,
        "lines": list(failed.reason.lines) if failed else [],
        "sha256": now.wheel.artifact.sha256 if isinstance(now, Built) else None,
    }
