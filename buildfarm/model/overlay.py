"""Overrides on recipes: what lies on what, and what of it shows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from buildfarm.model.recipe import Build, Limits, Override, Repair, System, Verify

_TABLES = {"system": System(), "build": Build(), "repair": Repair(), "verify": Verify(), "limits": Limits()}


def laid(parts: Mapping[str, Any], override: Override) -> dict[str, Any]:
    """The parts of a recipe by name (``build``) with those of the override on top.

    Tables and maps merge by key, everything else replaces; so does a part of which ``written`` names nothing.
    """
    shown = dict(parts)
    for name, base in parts.items():
        if (part := getattr(override, name)) is not None:
            shown[name] = _overlaid(base, part, name, override.written) if name in override.written else part
    return shown


def _overlaid(base: Any, part: Any, path: str, written: Collection[str]) -> Any:
    if isinstance(part, Mapping):
        return {**base, **part}
    if not is_dataclass(part):
        return part
    inner = ((field.name, f"{path}.{field.name}") for field in fields(part))
    said = {
        name: _overlaid(getattr(base, name), getattr(part, name), below, written)
        for name, below in inner
        if below in written
    }
    return replace(base, **said)


def _paths(table: object, path: str) -> Iterator[str]:
    yield path
    if is_dataclass(table):
        for field in fields(table):
            yield from _paths(getattr(table, field.name), f"{path}.{field.name}")


PATHS = tuple(path for name, table in _TABLES.items() for path in _paths(table, name))
"""Every path that an override may name in its parts."""
