"""What is wrong or surely not meant between parts that are right each by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from buildfarm.model.overlay import laid
from buildfarm.model.recipe import MIB, Limits, Recipe
from buildfarm.recipe.diagnostic import Span
from buildfarm.recipe.reading import Reading
from buildfarm.recipe.selection import judge_managers, judge_overrides, judge_platforms
from buildfarm.recipe.sources import judge_patches, judge_source, judge_versions
from buildfarm.recipe.testing import judge_services

Spans = Mapping[str, Span]
_LEAST = {
    "memory": (64 * MIB, "64MiB"),
    "disk": (64 * MIB, "64MiB"),
    "wall": (10, "10s"),
    "silence": (5, "5s"),
    "pids": (8, "8"),
    "log": (4096, "4KiB"),
}
"""A plain C extension needs more of each: with less even a compiler does not start, or end."""


def judge(recipe: Recipe, broken: Collection[str], spans: Spans, reading: Reading) -> None:
    """Judge all parts of which none is broken (its own keys are wrong, and that was told)."""
    for parts, rule in _RULES:
        if not any(part in broken for part in parts):
            rule(recipe, spans, reading)


def _judge_kind(recipe: Recipe, spans: Spans, reading: Reading) -> None:
    """What a wheel without compiled code has no use for."""
    if recipe.wheel == "pure":
        for path in ("system", "build.compiler", "repair"):
            if path in spans:
                message = f"a pure wheel has no compiled code, so {path!r} is for nothing"
                reading.warn("contradiction", spans[path], message, "leave it out, or: wheel: auto")


def _judge_excludes(recipe: Recipe, spans: Spans, reading: Reading) -> None:
    """Globs over libraries with a folder: the repair tool holds them against names and whole paths."""
    for number, glob in enumerate(recipe.repair.exclude):
        if "/" in glob and not glob.startswith(("/", "*")):
            advice = f"write the name of the library: {glob.rpartition('/')[2]}"
            message = f"{glob!r} is held against the names of libraries, which have no folder"
            reading.warn("unmatched", spans[f"repair.exclude[{number}]"], message, advice)


def _judge_limits(recipe: Recipe, spans: Spans, reading: Reading) -> None:
    for path, limits in _limits(recipe):
        if limits.silence > limits.wall and f"{path}.silence" in spans:
            message = "the wall time is over before so much silence can be"
            reading.warn("unused", spans[f"{path}.silence"], message, "silence is shorter than wall")
        if limits.cpu > limits.wall * limits.cpus and f"{path}.cpu" in spans:
            message = f"with cpus: {limits.cpus:g} the wall time is over before so much is spent"
            reading.warn("unused", spans[f"{path}.cpu"], message, "cpu is at most wall times cpus")
        for name, (least, shown) in _LEAST.items():
            if getattr(limits, name) < least and f"{path}.{name}" in spans:
                message = f"this limit of {name} is lower than any build needs"
                reading.warn("too-little", spans[f"{path}.{name}"], message, f"at least {shown}")


def _limits(recipe: Recipe) -> Iterator[tuple[str, Limits]]:
    yield "limits", recipe.limits
    for number, override in enumerate(recipe.overrides):
        if override.limits is not None:
            yield f"overrides[{number}].limits", laid({"limits": recipe.limits}, override)["limits"]


def _judge_tests(recipe: Recipe, spans: Spans, reading: Reading) -> None:
    if not recipe.tests:
        advice = "leave the key out to have every module imported"
        reading.warn("untested", spans["tests"], "nothing will be tested", advice)


_RULES: tuple[tuple[tuple[str, ...], Callable[[Recipe, Spans, Reading], None]], ...] = (
    (("versions",), judge_versions),
    (("source", "versions"), judge_source),
    (("patches", "versions"), judge_patches),
    (("targets",), judge_platforms),
    (("targets", "system"), judge_managers),
    (("targets", "overrides"), judge_overrides),
    (("wheel",), _judge_kind),
    (("repair",), _judge_excludes),
    (("limits", "overrides"), _judge_limits),
    (("tests",), _judge_tests),
    (("tests", "overrides"), judge_services),
)
"""Each rule after the keys of the recipe that it looks at."""
