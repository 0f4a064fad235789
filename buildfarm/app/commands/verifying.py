"""The command that holds wheels against the rules, wherever they are from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildfarm.app.options import JSON, examples, print_json, readable

if TYPE_CHECKING:
    from buildfarm.model.recipe import Recipe
    from buildfarm.model.target import Target


@click.command(
    epilog=examples("buildfarm verify dist/*.whl", "buildfarm verify --target cp313-manylinux_2_28_x86_64 dist")
)
@click.argument("wheels", nargs=-1, required=True, metavar="WHEEL|FOLDER...")
@click.option("--target", metavar="ID", help="Hold them against a target as well: cp313-manylinux_2_28_x86_64.")
@click.option("--recipe", metavar="FILE", help="Hold them against a recipe: its name, and the rules that it relaxes.")
@click.option("--strict", is_flag=True, help="Warnings are failures.")
@JSON
def verify(wheels: tuple[str, ...], target: str | None, recipe: str | None, strict: bool, as_json: bool) -> int:
    """Hold wheels against every rule, wherever they are from.

    Their tags, binaries, RECORD, metadata and contents. Nothing of a wheel is run or unpacked. Exit codes: 0 all are
    good, 1 one breaks a rule, 2 one is no wheel or the call is wrong.
    """
    from rich.console import Console

    from buildfarm.app import verification
    from buildfarm.model.wheel import Severity

    files, wanted, relaxing = verification.wheel_files(wheels), _target(target), _recipe(recipe)
    failing = frozenset(Severity) if strict else frozenset({Severity.ERROR})
    held = []
    for path in files:
        held.append(verification.hold(path, wanted, relaxing))
        if not as_json:
            verification.print_held(held[-1], Console(), failing)
    if as_json:
        print_json(verification.held_json(held, failing))
    else:
        click.echo(f"not applicable without a build: {', '.join(verification.NOT_APPLICABLE)}", err=True)
    return verification.exit_code(held, failing)


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
    return readable(read_recipe_file(Path(file)))[0]
