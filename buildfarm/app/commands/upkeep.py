"""The commands about indexes that keep indexes whole: what waits is tested, what differs mended."""

from __future__ import annotations

import click

from buildfarm.app.options import (
    JOBS,
    JSON,
    examples,
    open_here,
    print_json,
    screen_here,
    settings_of,
    site_options,
    span,
)

NAMES = click.argument("names", nargs=-1, metavar="[NAME]...")


@click.command()
@NAMES
@JSON
@site_options
@click.pass_obj
def verify(options: dict[str, str], names: tuple[str, ...], as_json: bool) -> int:
    """Hold files and pages against the ledger, byte for byte.

    Every hash is computed and every page made anew. Exit code 1: something is missing, differs, or should not be there;
    `buildfarm index rebuild` mends it. Names of ours that an index shows from a mirror are told, and are no fault.
    """
    from rich.console import Console

    from buildfarm.app import indexes
    from buildfarm.farm.checkup import check

    with open_here(settings_of(options)) as site:
        faults = check(site.farm, indexes.known(site.farm, names))
        foreign = indexes.foreign_json(site.farm, names or site.farm.events.indexes())
    if as_json:
        print_json({"faults": indexes.faults_json(faults), "foreign": foreign})
    else:
        indexes.faults_text(faults, Console())
        indexes.foreign_text(foreign, Console(stderr=True))
        click.echo(f"{len(faults)} faults; `buildfarm index rebuild` mends them" if faults else "all is well", err=True)
    return 1 if faults else 0


@click.command()
@NAMES
@JSON
@site_options
@click.pass_obj
def rebuild(options: dict[str, str], names: tuple[str, ...], as_json: bool) -> int:
    """Make files and pages what the ledger says.

    What it does not know is removed. Exit code 1: the bytes of a file are nowhere any more.
    """
    from rich.console import Console

    from buildfarm.app import indexes
    from buildfarm.farm import checkup

    with open_here(settings_of(options)) as site:
        mended, lost = checkup.rebuild(site.farm, indexes.known(site.farm, names))
    if as_json:
        print_json({"mended": indexes.faults_json(mended), "lost": indexes.faults_json(lost)})
    else:
        indexes.faults_text(lost, Console())
        said = f"; the store has not the bytes of {len(lost)}: upload or build them again" if lost else ""
        click.echo(f"{len(mended)} faults were mended{said}", err=True)
    return 1 if lost else 0


@click.command()
@click.option("--older-than", default="30d", show_default=True, callback=span, metavar="SPAN", help="Deleted before.")
@JSON
@site_options
@click.pass_obj
def gc(options: dict[str, str], older_than: float, as_json: bool) -> None:
    """Remove the bytes of files that were deleted a while ago.

    Or replaced. What was built here stays in the store.
    """
    from buildfarm.farm.collect import collect

    with open_here(settings_of(options)) as site:
        gone = collect(site.farm, older_than=older_than)
    if as_json:
        files = [{"index": each.index, "filename": each.filename, "sha256": each.sha256} for each in gone]
        print_json({"removed": files})
    else:
        for each in gone:
            click.echo(f"{each.index}: {each.filename}")
        click.echo(f"{len(gone)} files were removed", err=True)


@click.command()
@JOBS
@JSON
@site_options
@click.pass_obj
def settle(options: dict[str, str], jobs: int | None, as_json: bool) -> int:
    """Test the uploads that wait, and let through those that pass.

    A server does it by itself. Exit code 1: one was not let through.
    """
    return _settle(options, jobs, as_json)


@click.command(epilog=examples("buildfarm index retry company/dev numerics-1.0-py3-none-any.whl"))
@click.argument("name")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@JOBS
@JSON
@site_options
@click.pass_obj
def retry(options: dict[str, str], name: str, files: tuple[str, ...], jobs: int | None, as_json: bool) -> int:
    """Test again what waits for an index.

    All of it, or the files that are named.
    """
    from buildfarm.farm.files import index_of
    from buildfarm.farm.gate import ask_again, waiting
    from buildfarm.model.errors import Refused
    from buildfarm.model.index import awaited

    with open_here(settings_of(options)) as site:
        index_of(site.farm, name)
        there = {each.artifact.name: each for each in waiting(site.farm, awaited(name) or name)}
        if absent := [each for each in files if each not in there]:
            raise Refused("\n".join(f"{each} does not wait for {name}" for each in absent), 404)
        ask_again(site.farm, [there[each] for each in files or there])
    return _settle(options, jobs, as_json)


def _settle(options: dict[str, str], jobs: int | None, as_json: bool) -> int:
    from buildfarm.app.local import quit_on_signals
    from buildfarm.app.uploads import settle_uploads

    settings = settings_of(options, jobs=jobs)
    with (
        open_here(settings, screen_here("quiet" if as_json else None)) as site,
        quit_on_signals(site.screen.report) as quit_,
        site.screen,
    ):
        settled = settle_uploads(site, settings.jobs, quit_)
    if as_json:
        print_json(
            {
                "uploads": [
                    {
                        "index": each.index,
                        "filename": each.judgement.wheel.name,
                        "published": each.judgement.good,
                        "reason": each.judgement.withheld or None,
                    }
                    for each in settled
                ]
            }
        )
    else:
        for each in settled:
            said = "is there" if each.judgement.good else f"waits: {each.judgement.withheld}"
            click.echo(f"{each.index}: {each.judgement.wheel.name} {said}")
        click.echo(f"{len(settled)} uploads were tested", err=True)
    return 0 if all(each.judgement.good for each in settled) else 1
