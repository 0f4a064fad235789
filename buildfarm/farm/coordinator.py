"""What a coordinator works with: the ports of its side, and what this site offers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from buildfarm.model.job import Environment
from buildfarm.model.recipe import Recipe
from buildfarm.ports import (
    Bell,
    Crates,
    Events,
    Jobs,
    Learning,
    Locks,
    Owners,
    Packages,
    Rendering,
    Replication,
    Report,
    Requests,
    Resolver,
    Sources,
    Store,
    Tree,
    no_report,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinator:
    """``clock`` gives the time of a publication, as PEP 700 has it; ``tools`` are those that make bytes.

    ``environments`` and ``servers`` (``Facts``) are asked for where they are needed: an engine may have to be asked.

    ``recipe`` gives the site's own recipe of a project, for the tests of what is uploaded.

    ``floors`` are the glibc floors, in order, that system packages may raise a target to; none if the site names one.
    """

    requests: Requests
    jobs: Jobs
    locks: Locks
    learning: Learning
    events: Events
    rendering: Rendering
    replication: Replication
    store: Store
    sources: Sources
    resolver: Resolver
    packages: Packages
    crates: Crates
    tree: Tree
    bell: Bell
    owners: Owners
    environments: Callable[[], tuple[Environment, ...]]
    clock: Callable[[], str]
    tools: Mapping[str, str] = field(default_factory=dict)
    floors: tuple[tuple[int, int], ...] = ()
    servers: Callable[[], Mapping[str, Collection[str]]] = dict
    recipe: Callable[[str], Recipe | None] = lambda _: None
    report: Report = no_report
