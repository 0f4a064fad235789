"""What may come in from elsewhere: releases, with the hash of every file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from buildfarm.model.distribution import Named

Files = Mapping[str, str]
"""sha256 (64 hex digits) by file name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admissions:
    """A reviewed list: ``admit`` is approved, ``proposed`` waits for that. ``index`` is the mirror, or empty."""

    index: str = ""
    admit: Mapping[Named, Files] = field(default_factory=dict)
    proposed: Mapping[Named, Files] = field(default_factory=dict)
