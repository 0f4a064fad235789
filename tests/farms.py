"""A coordinator for tests: over a ledger, a store and a tree of theirs, and in memory for the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from buildfarm.adapters.memory import (
    MemoryBell,
    MemoryCrates,
    MemoryOwners,
    MemoryPackages,
    MemoryResolver,
    MemorySources,
)
from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.farm.coordinator import Coordinator
from buildfarm.ports import Store, Tree


def farm_over(ledger: Ledger, store: Store, tree: Tree, **more: Any) -> Coordinator:
    """Nothing comes from upstream and nobody lives, but for what is given as fields of the coordinator."""
    farm = Coordinator(
        requests=ledger.requests,
        jobs=ledger.jobs,
        locks=ledger.locks,
        learning=ledger.learning,
        events=ledger.events,
        rendering=ledger.rendering,
        replication=ledger.replication,
        store=store,
        sources=MemorySources({}, store),
        resolver=MemoryResolver({}, store),
        packages=MemoryPackages({}, {}, store),
        crates=MemoryCrates({}, store),
        tree=tree,
        bell=MemoryBell(),
        owners=MemoryOwners(),
        environments=lambda: (),
        clock=lambda: "2026-11-21T12:00:00Z",
    )
    return replace(farm, **more)
