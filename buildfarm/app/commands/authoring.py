"""The commands that write recipes: new, pin, fmt, and schema for those who write them in an editor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildfarm.app.options import JSON, examples, open_here, print_json, readable, settings_of, site_options

if TYPE_CHECKING:
    from buildfarm.model.recipe import Recipe

PATHS = click.argument("paths", nargs=-1, required=True, metavar="RECIPE|FOLDER...")


@click.command(epilog=examples("buildfarm recipe new ujson", "buildfarm recipe new ujson==5.10.0 -o ujson.yaml"))
@click.argument("name", metavar="NAME[==VERSION]")
@click.option("-o", "--output", metavar="FILE", help="Where to write it (default: NAME.yaml in the folder of recipes).")
@JSON
@site_options
@click.pass_obj
def new(options: dict[str, str], name: str, output: str | None, as_json: bool) -> None:
    """Write the shortest recipe that can work.

    From a look into the project's sdist, of which nothing is run. With ==VERSION the recipe is for that version, its
    hash written in; else it follows the newest release.
    """
    from buildfarm.app.drafting import draft, to_plain

    settings = settings_of(options)
    with open_here(settings) as site:
        made = draft(site.farm, name)
    file = Path(output) if output else settings.recipes / f"{made.name}.yaml"
    _write(file, made.text, "x")
    if as_json:
        print_json({"file": str(file), **to_plain(made)})
    else:
        click.echo(made.text, nl=False)
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    click.echo(f"wrote {shown}; next: buildfarm recipe check {shown}, then buildfarm build {shown}", err=True)
    if "==" not in name:
        click.echo(f"for that release alone: buildfarm recipe new {made.name}=={made.version} -o FILE", err=True)


@click.command(epilog=examples("buildfarm recipe pin recipes/ujson.yaml", "buildfarm recipe pin --check recipes"))
@PATHS
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 1 when a hash would be written.")
@JSON
@site_options
@click.pass_obj
def pin(options: dict[str, str], paths: tuple[str, ...], only_check: bool, as_json: bool) -> int:
    """Write the hashes of the sources into recipe files.

    No other byte of them changes. For exact versions, and for a URL whose sha256 is missing or empty. All files are
    written, or none.
    """
    from buildfarm.app.pinning import pin as look_up
    from buildfarm.app.pinning import with_placeholder
    from buildfarm.app.rewriting import write_all

    files = _files(paths)
    lacking = {file: found for file in files if (found := with_placeholder(file))}
    rest = [file for file in files if file not in lacking]
    recipes = [*lacking.items(), *zip(rest, _recipes(rest), strict=True)]
    with open_here(settings_of(options)) as site:
        pinned = look_up(site.farm, recipes)
    if not only_check:
        write_all(each.rewrite for each in pinned)
    if as_json:
        print_json({"files": [{"file": str(e.rewrite.path), "hashes": e.hashes, "note": e.note} for e in pinned]})
    else:
        for each in pinned:
            said = ", ".join(f"{version} {hash_}" for version, hash_ in each.hashes.items())
            click.echo(f"{each.rewrite.path}: {said or each.note or 'every hash is there'}")
    return int(only_check and any(each.rewrite.changes for each in pinned))


@click.command()
@PATHS
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 1 when a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change, and exit 1 when anything would.")
@JSON
def fmt(paths: tuple[str, ...], only_check: bool, diff: bool, as_json: bool) -> int:
    """Lay recipe files out in one way.

    Comments stay with what they belong to. Files with errors are not touched.
    """
    from buildfarm.app.rewriting import Rewrite, text_of, write_all
    from buildfarm.model.errors import RecipeError
    from buildfarm.recipe.layout import Unformattable, lay_out

    files = _files(paths)
    _recipes(files)
    rewrites, troubles = [], []
    for file in files:
        before = text_of(file)
        try:
            after = lay_out(before, folder=str(file.parent.absolute()))
            rewrites.append(Rewrite(path=file, before=before, after=after))
        except Unformattable as error:
            troubles.append(f"{file}: {error}")
    if troubles:
        raise RecipeError("\n".join([*troubles, "nothing was written"]))
    changed = [each for each in rewrites if each.changes]
    if not (only_check or diff):
        write_all(changed)
    if as_json:
        print_json({"files": len(files), "changed": [{"file": str(e.path), "diff": e.diff} for e in changed]})
    else:
        for each in changed:
            click.echo(each.diff if diff else str(each.path), nl=not diff)
    verb = "would change" if only_check or diff else "changed"
    click.echo(f"{len(files)} recipe{'s' * (len(files) != 1)}, {len(changed)} {verb}", err=True)
    return int(bool(changed) and (only_check or diff))


@click.command()
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write it there.")
def schema(output: Path | None) -> None:
    """Print the JSON Schema of recipe files, for editors."""
    from buildfarm.recipe.table import json_schema

    text = json.dumps(json_schema(), indent=2) + "\n"
    if output:
        _write(output, text, "w")
    else:
        click.echo(text, nl=False)


def _write(file: Path, text: str, mode: str) -> None:
    """Write a file (``x``: a new one) and the folders above it; raises ``RecipeError`` where that cannot be."""
    from buildfarm.model.errors import RecipeError

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open(mode, encoding="utf-8", newline="\n") as opened:
            opened.write(text)
    except OSError as error:
        what = f"cannot be written: {error.filename}: {error.strerror}"
        if isinstance(error, FileExistsError) and file.exists():
            what = "is there already and is left as it is"
        raise RecipeError(f"{file} {what}; name another file with -o FILE") from error


def _files(paths: tuple[str, ...]) -> list[Path]:
    """Every recipe file that is named, each once; none at all is a wrong call."""
    from buildfarm.app.recipe_files import recipe_files

    files = list(dict.fromkeys(file for path in paths for file in recipe_files(Path(path))))
    if not files:
        raise click.UsageError(f"no recipe file in {', '.join(paths)}; name files, or a folder that holds *.yaml")
    return files


def _recipes(files: list[Path]) -> tuple[Recipe, ...]:
    """The recipes of the files, in order; every error of every file ends the call."""
    from buildfarm.app.recipe_files import read_recipe_file, together

    return readable(together(map(read_recipe_file, files)))
