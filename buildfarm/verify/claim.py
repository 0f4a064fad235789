"""What a wheel is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from buildfarm.model.job import BuildJob
from buildfarm.model.target import Target
from buildfarm.verify.policy import Policies, shipped_policies


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the job says that the wheel is.

    ``target`` None: whatever its tags say (an upload). ``wheel_kind``: the recipe's auto, pure, abi3 or platform.
    ``native_source`` None: not known. ``extensions_before`` counts the extension modules of the project's last good
    release, 0 where there is none. ``relax`` maps rule names to reasons. ``external`` are libraries that the recipe
    leaves outside (``repair.exclude``, globs over sonames), ``included`` the folders of the wheel that files of the
    system were put into (``repair.include``). ``root`` is the root path of the build's session, "" where
    it is not known.
    """

    project: str
    version: str
    target: Target | None = None
    wheel_kind: str = "auto"
    native_source: bool | None = None
    extensions_before: int = 0
    relax: Mapping[str, str] = field(default_factory=dict)
    external: tuple[str, ...] = ()
    included: frozenset[str] = frozenset()
    root: str = ""
    policies: Policies = field(default_factory=shipped_policies)


def claim_of(job: BuildJob, root: str = "") -> Claim:
    """What a wheel of this job must be true to; the coordinator, who knows no session's ``root``, verifies with the
    same.
    """
    return Claim(
        project=job.project,
        version=job.version,
        target=job.target,
        wheel_kind=job.part.wheel,
        native_source=job.native,
        extensions_before=job.extensions,
        relax=job.part.verify.relax,
        external=job.part.repair.exclude,
        included=frozenset(each.to.rstrip("/") for each in job.part.repair.include),
        root=root,
    )
