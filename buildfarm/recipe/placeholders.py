"""Placeholders in commands, files and env: ``{work}``, ``{SERVICE.host}``, ``{SERVICE.port}``; ``{{`` is a brace."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from buildfarm.recipe.diagnostic import suggestion
from buildfarm.recipe.nodes import MapNode, Scalar
from buildfarm.recipe.reading import Reading

_BRACES = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[{}]")


def check_build_placeholders(node: MapNode, reading: Reading) -> None:
    """Tell every placeholder of a build part that is none; there are no services."""
    _check(node.scalars("before", "env"), (), "only a test has services", reading)


def check_test_placeholders(node: MapNode, reading: Reading) -> None:
    """Tell every placeholder of a test that is none."""
    services = node.get("services")
    names = [name.text for name, _ in services.entries] if isinstance(services, MapNode) else []
    _check(node.scalars("run", "files", "env"), names, "declare it under services, with its image", reading)


def _check(scalars: Iterable[Scalar], services: Collection[str], undeclared: str, reading: Reading) -> None:
    allowed = ["{work}", *(f"{{{name}.{what}}}" for name in services for what in ("host", "port"))]
    for scalar in scalars:
        for match in _BRACES.finditer(scalar.text):
            if reading.full or match[0] in ("{{", "}}", *allowed):
                continue
            span = scalar.part(match.start(), len(match[0]))
            service, dot, what = (match["name"] or "").partition(".")
            if match["name"] is None:
                message = f"a single {match[0]!r} begins or ends no placeholder"
                advice = f"write {match[0] * 2} for a brace"
            elif dot and what in ("host", "port") and service not in services:
                message = f"{match[0]!r} is of a service that is not declared here"
                advice = undeclared
            else:
                message = f"{match[0]!r} is no placeholder"
                near = suggestion(match[0], allowed)
                advice = f"{near} possible here: {', '.join(allowed)}; {{{{ is a brace".strip()
            reading.error("placeholder", span, message, advice)
