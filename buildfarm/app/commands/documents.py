"""The commands about documentation that is served beside the files of an index."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from buildfarm.app.options import INDEX, JSON, examples, open_here, print_json, settings_of, site_options

_RELEASE = click.argument("release", metavar="NAME==VERSION")


@click.group()
def docs() -> None:
    """Put up documentation, or take it down."""


@docs.command(
    epilog=examples(
        "buildfarm docs put ujson==6.1.0 html.zip --index company/base",
        "buildfarm docs list ujson --index company/base",
    )
)
@_RELEASE
@click.argument("zip_", metavar="ZIP", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@INDEX
@JSON
@site_options
@click.pass_obj
def put(options: dict[str, str], release: str, zip_: Path, index: str | None, as_json: bool) -> int:
    """Publish a zip of pages for a version.

    It takes the place of what was there, and has an index.html at its top or in its one folder.
    """
    from buildfarm.farm import documents

    settings = settings_of(options, index=index)
    name, version = _parts(release)
    with open_here(settings) as site, zip_.open("rb") as content:
        at = documents.put(site.farm, settings.index, name, version, content, who=getpass.getuser())
    if as_json:
        print_json({"index": settings.index, "project": name, "version": version, "path": at})
    else:
        click.echo(f"the documentation of {name} {version} is at {at} of the server")
    return 0


@docs.command()
@_RELEASE
@INDEX
@site_options
@click.pass_obj
def delete(options: dict[str, str], release: str, index: str | None) -> int:
    """Take the pages of a version off."""
    from buildfarm.farm import documents

    settings = settings_of(options, index=index)
    name, version = _parts(release)
    with open_here(settings) as site:
        documents.drop(site.farm, settings.index, name, version, getpass.getuser())
    click.echo(f"{settings.index} has no documentation of {name} {version} any more", err=True)
    return 0


@docs.command("list")
@click.argument("project", metavar="NAME")
@INDEX
@JSON
@site_options
@click.pass_obj
def list_(options: dict[str, str], project: str, index: str | None, as_json: bool) -> int:
    """List the versions that have documentation."""
    from buildfarm.farm.documents import documented

    settings = settings_of(options, index=index)
    with open_here(settings) as site:
        versions = documented(site.farm, settings.index, project)
    if as_json:
        print_json({"index": settings.index, "project": project, "versions": versions})
    else:
        for version in versions:
            click.echo(version)
    return 0


def _parts(release: str) -> tuple[str, str]:
    """Name and version of ``NAME==VERSION``."""
    name, equal, version = release.partition("==")
    if not (name.strip() and equal and version.strip()):
        raise click.BadParameter(f"{release!r} names no version: write it as NAME==VERSION", param_hint="RELEASE")
    return name.strip(), version.strip()
