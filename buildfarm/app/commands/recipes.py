"""The commands for authors of recipes."""

from __future__ import annotations

import sys

import click

from buildfarm.app.commands.authoring import fmt, new, pin, schema
from buildfarm.app.options import examples, print_json


@click.group()
def recipe() -> None:
    """Write, check and pin recipe files."""


@recipe.command(epilog=examples("buildfarm recipe check recipes", "buildfarm recipe check --strict recipes/ujson.yaml"))
@click.argument("paths", nargs=-1, required=True, metavar="RECIPE|FOLDER|-...")
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json", "sarif")),
    default="text",
    help="sarif is for code hosts and editors.",
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option("--strict", is_flag=True, help="Demand versions, hashes and reasons too, and let warnings fail.")
def check(paths: tuple[str, ...], form: str, strict: bool) -> int:
    """Tell every error of every recipe file.

    Each with its place and what to do. Takes recipe files, folders of them, requirements files, and - for a recipe on
    stdin. Exit code 2 if anything is wrong; with --strict warnings count too.
    """
    from buildfarm.app.checking import check_paths, summary

    checked = check_paths(paths, sys.stdin.buffer, strict=strict)
    if form == "json":
        print_json(checked.as_json())
    elif form == "sarif":
        print_json(checked.as_sarif())
    elif checked.read.messages:
        click.echo(checked.read.messages)
    click.echo(summary(checked), err=True)
    return 2 if checked.failed else 0


for command in (new, pin, fmt, schema):
    recipe.add_command(command)
