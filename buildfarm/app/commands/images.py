"""The commands about images: the systems that container sessions and services run in."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from buildfarm.app.options import JSON, examples, print_json, screen_here, settings_of, site_options

NAMES = click.argument("names", nargs=-1, metavar="[NAME]...")


@click.group()
def image() -> None:
    """Make, pin and list the images of containers."""


@image.command(epilog=examples("buildfarm image build debian11 debian11-test", "buildfarm image build mariadb"))
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--again", is_flag=True, help="Put together anew what is there.")
@click.option("--no-export", is_flag=True, help="Keep no copy in the store: no other engine will load it.")
@JSON
@site_options
@click.pass_obj
def build(options: dict[str, str], names: tuple[str, ...], again: bool, no_export: bool, as_json: bool) -> int:
    """Make images on this machine, once.

    From Debian's archive and an index of Python packages, as root. What an image is made of and tested in is made with
    it. Interrupted, the same command goes on from the last stage that was whole. A copy goes into the store, from which
    other engines of this home load it.
    """
    from buildfarm.app.imaging import make

    try:
        with screen_here(None) as screen:
            made = make(settings_of(options), os.environ, names, screen.report, export=not no_export, again=again)
    except KeyboardInterrupt:
        click.echo("interrupted: what was whole stays; the same command goes on from there", err=True)
        return 130
    if as_json:
        print_json({"images": made})
    else:
        for each in made:
            click.echo(f"{each['name']}: {each['tag']}, {each['megabytes']:.0f} MB")
    return 0


@image.command(name="list")
@JSON
@site_options
@click.pass_obj
def list_(options: dict[str, str], as_json: bool) -> None:
    """List the images: what each offers, and whether it is here."""
    from rich.console import Console

    from buildfarm.app.containers import ABSENT
    from buildfarm.app.imaging import overview
    from buildfarm.app.table import print_table

    with screen_here(None) as screen:
        found = overview(settings_of(options), os.environ, screen.report)
    if as_json:
        print_json({"images": found})
        return
    rows = [(each["name"], _here(each), _offer(each), "" if each["here"] else each["bring"]) for each in found]
    print_table(Console(), ("image", "here", "for", "to get it"), rows)
    if any(each["here"] is None for each in found):
        click.echo(ABSENT, err=True)


def _here(image: dict[str, Any]) -> str:
    if image["here"]:
        return f"{image['megabytes']:,.0f} MB"
    if image["here"] is None:
        return "?"
    return "in the store" if image["exported"] else "no"


def _offer(image: dict[str, Any]) -> str:
    if image["port"]:
        return f"a server on port {image['port']}"
    if image["platform"]:
        return f"{image['platform']}: {' '.join(image['interpreters'])}"
    return f"tests: {' '.join(image['interpreters'])}"


@image.command(epilog=examples("buildfarm image pin", "buildfarm image pin --check manylinux_2_28_x86_64"))
@NAMES
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 1 when a file would change.")
@JSON
@site_options
@click.pass_obj
def pin(options: dict[str, str], names: tuple[str, ...], only_check: bool, as_json: bool) -> int:
    """Write the digests of tags into image files.

    The engine asks the registry what the tag is now; no other byte of a file changes. Without a name, for every image
    that has a tag. All files are written, or none.
    """
    from buildfarm.app.containers import ABSENT, engine_of
    from buildfarm.app.image_files import read_image_files
    from buildfarm.app.image_pinning import pin as look_up
    from buildfarm.app.rewriting import write_all
    from buildfarm.model.errors import FarmError

    settings = settings_of(options)
    engine = engine_of(settings, os.environ)
    if engine is None:
        raise FarmError(ABSENT)
    pinned = look_up(engine, read_image_files(settings.images), names)
    if not only_check:
        write_all(each.rewrite for each in pinned)
    if as_json:
        print_json({"images": [{"name": e.name, "before": e.before, "after": e.after} for e in pinned]})
    else:
        for each in pinned:
            click.echo(each.sentence)
    return int(only_check and any(each.rewrite.changes for each in pinned))


@image.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@JSON
@site_options
@click.pass_obj
def rm(options: dict[str, str], names: tuple[str, ...], as_json: bool) -> None:
    """Remove images from the engine and the store.

    What a container uses stays, and so do the stages that an image was made of, which make the next one quick.
    """
    from buildfarm.app.imaging import remove

    with screen_here(None) as screen:
        _gone(remove(settings_of(options), os.environ, names, screen.report), as_json)


@image.command()
@JSON
@site_options
@click.pass_obj
def gc(options: dict[str, str], as_json: bool) -> None:
    """Remove what nobody needs any more.

    Images that this home made of definitions that are no longer in images/, their copies in the store, and stages and
    layers that were not used for a month.
    """
    from buildfarm.app.imaging import collect

    with screen_here(None) as screen:
        _gone(collect(settings_of(options), os.environ, screen.report), as_json)


def _gone(names: list[str], as_json: bool) -> None:
    if as_json:
        print_json({"removed": names})
    else:
        click.echo("\n".join(names) or "nothing to remove")


@image.command()
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write it there.")
def schema(output: Path | None) -> None:
    """Print the JSON Schema of image files, for editors."""
    from buildfarm.recipe.image_table import image_schema

    text = json.dumps(image_schema(), indent=2) + "\n"
    if output:
        output.write_text(text, encoding="utf-8", newline="\n")
    else:
        click.echo(text, nl=False)
