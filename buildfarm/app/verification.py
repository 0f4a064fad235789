"""Wheels in files held against the rules: read, checked, and said, for people and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from buildfarm.app.harmless import harmless
from buildfarm.model.errors import RecipeError
from buildfarm.model.recipe import Recipe
from buildfarm.model.target import Target
from buildfarm.model.wheel import Finding, Severity
from buildfarm.plan.resolve import resolve
from buildfarm.verify.archive import NotAWheel
from buildfarm.verify.claim import Claim
from buildfarm.verify.rules import RULES, check
from buildfarm.verify.wheelfile import Wheel, read_wheel

NOT_APPLICABLE = {
    "lost-extensions": "it needs the source and the releases before",
    "build-paths": "it needs the path of the build",
}
"""Rules that say nothing of a wheel whose build is not known, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A file and what the rules say of it; ``problem`` is the sentence why it is no wheel, or empty."""

    path: Path
    findings: tuple[Finding, ...] = ()
    problem: str = ""

    def count(self, severity: Severity) -> int:
        """How many findings of that severity there are."""
        return sum(each.severity is severity for each in self.findings)


def wheel_files(paths: Iterable[str]) -> tuple[Path, ...]:
    """The files that are named, and every wheel below the folders that are; raises ``RecipeError`` for nothing."""
    found: list[Path] = []
    for path in map(Path, paths):
        files = sorted(path.rglob("*.whl")) if path.is_dir() else [path]
        if not files or not all(each.is_file() for each in files):
            raise RecipeError(f"{path} is no file and no folder with wheels; name a wheel (*.whl) or a folder of them")
        found += files
    return tuple(dict.fromkeys(found))


def hold(path: Path, target: Target | None, recipe: Recipe | None) -> Held:
    """Hold one file against every rule: as what its own name says, or as what the target and the recipe say."""
    try:
        with path.open("rb") as content:
            wheel = read_wheel(path.name, content)
    except (NotAWheel, OSError) as problem:
        return Held(path=path, problem=str(problem))
    return Held(path=path, findings=check(wheel, _claim(wheel, target, recipe)))


def _claim(wheel: Wheel, target: Target | None, recipe: Recipe | None) -> Claim:
    version = str(wheel.version)
    if recipe is None:
        return Claim(project=wheel.project, version=version, target=target)
    part = resolve(recipe, version, target).part if target else recipe
    return Claim(
        project=recipe.name,
        version=version,
        target=target,
        wheel_kind=part.wheel,
        relax=part.verify.relax,
        external=part.repair.exclude,
    )


def exit_code(held: Iterable[Held], failing: frozenset[Severity]) -> int:
    """2: a file is no wheel; 1: a wheel has a finding that is ``failing``; 0: all are good."""
    whole = tuple(held)
    if any(each.problem for each in whole):
        return 2
    return int(any(finding.severity in failing for each in whole for finding in each.findings))


def held_json(held: Iterable[Held], failing: frozenset[Severity]) -> dict[str, Any]:
    """All wheels with their findings as one JSON document."""
    return {
        "wheels": [
            {
                "path": str(each.path),
                "good": exit_code([each], failing) == 0,
                "problem": each.problem or None,
                "findings": [
                    {
                        "rule": finding.rule,
                        "severity": finding.severity.value,
                        "message": finding.message,
                        "subject": finding.subject or None,
                        "advice": finding.advice or None,
                    }
                    for finding in each.findings
                ],
            }
            for each in held
        ],
        "rules": [rule for rule in RULES if rule not in NOT_APPLICABLE],
        "not_applicable": NOT_APPLICABLE,
    }


def print_held(held: Held, console: Console, failing: frozenset[Severity]) -> None:
    """A line for the wheel, and below it its findings: the rule, what is wrong, what to do."""
    good = exit_code([held], failing) == 0
    lenient = exit_code([held], frozenset({Severity.ERROR})) == 0
    line = Text("good" if good else "bad (strict)" if lenient else "bad ", "bold green" if good else "bold red")
    counts = [f"{count} {each}{'s' * (count > 1)}" for each in Severity if (count := held.count(each))]
    line.append(f"  {held.path}", "default").append(f"  {', '.join(counts)}" if counts else "", "dim")
    console.print(line, soft_wrap=True)
    if held.problem:
        _say(console, f"  not a wheel: {held.problem}", "red")
    advised: Counter[tuple[str, str]] = Counter()
    for finding in held.findings:
        style = "red" if finding.severity is Severity.ERROR else "yellow"
        _say(console, f"  {finding.severity}[{finding.rule}]: {finding.message}", style)
        if finding.advice and not advised[finding.rule, finding.advice]:
            _say(console, f"    help: {finding.advice}", "cyan")
        advised[finding.rule, finding.advice] += 1


def _say(console: Console, line: str, style: str) -> None:
    """A line of it may be quoted from the wheel: nothing in it reaches the terminal as a command."""
    console.print(Text(harmless(line), style), soft_wrap=True)
