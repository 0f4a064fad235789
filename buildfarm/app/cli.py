"""The command line: arguments in, verbs of the farm, text or JSON out; the single top-level catcher.

Imports of the rest stand in the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildfarm import __version__

if TYPE_CHECKING:
    from buildfarm.app.operands import Read
    from buildfarm.app.settings import Settings
    from buildfarm.app.wiring import Site
    from buildfarm.model.job import BuildRequest

_OPERANDS = click.argument("operands", nargs=-1, metavar="[RECIPE|REQUIREMENT|PATH]...")
_FILES = click.option("-r", "--requirement", "files", multiple=True, metavar="FILE", help="A requirements.txt.")
_TARGETS = click.option("--targets", multiple=True, metavar="GLOB", help="Build identifiers: 'cp313-*'. Repeatable.")
_INDEX = click.option("--index", metavar="NAME", help="The index to publish to (default: main).")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, nothing else there.")


def _keep(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Keep an option of the site for the command, wherever it stood on the line."""
    options: dict[str, str] = context.ensure_object(dict)
    if value is not None:
        options[str(parameter.name)] = value


def _site_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--home`` and ``--isolation``, before the command's name or after it."""
    isolation = click.option(
        "--isolation", metavar="KIND", help="auto, bubblewrap or none.", expose_value=False, callback=_keep
    )
    home = click.option(
        "--home",
        metavar="DIR",
        help="Where all state lives (default: BUILDFARM_HOME, else the user data directory).",
        expose_value=False,
        callback=_keep,
    )
    return home(isolation(command))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@_site_options
@click.version_option(__version__)
def cli() -> None:
    r"""Turn recipes into repaired, verified, tested wheels on your own index, exactly once, and say why.

    \b
    buildfarm build markupsafe          an sdist of the index to wheels for the interpreters that are here
    buildfarm serve                     then: pip install --index-url http://127.0.0.1:8420/main/simple/ markupsafe
    """


@cli.command()
@_OPERANDS
@_FILES
@_TARGETS
@_INDEX
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="Jobs at once (default: 2).")
@_JSON
@_site_options
@click.pass_obj
def build(
    options: dict[str, str],
    operands: tuple[str, ...],
    files: tuple[str, ...],
    targets: tuple[str, ...],
    index: str | None,
    jobs: int | None,
    as_json: bool,
) -> int:
    """Build, repair, verify, test and publish wheels, here and now."""
    from rich.console import Console

    from buildfarm.app import local, output

    settings = _settings(options, index=index, jobs=jobs)
    request = _request(settings, operands, files, targets)
    with _site(settings) as site:
        result = local.build(site, request, settings.jobs)
        if as_json:
            _print_json(output.result_json(result, site.log))
        console = Console(stderr=True)
        output.failures(result, site.log, console)
        if not as_json:
            output.result_table(result, Console())
        output.where_next(result, settings, console)
    return output.exit_code(result)


@cli.command()
@_OPERANDS
@_FILES
@_TARGETS
@_INDEX
@_JSON
@_site_options
@click.pass_obj
def plan(
    options: dict[str, str],
    operands: tuple[str, ...],
    files: tuple[str, ...],
    targets: tuple[str, ...],
    index: str | None,
    as_json: bool,
) -> int:
    """Show what a build would do, what would wait, and what is left out and why."""
    from rich.console import Console

    from buildfarm.app import output
    from buildfarm.farm.expand import preview

    settings = _settings(options, index=index)
    request = _request(settings, operands, files, targets)
    with _site(settings) as site:
        found = preview(site.farm, request)
    if as_json:
        _print_json(output.plan_json(found))
    else:
        output.plan_table(found, Console())
    named = {job.project for job in found.jobs} | {goal.project for goal in found.goals}
    return 0 if {recipe.name for recipe in request.recipes} <= named else 1


@cli.group()
def recipe() -> None:
    """Work on recipe files."""


@recipe.command()
@click.argument("paths", nargs=-1, required=True, metavar="RECIPE|FOLDER...")
@_JSON
def check(paths: tuple[str, ...], as_json: bool) -> int:
    """Check recipe files: every error of every file, with its place and what to do."""
    from buildfarm.app.operands import Read, read_recipe_file, recipe_files
    from buildfarm.model.wheel import Severity
    from buildfarm.recipe.diagnostic import to_plain

    files = [file for path in paths for file in recipe_files(Path(path))]
    found = sum(map(read_recipe_file, files), Read())
    if as_json:
        _print_json({"files": len(files), "diagnostics": [to_plain(each) for each, _ in found.diagnostics]})
    else:
        if found.messages:
            click.echo(found.messages)
        errors = sum(each.severity is Severity.ERROR for each, _ in found.diagnostics)
        click.echo(f"{len(files)} recipes, {errors} errors, {len(found.diagnostics) - errors} warnings", err=True)
    return 2 if found.failed or not files else 0


@cli.command()
@_JSON
@_site_options
@click.pass_obj
def status(options: dict[str, str], as_json: bool) -> int:
    """Show open requests and what every job of the ledger came to."""
    from rich.console import Console

    from buildfarm.app import overview

    with _site(_settings(options)) as site:
        if as_json:
            _print_json(overview.status_json(site))
        else:
            overview.status_table(site, Console())
    return 0


