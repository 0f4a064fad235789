"""The commands about indexes: make, look at, change and delete them."""

from __future__ import annotations

import getpass
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from buildfarm.app.commands.clients import index_doctor
from buildfarm.app.commands.upkeep import gc, rebuild, retry, settle, verify
from buildfarm.app.options import JSON, examples, open_here, print_json, settings_of, site_options

if TYPE_CHECKING:
    from buildfarm.farm.coordinator import Coordinator
    from buildfarm.model.index import Index
    from buildfarm.model.wheel import Verdict

BASES = click.option("--base", "bases", multiple=True, metavar="NAME", help="Inherit from it; the nearest first.")
VERDICTS = {"passed": "passed", "skipped": "skipped", "not-run": "not run"}
ACCEPTS = click.option(
    "--accepts",
    metavar="LIST",
    help="Results with which a file may be on it: passed,skipped (default), and not-run, which takes uploads at once.",
)
RESERVE = click.option(
    "--reserve", "reserved", multiple=True, metavar="GLOB", help="Names that are never admitted from elsewhere."
)


@click.group()
def index() -> None:
    """Make, show and change indexes, and keep them whole."""


for command in (verify, rebuild, gc, settle, retry, index_doctor):
    index.add_command(command)


@index.command(
    epilog=examples(
        "buildfarm index create company/base --reserve 'company-*'",
        "buildfarm index create company/dev --base company/base --volatile",
        "buildfarm index create sandbox/ada --accepts passed,skipped,not-run",
    )
)
@click.argument("name")
@BASES
@click.option("--class", "kind", type=click.Choice(["internal", "mirror"]), default="internal", show_default=True)
@click.option("--volatile", is_flag=True, help="Files may be replaced and deleted.")
@click.option("--private", is_flag=True, help="Reading takes a token.")
@ACCEPTS
@RESERVE
@JSON
@site_options
@click.pass_obj
def create(
    options: dict[str, str],
    name: str,
    bases: tuple[str, ...],
    kind: str,
    volatile: bool,
    private: bool,
    accepts: str | None,
    reserved: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make an index.

    It shows its own files and those of its bases: of files with one name, its own; of a project that an internal index
    among them has, none of a mirror.
    """
    from buildfarm.farm import indexes
    from buildfarm.model.index import Index, IndexClass

    made = Index(name=name, bases=bases, kind=IndexClass(kind), volatile=volatile, private=private, reserved=reserved)
    made = made if accepts is None else replace(made, accepts=_verdicts(accepts))
    settings = settings_of(options)
    with open_here(settings) as site:
        indexes.create(site.farm, made, who=getpass.getuser())
        _warn(site.farm, name)
    url = f"{settings.url}/{name}/"
    _told(made, as_json, f"{name} is there: pip install --index-url {url}simple/ NAME; uploads go to {url}")


@index.command(name="list")
@JSON
@site_options
@click.pass_obj
def list_(options: dict[str, str], as_json: bool) -> None:
    """List the indexes: what each inherits from, and what waits."""
    from rich.console import Console

    from buildfarm.app import indexes

    with open_here(settings_of(options)) as site:
        document = indexes.list_json(site.farm)
    if as_json:
        print_json({"indexes": document})
    elif document:
        indexes.list_table(document, Console())
    else:
        click.echo("there is no index yet; `buildfarm index create NAME` makes one", err=True)


@index.command()
@click.argument("name")
@JSON
@site_options
@click.pass_obj
def show(options: dict[str, str], name: str, as_json: bool) -> None:
    """Show an index: its settings, what waits and why, who did what."""
    from rich.console import Console

    from buildfarm.app import indexes

    with open_here(settings_of(options)) as site:
        document = indexes.show_json(site.farm, name)
    if as_json:
        print_json(document)
    else:
        indexes.show_text(document, Console())


@index.command(name="set", epilog=examples("buildfarm index set company/dev --base company/internal --no-volatile"))
@click.argument("name")
@BASES
@click.option("--no-bases", is_flag=True, help="Inherit from nothing.")
@click.option("--class", "kind", type=click.Choice(["internal", "mirror"]))
@click.option("--volatile/--no-volatile", default=None)
@click.option("--private/--no-private", default=None)
@ACCEPTS
@RESERVE
@click.option("--no-reserve", is_flag=True, help="Reserve no name.")
@JSON
@site_options
@click.pass_obj
def set_(
    options: dict[str, str],
    name: str,
    bases: tuple[str, ...],
    no_bases: bool,
    kind: str | None,
    volatile: bool | None,
    private: bool | None,
    accepts: str | None,
    reserved: tuple[str, ...],
    no_reserve: bool,
    as_json: bool,
) -> None:
    """Change an index. What is not named stays; bases and reserved names are replaced by those that are."""
    from buildfarm.farm import files, indexes
    from buildfarm.model.index import IndexClass

    given = {
        "bases": bases if bases or no_bases else None,
        "kind": IndexClass(kind) if kind else None,
        "volatile": volatile,
        "private": private,
        "accepts": None if accepts is None else _verdicts(accepts),
        "reserved": reserved if reserved or no_reserve else None,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    if not changes:
        raise click.UsageError("name what to change: --base, --class, --volatile, --private, --accepts, --reserve")
    with open_here(settings_of(options)) as site:
        changed = replace(files.index_of(site.farm, name), **changes)  # type: ignore[arg-type]  # of their fields
        indexes.change(site.farm, changed, who=getpass.getuser())
        _warn(site.farm, name)
    _told(changed, as_json, f"{name} is like that now, and on its pages and those of its heirs")


@index.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="With its files, and out of the bases of its heirs.")
@JSON
@site_options
@click.pass_obj
def delete(options: dict[str, str], name: str, force: bool, as_json: bool) -> None:
    """Delete an index. The bytes of its files stay until `buildfarm index gc`."""
    from buildfarm.farm import indexes

    with open_here(settings_of(options)) as site:
        gone = indexes.force_delete_index(site.farm, name, who=getpass.getuser()) if force else ()
        if not force:
            indexes.delete_index(site.farm, name, who=getpass.getuser())
    if as_json:
        print_json({"index": name, "deleted": [{"index": each.index, "filename": each.name} for each in gone]})
    else:
        click.echo(f"{name} is gone, with {len(gone)} files", err=True)


def _verdicts(text: str) -> tuple[Verdict, ...]:
    from buildfarm.model.wheel import Verdict

    words = [word.strip() for word in text.split(",") if word.strip()]
    if wrong := [word for word in words if word not in VERDICTS]:
        raise click.BadParameter(f"{', '.join(wrong)}: one of {', '.join(VERDICTS)}", param_hint="--accepts")
    return tuple(Verdict(VERDICTS[word]) for word in dict.fromkeys(words))


def _warn(farm: Coordinator, name: str) -> None:
    from buildfarm.app import indexes

    for each in indexes.opened(farm, name):
        click.echo(f"warning: {each}", err=True)


def _told(made: Index, as_json: bool, said: str) -> None:
    from buildfarm.app import indexes

    if as_json:
        print_json(indexes.settings_json(made))
    else:
        click.echo(said, err=True)
