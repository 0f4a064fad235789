"""Options that commands share, and the edges between click and the rest."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from buildfarm.app.progress import Screen
    from buildfarm.app.recipe_files import Read
    from buildfarm.app.settings import Settings
    from buildfarm.app.wiring import Site
    from buildfarm.model.recipe import Recipe

PORT = 8420  # of `buildfarm serve`


def examples(*lines: str) -> str:
    """The end of a command's help: lines to copy, which click leaves as they are."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def _possible(_context: click.Context, _parameter: click.Parameter, globs: tuple[str, ...]) -> tuple[str, ...]:
    """The globs, each of which selects some build identifier that there is."""
    from buildfarm.recipe.fields import Wrong
    from buildfarm.recipe.platforms import identifier_glob

    try:
        return tuple(map(identifier_glob, globs))
    except Wrong as wrong:
        message = f"{wrong}\nhelp: {wrong.advice}\n`buildfarm doctor` says for which targets this machine builds."
        raise click.BadParameter(message) from wrong


TARGETS = click.option(
    "--targets",
    multiple=True,
    metavar="GLOB",
    callback=_possible,
    help="Build identifiers: 'cp313-*'. Repeatable.",
)
INDEX = click.option("--index", metavar="NAME", help="The index (default: main).")
JOBS = click.option("-j", "--jobs", type=click.IntRange(min=1), help="Jobs at once (default: 2).")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, nothing else there.")


def span(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    """A length of time such as ``30d``, in seconds; None where none is said."""
    if value is None:
        return None
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smhdw])", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no length of time: a number with s, m, h, d or w, such as 30d")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}[match[2]]


def some_span(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """The same, of more than no time at all."""
    seconds = span(context, parameter, value)
    if seconds == 0:
        raise click.BadParameter(f"{value!r} is no time at all")
    return seconds


def news_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``-q`` and ``-v``: how much is told of a build while it runs."""
    quiet = click.option("-q", "--quiet", "news", flag_value="quiet", help="Tell nothing until the end.")
    verbose = click.option("-v", "--verbose", "news", flag_value="verbose", help="Show every line of every log.")
    return quiet(verbose(command))


def _keep(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Keep an option of the site for the command, wherever it stood on the line."""
    options: dict[str, str] = context.ensure_object(dict)
    if value is not None:
        options[str(parameter.name)] = value


def site_options(command: Callable[..., Any]) -> Callable[..., Any]:
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


def settings_of(options: dict[str, str], **more: object) -> Settings:
    """The settings of this call; raises ``RecipeError`` with every error in them."""
    from buildfarm.app.settings import read_settings

    return read_settings(os.environ, Path.cwd(), {**options, **more})


def open_here(settings: Settings, screen: Screen | None = None) -> AbstractContextManager[Site]:
    """The farm of this machine, open; its news go to ``screen`` (default: lines on standard error)."""
    from buildfarm.app.wiring import open_site

    return open_site(settings, os.environ, screen)


def screen_here(news: str | None) -> Screen:
    """What tells of a build on standard error: ``quiet`` nothing, ``verbose`` whole logs, else what fits there."""
    from buildfarm.app.progress import Messages, Screen, Verbose, screen_for

    if news == "quiet":
        return Screen()
    console = Messages()
    return Verbose(console) if news == "verbose" else screen_for(console, os.environ)


def readable(found: Read) -> tuple[Recipe, ...]:
    """Its recipes. What is wrong with them is said, and an error ends the call."""
    if found.messages:
        click.echo(found.messages, err=True)
    if found.failed:
        raise click.exceptions.Exit(2)
    return found.recipes


def log_to(stream: TextIO) -> Callable[[bytes], None]:
    """Writes a log there piece by piece: into a pipe or a file as it is, to a terminal line by line and harmless."""
    if not stream.isatty():
        return lambda chunk: click.echo(chunk, file=stream, nl=False)
    from buildfarm.app.harmless import WholeLines, shown

    lines = WholeLines()

    def write(chunk: bytes) -> None:
        for line in lines.of(chunk):
            click.echo(shown(line), file=stream)

    return write


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(document, indent=2))