@cli.command()
@click.argument("job", metavar="JOB|PROJECT")
@_JSON
@_site_options
@click.pass_obj
def logs(options: dict[str, str], job: str, as_json: bool) -> int:
    """Print the log of a job's last attempt; JOB is the beginning of its key, or a project's name."""
    from buildfarm.app import overview

    with _site(_settings(options)) as site:
        rows = [row for row in overview.find_jobs(site, job) if row.log]
        if as_json:
            _print_json({"logs": [overview.log_json(site, row) for row in rows]})
            return 0 if rows else 1
        for row in rows:
            click.echo(f"== {overview.title(row)} ({site.log.where(row.log)})", err=True)
            click.echo(site.log.read(row.log).decode("utf-8", "replace"), nl=False)
    if not rows:
        click.echo(f"no attempt of {job!r} is known; `buildfarm status` lists every job with its key", err=True)
    return 0 if rows else 1


@cli.command()
@click.argument("job", metavar="JOB|PROJECT")
@_site_options
@click.pass_obj
def cancel(options: dict[str, str], job: str) -> int:
    """Cancel unfinished jobs; JOB is the beginning of a key, or a project's name. A new build asks for them again."""
    from buildfarm.app import overview

    with _site(_settings(options)) as site:
        rows = [row for row in overview.find_jobs(site, job) if site.farm.jobs.cancel(row.job.key, "local")]
    for row in rows:
        click.echo(f"cancelled {overview.title(row)}", err=True)
    if not rows:
        click.echo(f"no unfinished job of {job!r} is known; `buildfarm status` lists every job with its key", err=True)
    return 0 if rows else 1


@cli.command()
@click.argument("wheel", metavar="WHEEL|PROJECT|SHA256|JOB")
@_JSON
@_site_options
@click.pass_obj
def why(options: dict[str, str], wheel: str, as_json: bool) -> int:
    """Print every input of a wheel, what tested it, and where it went."""
    from rich.console import Console

    from buildfarm.app import overview
    from buildfarm.farm.why import why as ask

    with _site(_settings(options)) as site:
        stories = ask(site.farm, wheel)
        if as_json:
            _print_json({"wheels": [overview.story_json(site, story) for story in stories]})
        else:
            for story in stories:
                overview.story_text(site, story, Console())
    if not stories:
        click.echo(f"the ledger knows no wheel {wheel!r}; `buildfarm status` lists what it knows", err=True)
    return 0 if stories else 1


@cli.command()
@click.option("--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS")
@click.option("--port", default=8420, show_default=True, type=click.IntRange(0, 65535))
@_site_options
@click.pass_obj
def serve(options: dict[str, str], bind: str, port: int) -> int:
    """Serve the indexes of the home, for pip and uv on this machine."""
    from buildfarm.app.serve import serve as run

    settings = _settings(options)
    try:
        run(settings.home / "index", bind=bind, port=port, report=lambda line: click.echo(line, err=True))
    except KeyboardInterrupt:  # its ordinary end
        return 130
    return 0


@cli.group()
def config() -> None:
    """Look at the settings."""


@config.command()
@_JSON
@_site_options
@click.pass_obj
def show(options: dict[str, str], as_json: bool) -> int:
    """Show every setting and where its value came from."""
    from buildfarm.adapters.pip_config import redacted

    settings = _settings(options)
    values = {name: redacted(str(getattr(settings, name))) for name in settings.origins}
    if as_json:
        _print_json({name: {"value": value, "from": settings.origins[name]} for name, value in values.items()})
    else:
        for name, value in values.items():
            click.echo(f"{name:10} {value or '-':50} {settings.origins[name]}")
    return 0


# --------------------------------------------------------------------------------------------------------- edges


def main() -> int:
    """Run the command line; every error becomes a message and an exit code here, and nowhere else."""
    from buildfarm.model.errors import BuildfarmError

    try:
        return int(cli.main(standalone_mode=False, prog_name="buildfarm") or 0)
    except (click.exceptions.Abort, KeyboardInterrupt):  # click makes the one of the other
        click.echo("interrupted: jobs went back to the queue; the same command goes on from there", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except BuildfarmError as error:
        click.echo(str(error) if error.exit_code == 2 else f"error: {error}", err=True)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:  # noqa: BLE001 - whatever it is, a person gets a sentence and the developers a traceback
        traceback.print_exc()
        click.echo(
            f"error: this is a fault of buildfarm itself ({type(error).__name__}); please report the lines above",
            err=True,
        )
        return 3


def _settings(options: dict[str, str], **more: object) -> Settings:
    from buildfarm.app.settings import read_settings

    return read_settings(os.environ, Path.cwd(), {**options, **more})


def _site(settings: Settings) -> AbstractContextManager[Site]:
    from buildfarm.app.wiring import open_site

    return open_site(settings, os.environ)


def _request(
    settings: Settings, operands: tuple[str, ...], files: tuple[str, ...], targets: tuple[str, ...]
) -> BuildRequest:
    from buildfarm.app.operands import read_operands
    from buildfarm.model.job import BuildRequest

    found: Read = read_operands(operands, files, settings.recipes)
    if found.messages:
        click.echo(found.messages, err=True)
    if found.failed:
        raise click.exceptions.Exit(2)
    if not found.recipes:
        raise click.UsageError("nothing to build: name a recipe, a requirement, a path, or -r FILE")
    return BuildRequest(recipes=found.recipes, targets=targets or ("*",), index=settings.index)


def _print_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=2))
