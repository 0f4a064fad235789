"""The commands about names: what comes in from outside, and what is ours no longer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildfarm.app.options import JSON, TARGETS, examples, open_here, print_json, settings_of, site_options

if TYPE_CHECKING:
    from buildfarm.app.admitting import Admitted, Gate
    from buildfarm.farm.admit import Needed, Upstream
    from buildfarm.model.admission import Admissions


@click.command(
    epilog=examples(
        "buildfarm admit idna==3.10 --index company/mirror",
        "buildfarm admit six==1.17.0 --index company/mirror --write admissions.yaml",
        "buildfarm admit -f admissions.yaml",
    )
)
@click.argument("releases", nargs=-1, metavar="[NAME==VERSION]...")
@click.option(
    "-f", "--file", metavar="FILE", type=click.Path(path_type=Path), help="Let in what a reviewed file lists."
)
@click.option("--write", metavar="FILE", type=click.Path(path_type=Path), help="Let in nothing; write FILE for review.")
@click.option("--index", metavar="MIRROR", help="The index of class mirror (default: what the file names).")
@click.option("--from", "source", metavar="URL|FOLDER", help="Where from (default: the indexes that pip would ask).")
@click.option("--only", "globs", multiple=True, metavar="GLOB", help="Only files so named: '*manylinux*'. Repeatable.")
@click.option("--with-dependencies", is_flag=True, help="Let in what they depend on too.")
@TARGETS
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@JSON
@site_options
@click.pass_obj
def admit(
    options: dict[str, str],
    releases: tuple[str, ...],
    file: Path | None,
    write: Path | None,
    index: str | None,
    source: str | None,
    globs: tuple[str, ...],
    with_dependencies: bool,
    targets: tuple[str, ...],
    yes: bool,
    as_json: bool,
) -> int:
    """Let releases of others into a mirror, by their hashes.

    Nothing else ever comes in: what they depend on is listed for approval, for the Pythons of this machine or those of
    --targets, and let in only with --with-dependencies. Names that are reserved, or that an index of ours has, are
    refused. Exit code 1: something did not come, or waits for approval.
    """
    from buildfarm.app import admitting
    from buildfarm.farm.admit import Needed
    from buildfarm.model.admission import Admissions

    if bool(releases) == bool(file) or (file and write):
        raise click.UsageError("name releases (NAME==VERSION), or a file of them with -f; --write goes with names")
    listed = file or (write if write and write.exists() else None)
    before = admitting.read_file(listed) if listed else Admissions()
    named = admitting.names_of(releases)
    mirror = index or before.index
    if not mirror:
        raise click.UsageError("name the mirror with --index")
    with _gate(options, mirror, source, globs, targets) as gate:
        if write:
            return _write(write, admitting.propose(gate, named, before), as_json)
        if file:
            wanted, waiting = before.admit, before.proposed
            if with_dependencies:
                wanted, waiting = {**waiting, **wanted}, {}
            return _tell(admitting.from_file(gate, wanted, waiting), "move them to admit in the file", as_json)
        plan = admitting.planned(gate, named)
        needs = admitting.needs_of(gate, named)
        if with_dependencies:
            plan = (*plan, *admitting.planned(gate, needs.releases))
            needs = Needed(unknown=needs.unknown)
        _ask(plan, yes)
        admitted = admitting.let_in(gate, plan, needs)
    return _tell(admitted, f"buildfarm admit {{}} --index {mirror}", as_json)


@click.command(epilog=examples("buildfarm disown numerics --index company/base"))
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--index", metavar="INDEX", help="The index whose own they are (default: main).")
@JSON
@site_options
@click.pass_obj
def disown(options: dict[str, str], names: tuple[str, ...], index: str | None, as_json: bool) -> None:
    """Give up names of projects: others may have them.

    A name is an index's own from its first upload on, also when all its files are gone: what a mirror has of it is not
    shown. That ends with this. Refused as long as there are files of it, or some wait.
    """
    from buildfarm.farm.names import give_up

    settings = settings_of(options)
    index = index or settings.index
    with open_here(settings) as site:
        events = give_up(site.farm, names, index=index, who=getuser())
    if as_json:
        print_json({"index": index, "disowned": [each.project for each in events]})
        return
    for each in events:
        click.echo(f"{each.project} is no longer {index}'s own name: what a mirror has of it is shown there again")


@contextmanager
def _gate(
    options: dict[str, str], mirror: str, source: str | None, globs: tuple[str, ...], targets: tuple[str, ...]
) -> Iterator[Gate]:
    """The farm of this machine, open for an admission from the source."""
    from tempfile import TemporaryDirectory

    from buildfarm.adapters.upstream import open_upstream
    from buildfarm.app.admitting import Gate, environments_for
    from buildfarm.app.exchange import asking, configured, open_shelf
    from buildfarm.app.fetching import pip_config
    from buildfarm.app.wiring import open_site
    from buildfarm.farm.admit import mirror_of

    settings = settings_of(options)
    environ = asking(source, os.environ) if source else dict(os.environ)
    config = pip_config(settings, environ)
    with open_site(settings, environ) as site, open_upstream(config) as upstream, TemporaryDirectory() as pages:
        index = mirror_of(site.farm, mirror)
        here = Path(pages)
        shelf = open_shelf(source, upstream, here) if source else configured(config, upstream, here)
        environments = environments_for(site.farm.environments(), targets)
        yield Gate(farm=site.farm, shelf=shelf, index=index, environments=environments, globs=globs, who=getuser())


def _ask(plan: tuple[Upstream, ...], yes: bool) -> None:
    """Show what would come in, and let a person decide; where nobody is, the call must have said so."""
    from rich.console import Console

    from buildfarm.app.admitting import print_plan

    if yes:
        return
    print_plan(plan, Console(stderr=True))
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is here to ask: say --yes, or review a file (--write FILE, then -f FILE)")
    if not click.confirm("let them in?", err=True):
        raise click.exceptions.Exit(1)


def _write(file: Path, proposed: tuple[Admissions, Needed], as_json: bool) -> int:
    from buildfarm.app.admitting import write_file

    admissions, needs = proposed
    write_file(file, admissions)
    for each in needs.unknown:
        click.echo(f"what it needs is not known: {each}", err=True)
    if as_json:
        print_json(
            {
                "file": str(file),
                "index": admissions.index,
                "admit": list(map(str, admissions.admit)),
                "proposed": list(map(str, admissions.proposed)),
                "unknown": list(needs.unknown),
            }
        )
    else:
        counts = f"{len(admissions.admit)} to admit, {len(admissions.proposed)} proposed"
        click.echo(f"{file}: {counts}; review it, then: buildfarm admit -f {file}")
    return int(bool(needs.unknown))


def _tell(admitted: Admitted, command: str, as_json: bool) -> int:
    from rich.console import Console

    from buildfarm.app.admitting import admitted_json, show

    if as_json:
        print_json(admitted_json(admitted))
    else:
        show(admitted, command, Console())
    return admitted.exit_code
