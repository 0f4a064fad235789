"""Which jobs a person means."""

from __future__ import annotations

from buildfarm.farm.coordinator import Coordinator
from buildfarm.model.errors import RecipeError
from buildfarm.model.records import JobRow

_SHORTEST = 4  # digits: fewer may be the name of a project


def find_jobs(farm: Coordinator, wanted: str) -> tuple[JobRow, ...]:
    """Jobs of the project of that name, or whose key begins with it; raises ``RecipeError`` where there is none."""
    rows = tuple(row for row in farm.jobs.rows() if row.job.project == wanted or begins(row.job.key, wanted))
    if not rows:
        raise RecipeError(f"no job of {wanted!r} is known; `buildfarm status` lists every job with its key")
    return rows


def begins(digest: str, wanted: str) -> bool:
    """Whether the digest is meant by its beginning, which has four digits at least."""
    return len(wanted) >= _SHORTEST and digest.startswith(wanted)
