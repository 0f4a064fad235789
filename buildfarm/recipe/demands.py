"""What a recipe under review owes besides being right: `buildfarm recipe check --strict`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from buildfarm.model.recipe import PathSource, Recipe, SdistSource
from buildfarm.recipe.diagnostic import Diagnostic, Span
from buildfarm.recipe.parse import Parsed
from buildfarm.recipe.reading import Reading

_PIN = "`buildfarm recipe pin` writes it"


def demands(parsed: Parsed, file: str) -> tuple[Diagnostic, ...]:
    """Errors for versions that nobody chose, sdists without a hash, and reasons of a single word; none for a recipe
    that is wrong anyway.
    """
    reading = Reading(file)
    if parsed.recipe is not None:
        _versions(parsed.recipe, parsed.spans, reading)
        _hashes(parsed.recipe, parsed.spans, reading)
        _reasons(parsed.recipe, parsed.spans, reading)
    return tuple(reading.diagnostics)


def _versions(recipe: Recipe, spans: Mapping[str, Span], reading: Reading) -> None:
    if "versions" not in spans and not isinstance(recipe.source, PathSource):
        advice = (
            'versions: ["VERSION"], of which `buildfarm recipe pin` tells the newest; '
            "or to follow upstream knowingly: versions: {track: latest}"
        )
        reading.error("no-versions", spans["name"], "this recipe says no versions", advice)


def _hashes(recipe: Recipe, spans: Mapping[str, Span], reading: Reading) -> None:
    if not isinstance(recipe.source, SdistSource):
        return
    for number, version in enumerate(recipe.exact):
        if version not in recipe.source.hashes:
            message = f"the hash of the sdist of {version} is not written"
            advice = f'{_PIN}: source: {{sdist: {{"{version}": "sha256:…"}}}}'
            reading.error("no-hash", spans[f"versions[{number}]"], message, advice)


def _reasons(recipe: Recipe, spans: Mapping[str, Span], reading: Reading) -> None:
    for path, reason in _relaxed(recipe):
        if len(reason.split()) < 2:
            message = f"{reason!r} is no reason that a reviewer can judge"
            reading.error("no-reason", spans[path], message, "say in a few words why the rule is wrong here")


def _relaxed(recipe: Recipe) -> Iterator[tuple[str, str]]:
    for rule, reason in recipe.verify.relax.items():
        yield f"verify.relax.{rule}", reason
    for number, override in enumerate(recipe.overrides):
        for rule, reason in override.verify.relax.items() if override.verify else ():
            yield f"overrides[{number}].verify.relax.{rule}", reason
