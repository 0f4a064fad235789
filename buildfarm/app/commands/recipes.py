"""The commands for authors of recipes."""

from __future__ import annotations

from pathlib import Path

import click

from buildfarm.app.options import JSON, print_json


@click.group()
def recipe() -> None:
    """Work on recipe files."""


@recipe.command()
@click.argument("paths", nargs=-1, required=True, metavar="RECIPE|FOLDER...")
@JSON
def check(paths: tuple[str, ...], as_json: bool) -> int:
    """Check recipe files: every error of every file, with its place and what to do."""
    from buildfarm.app.operands import Read, read_recipe_file, recipe_files
    from buildfarm.model.wheel import Severity
    from buildfarm.recipe.diagnostic import to_plain

    files = [file for path in paths for file in recipe_files(Path(path))]
    found = sum(map(read_recipe_file, files), Read())
    if as_json:
        print_json({"files": len(files), "diagnostics": [to_plain(each) for each, _ in found.diagnostics]})
    else:
        if found.messages:
            click.echo(found.messages)
        errors = sum(each.severity is Severity.ERROR for each, _ in found.diagnostics)
        click.echo(f"{len(files)} recipes, {errors} errors, {len(found.diagnostics) - errors} warnings", err=True)
    return 2 if found.failed or not files else 0
