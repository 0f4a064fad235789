"""Which environment makes the wheel of a target, of all that could."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from buildfarm.model.job import Environment
from buildfarm.plan.resolve import Resolved
from buildfarm.plan.select import Servers, is_absent, unfit, unserved


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An environment at the floor that the recipe reaches in it.

    ``reason`` says why it cannot do it after all; empty where it can. ``absent``: it would take an image that is not
    here; ``hopeless``: not even with that.
    """

    environment: Environment
    resolved: Resolved
    reason: str = ""
    absent: bool = False
    hopeless: bool = False


def candidate(offered: Environment, environment: Environment, resolved: Resolved, servers: Servers) -> Candidate:
    """The environment as it is offered and at its floor, with what speaks against it."""
    absent = is_absent(offered)
    reasons = (environment.lacks, unfit(resolved, environment, servers), unserved(resolved, environment))
    said = [each for each in reasons if each]
    return Candidate(
        environment=environment,
        resolved=resolved,
        reason="; ".join(said if absent else said[:1]),
        absent=absent,
        hopeless=absent and bool(reasons[1]),
    )


def choose(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """One for each ABI, machine and libc, in the order in which those come: the lowest floor wins, so that a machine
    that has more never makes a less portable wheel. Of equal ones a container does, which isolates better.

    Where none can do it, the first of those here, with the reasons of all that might. Images without a digest are
    named where nothing else might.
    """
    families: dict[tuple[str, str, bool], list[Candidate]] = {}
    for each in candidates:
        target = each.environment.target
        families.setdefault((target.abi, target.arch, target.platform.startswith("musl")), []).append(each)
    for family in families.values():
        yield min((each for each in family if not each.reason), key=_rank, default=None) or _none(family)


def missed(globs: Iterable[str], chosen: Sequence[Candidate]) -> Iterator[tuple[str, str]]:
    """The globs over build identifiers that select only what absent images would bring, with what brings those."""
    for glob in dict.fromkeys(globs):
        selected = [each for each in chosen if fnmatchcase(str(each.environment.target), glob)]
        if selected and all(each.absent for each in selected):
            yield glob, _reasons(_might(selected))


def _rank(candidate: Candidate) -> tuple[tuple[int, int], bool]:
    return candidate.environment.target.floor or (0, 0), not candidate.environment.image


def _none(family: list[Candidate]) -> Candidate:
    might = _might(family)
    return replace(min(might, key=lambda each: each.absent), reason=_reasons(might))


def _might(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Those that could do it with what they lack, the likelier ones first."""
    able = [each for each in candidates if not each.hopeless] or candidates
    return [each for each in able if not each.environment.unpinned] or able


def _reasons(candidates: Iterable[Candidate]) -> str:
    return "; ".join(dict.fromkeys(each.reason for each in candidates))
