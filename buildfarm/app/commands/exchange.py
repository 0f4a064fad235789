"""The commands that bring files of other indexes here, and take releases there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildfarm.app.options import JSON, examples, open_here, print_json, settings_of, site_options

if TYPE_CHECKING:
    from buildfarm.adapters.peer import Login
    from buildfarm.farm.bring import Carried
    from buildfarm.model.origin import Offer
    from buildfarm.ports import Shelf


@click.command(
    "import",
    epilog=examples(
        "buildfarm import https://old.example/simple --index company/base --dry-run",
        "buildfarm import /srv/wheels --index company/base",
        "buildfarm import /backup/devpi-export/company/dev --index company/dev",
    ),
)
@click.argument("source", metavar="URL|FOLDER")
@click.option("--index", required=True, metavar="NAME", help="The index that they come onto.")
@click.option("--project", "projects", multiple=True, metavar="NAME", help="Only this project. Repeatable.")
@click.option("--dry-run", is_flag=True, help="Bring nothing; say what would come.")
@JSON
@site_options
@click.pass_obj
def import_(
    options: dict[str, str], source: str, index: str, projects: tuple[str, ...], dry_run: bool, as_json: bool
) -> int:
    """Bring in the files of another index, or of a folder.

    A simple index by its URL, a web server's listing of files, a folder (and those below it), or an export of devpi. It
    may be repeated: what is there already stays. On an internal index they are held to the rules of uploads, and not
    tested. Exit code 1: a file did not come.
    """
    from tempfile import TemporaryDirectory

    from packaging.utils import canonicalize_name

    from buildfarm.adapters.upstream import open_upstream
    from buildfarm.app.exchange import asking, open_shelf
    from buildfarm.app.fetching import pip_config
    from buildfarm.app.wiring import open_site
    from buildfarm.farm.bring import bring, foresee
    from buildfarm.farm.files import index_of
    from buildfarm.model.url import redacted

    settings, environ = settings_of(options), asking(source, os.environ)
    config = pip_config(settings, environ)
    with open_site(settings, environ) as site, open_upstream(config) as upstream, TemporaryDirectory() as pages:
        onto = index_of(site.farm, index)
        offers = _offers(open_shelf(source, upstream, Path(pages)), projects)
        carried = tuple(foresee(site.farm, onto, offers) if dry_run else bring(site.farm, onto, offers, getuser()))
    code = _tell(carried, as_json)
    came = {each.name.project for each in carried}
    lacking = [each for each in map(canonicalize_name, projects) if each not in came]
    if lacking or not carried:
        what = ", ".join(lacking) or "any distribution"
        click.echo(f"{redacted(source)} has nothing of {what}; a simple index has a URL that ends in /simple", err=True)
        return 1
    return code


def _offers(shelf: Shelf, projects: tuple[str, ...]) -> Iterator[Offer]:
    """The distributions of the projects that are named, else of all."""
    from packaging.utils import canonicalize_name

    from buildfarm.model.distribution import named

    for project in dict.fromkeys(map(canonicalize_name, projects)) or shelf.projects():
        for offer in shelf.offers(project):
            name = named(offer.filename)
            if name and name.project == project:
                yield offer


@click.command(
    epilog=examples(
        "buildfarm publish idna==3.10 --to devpi:https://devpi.example/company/qa",
        "buildfarm publish idna==3.10 --to pypirc:partner",
        "buildfarm publish idna==3.10 --to /mnt/usb/wheels --pages",
    )
)
@click.argument("releases", nargs=-1, required=True, metavar="NAME==VERSION...")
@click.option("--index", metavar="NAME", help="The index that shows them (default: main).")
@click.option("--to", "target", required=True, metavar="TARGET", help="devpi:URL, URL, pypirc:SECTION, or a folder.")
@click.option("--pages", is_flag=True, help="In a folder: write a simple index below simple/ too.")
@click.option("--promote-to", metavar="USER/INDEX", help="On devpi: push them on to that index.")
@click.option("--username", metavar="NAME", help="Who uploads (default: as .pypirc or .netrc say).")
@click.option("--password-env", metavar="VARIABLE", help="The environment variable that has the password or token.")
@click.option("--pypirc", metavar="FILE", type=click.Path(path_type=Path), help="Default: .pypirc of the home folder.")
@click.option("--check-url", metavar="URL", help="The simple index of an upload URL (default: simple/ below it).")
@JSON
@site_options
@click.pass_obj
def publish(
    options: dict[str, str],
    releases: tuple[str, ...],
    index: str | None,
    target: str,
    pages: bool,
    promote_to: str | None,
    username: str | None,
    password_env: str | None,
    pypirc: Path | None,
    check_url: str | None,
    as_json: bool,
) -> int:
    """Take releases to another index, or into a folder.

    It may be repeated: what is there already with the same bytes is left, with other bytes it is a conflict. Exit code
    1: a file is not there.
    """
    from buildfarm.adapters.devpi import DevpiStage
    from buildfarm.app.admitting import names_of
    from buildfarm.app.exchange import DEVPI, Address, open_outlet
    from buildfarm.app.fetching import pip_config
    from buildfarm.farm.deliver import chosen, deliver

    if promote_to and not target.startswith(DEVPI):
        raise click.UsageError("--promote-to is what devpi does: --to devpi:URL")
    settings = settings_of(options, index=index)
    wanted = names_of(releases)
    address = Address(
        target=target,
        pypirc=pypirc or Path.home() / ".pypirc",
        home=Path.home(),
        login=_login(username, password_env),
        check=check_url or "",
        pages=pages,
    )
    with open_here(settings) as site, open_outlet(address, pip_config(settings, os.environ)) as outlet:
        carried = tuple(deliver(site.farm, chosen(site.farm, settings.index, wanted), outlet))
        if promote_to and isinstance(outlet, DevpiStage) and all(each.good for each in carried):
            for name in wanted:
                outlet.push(name, promote_to)
    return _tell(carried, as_json)


def _login(username: str | None, variable: str | None) -> Login | None:
    """Who the call says that uploads; no password ever stands on the command line."""
    from buildfarm.adapters.peer import Login

    if not username and not variable:
        return None
    if not variable or variable not in os.environ:
        raise click.UsageError("--password-env names the environment variable that has the password or token")
    return Login(user=username or "__token__", password=os.environ[variable])


def _tell(carried: tuple[Carried, ...], as_json: bool) -> int:
    from rich.console import Console

    from buildfarm.app.exchange import print_carried, to_plain

    if as_json:
        print_json({"files": to_plain(carried)})
    else:
        print_carried(carried, Console())
    return int(not all(each.good for each in carried))
