"""The commands about what is on an index: promoted, yanked, marked, deleted."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Protocol

import click

from buildfarm.app.options import INDEX, JSON, examples, open_here, print_json, settings_of, site_options

if TYPE_CHECKING:
    from buildfarm.farm.coordinator import Coordinator
    from buildfarm.model.events import FileDeleted, FileYanked, ProjectMarked, Status

    class _Change(Protocol):
        def __call__(
            self, farm: Coordinator, *, index: str, who: str
        ) -> tuple[FileYanked | FileDeleted | ProjectMarked, ...]: ...


FILES = click.argument("files", nargs=-1, required=True, metavar="NAME==VERSION|FILE...")
PROJECTS = click.argument("projects", nargs=-1, required=True, metavar="NAME...")
REASON = click.option("--reason", default="", metavar="TEXT", help="What people are told.")


@click.command(
    epilog=examples(
        "buildfarm promote numerics==1.0 --from company/dev --to company/qa",
        "buildfarm promote numerics-1.0-py3-none-any.whl --from qa --to release",
    )
)
@FILES
@click.option("--from", "source", required=True, metavar="INDEX", help="The index that has them itself.")
@click.option("--to", "target", required=True, metavar="INDEX", help="The index that is to have them too.")
@JSON
@site_options
@click.pass_obj
def promote(options: dict[str, str], files: tuple[str, ...], source: str, target: str, as_json: bool) -> None:
    """Publish files of one index on another.

    The same bytes, with the results of their tests; all or none. Refused are yanked and quarantined ones, results that
    the other index does not accept, and other bytes under a name that it has.
    """
    from buildfarm.farm.promote import promote as run

    with open_here(settings_of(options)) as site:
        done = run(site.farm, files, source=source, target=target, who=getpass.getuser())
    if as_json:
        promoted = [{"filename": each.file.name, "index": each.target, "new": each.new} for each in done]
        print_json({"promoted": promoted})
        return
    for each in done:
        click.echo(f"{each.file.name} {'is on' if each.new else 'was on'} {each.target}{'' if each.new else ' before'}")


@click.command(epilog=examples("buildfarm yank numerics==1.0 --index company/dev --reason 'it eats data'"))
@FILES
@INDEX
@REASON
@JSON
@site_options
@click.pass_obj
def yank(options: dict[str, str], files: tuple[str, ...], index: str | None, reason: str, as_json: bool) -> None:
    """Keep installers from files that nobody pinned (PEP 592)."""
    from buildfarm.farm.withdraw import yank as run

    _done(options, index, "yanked", as_json, partial(run, operands=files, reason=reason))


@click.command(epilog=examples("buildfarm unyank numerics==1.0 --index company/dev"))
@FILES
@INDEX
@JSON
@site_options
@click.pass_obj
def unyank(options: dict[str, str], files: tuple[str, ...], index: str | None, as_json: bool) -> None:
    """Take yanks back."""
    from buildfarm.farm.withdraw import unyank as run

    _done(options, index, "no longer yanked", as_json, partial(run, operands=files))


@click.command(epilog=examples("buildfarm delete numerics==1.0 --index sandbox"))
@FILES
@INDEX
@REASON
@JSON
@site_options
@click.pass_obj
def delete(options: dict[str, str], files: tuple[str, ...], index: str | None, reason: str, as_json: bool) -> None:
    """Delete files of volatile indexes, and files that wait.

    Their bytes stay until `buildfarm index gc`.
    """
    from buildfarm.farm.withdraw import delete as run

    _done(options, index, "deleted", as_json, partial(run, operands=files, reason=reason))


@click.command(epilog=examples("buildfarm quarantine numerics --index company/base --reason malware"))
@PROJECTS
@INDEX
@REASON
@JSON
@site_options
@click.pass_obj
def quarantine(
    options: dict[str, str], projects: tuple[str, ...], index: str | None, reason: str, as_json: bool
) -> None:
    """Offer no file of a project for now (PEP 792)."""
    from buildfarm.model.events import Status

    _mark(options, projects, index, Status.QUARANTINED, reason, as_json)


@click.command(epilog=examples("buildfarm unquarantine numerics --index company/base"))
@PROJECTS
@INDEX
@JSON
@site_options
@click.pass_obj
def unquarantine(options: dict[str, str], projects: tuple[str, ...], index: str | None, as_json: bool) -> None:
    """Offer the files of a project again."""
    from buildfarm.model.events import Status

    _mark(options, projects, index, Status.ACTIVE, "", as_json)


@click.command(epilog=examples("buildfarm mark numerics --status deprecated --reason 'use numerics2'"))
@PROJECTS
@click.option("--status", required=True, type=click.Choice(["active", "archived", "deprecated"]))
@INDEX
@REASON
@JSON
@site_options
@click.pass_obj
def mark(
    options: dict[str, str], projects: tuple[str, ...], status: str, index: str | None, reason: str, as_json: bool
) -> None:
    """Say that a project is archived, deprecated or active.

    Installers show it (PEP 792), and install it as before.
    """
    from buildfarm.model.events import Status

    _mark(options, projects, index, Status(status), reason, as_json)


def _mark(
    options: dict[str, str], projects: Iterable[str], index: str | None, status: Status, reason: str, as_json: bool
) -> None:
    from buildfarm.farm.withdraw import mark as run

    change = partial(run, projects=projects, status=status, reason=reason)
    _done(options, index, str(status), as_json, change)


def _done(options: dict[str, str], index: str | None, what: str, as_json: bool, change: _Change) -> None:
    """Change what is on the index, as whoever runs this, and tell what is ``what`` now."""
    from buildfarm.model.events import subject

    settings = settings_of(options)
    index = index or settings.index
    with open_here(settings) as site:
        names = [subject(each) or each.project for each in change(site.farm, index=index, who=getpass.getuser())]
    if as_json:
        print_json({"index": index, "what": what, "changed": names})
        return
    for name in names:
        click.echo(f"{name} is {what} on {index}")
    if not names:
        click.echo(f"nothing changed on {index}: it was {what} before", err=True)
