"""The commands build and plan: what operands come to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from buildfarm.app.options import (
    JOBS,
    JSON,
    TARGETS,
    examples,
    news_options,
    open_here,
    print_json,
    readable,
    screen_here,
    settings_of,
    site_options,
)

if TYPE_CHECKING:
    from buildfarm.app.settings import Settings
    from buildfarm.model.job import BuildRequest


def _wish(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is to be built, for which targets, and for which index."""
    operands = click.argument("operands", nargs=-1, metavar="[RECIPE|REQUIREMENT|PATH]...")
    files = click.option("-r", "--requirement", "files", multiple=True, metavar="FILE", help="A requirements.txt.")
    index = click.option("--index", metavar="NAME", help="The index to publish to (default: main).")
    return operands(files(TARGETS(index(command))))


@click.command(
    epilog=examples(
        "buildfarm build markupsafe 'msgpack>=1.1' -j 2",
        "buildfarm build -r requirements.txt --targets 'cp313-*'",
        "buildfarm build recipes/ujson.yaml ./my-project",
    )
)
@_wish
@JOBS
@JSON
@news_options
@site_options
@click.pass_obj
def build(
    options: dict[str, str],
    operands: tuple[str, ...],
    files: tuple[str, ...],
    targets: tuple[str, ...],
    index: str | None,
    jobs: int | None,
    as_json: bool,
    news: str | None,
) -> int:
    """Build, repair, verify, test and publish wheels here."""
    from rich.console import Console

    from buildfarm.app import local, output, plain

    settings = settings_of(options, index=index, jobs=jobs)
    request = _request(settings, operands, files, targets)
    with open_here(settings, screen_here(news)) as site:
        result = local.build(site, request, settings.jobs)
        if as_json:
            print_json(plain.result_json(result, site.log))
        console = Console(stderr=True)
        output.failures(result, site.log, settings, console)
        if not as_json:
            output.result_table(result, Console())
        output.raised_floors((row.job for row in result.rows), site.farm.environments(), console)
        output.where_next(result, settings, console)
    return output.exit_code(result)


@click.command(epilog=examples("buildfarm plan -r requirements.txt", "buildfarm plan recipes --targets 'cp313-*'"))
@_wish
@JSON
@site_options
@click.pass_obj
def plan(
    options: dict[str, str],
    operands: tuple[str, ...],
    files: tuple[str, ...],
    targets: tuple[str, ...],
    index: str | None,
    as_json: bool,
) -> int:
    """Show what a build would do, and what is left out and why."""
    from rich.console import Console

    from buildfarm.app import output, plain
    from buildfarm.farm.expand import preview

    settings = settings_of(options, index=index)
    request = _request(settings, operands, files, targets)
    with open_here(settings) as site:
        found = preview(site.farm, request)
    if as_json:
        print_json(plain.plan_json(found, site.farm.environments()))
    else:
        output.plan_table(found, Console())
        output.floors(found, site.farm.environments(), Console())
        output.places(found, site.farm.environments(), Console())
    named = {job.project for job in found.jobs} | {goal.project for goal in found.goals}
    return 0 if {recipe.name for recipe in request.recipes} <= named else 1


def _request(
    settings: Settings, operands: tuple[str, ...], files: tuple[str, ...], targets: tuple[str, ...]
) -> BuildRequest:
    from buildfarm.app.operands import read_operands
    from buildfarm.model.job import BuildRequest

    recipes = readable(read_operands(operands, files, settings.recipes))
    if not recipes:
        raise click.UsageError("nothing to build: name a recipe, a requirement, a path, or -r FILE")
    return BuildRequest(recipes=recipes, targets=targets or ("*",), index=settings.index)
