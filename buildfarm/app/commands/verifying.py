"""The command that holds wheels against the rules, wherever they are from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildfarm.app.options import JSON, print_json

if TYPE_CHECKING:
    from buildfarm.model.recipe import Recipe
    from buildfarm.model.target import Target


@click.command()
@click.argument("wheels", nargs=-1, required=True, metavar="WHEEL|FOLDER...")
@click.option("--target", metavar="ID", help="Hold them against a target as well: cp313-manylinux_2_28_x86_64.")
@click.option("--recipe", metavar="FILE", help="Hold them against a recipe: its name, and the rules that it relaxes.")
@click.option("--strict", is_flag=True, help="Warnings are failures.")
@JSON
def verify(wheels: tuple[str, ...], target: str | None, recipe: str | None, strict: bool, as_json: bool) -> int:
    """Hold wheels against every rule: their tags, binaries, RECORD, metadata and contents.

    Nothing of a wheel is run or unpacked. Exit codes: 0 all are good, 1 one breaks a rule, 2 one is no wheel or the
    call is wrong.
    """
    from rich.console import Console

    from buildfarm.app import verification

    files, wanted, relaxing = verification.wheel_files(wheels), _target(target), _recipe(recipe)
    held = []
    for path in files:
        held.append(verification.hold(path, wanted, relaxing))
        if not as_json:
            verification.print_held(held[-1], Console(), strict=strict)
    if as_json:
        print_json(verification.held_json(held, strict=strict))
    else:
        click.echo(f"not applicable without a build: {', '.join(verification.NOT_APPLICABLE)}", err=True)
    return verification.exit_code(held, strict=strict)


def _target(identifier: str | None) -> Target | None:
    from buildfarm.model.target import Target

    try:
        return Target.parse(identifier) if identifier else None
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _recipe(file: str | None) -> Recipe | None:
    from buildfarm.app.recipe_files import read_recipe_file

    if file is None:
        return None
    found = read_recipe_file(Path(file))
    if found.failed:
        raise click.UsageError(found.messages)
    return found.recipes[0]
