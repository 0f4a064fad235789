"""The commands about tokens: who may read private indexes, and who may upload."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from buildfarm.app.options import JSON, examples, print_json, settings_of, site_options, some_span

if TYPE_CHECKING:
    from buildfarm.model.token import Token


@click.group()
def token() -> None:
    """Let people and programs read private indexes, and upload."""


@token.command(
    epilog=examples(
        "buildfarm token create --index company/dev --right read --note CI",
        "buildfarm token create --index main --right upload --expires 90d",
    )
)
@click.option("--index", required=True, metavar="NAME", help="The index; with '*' and --right read, every one.")
@click.option("--right", required=True, type=click.Choice(["read", "upload"]), help="Who may upload may read too.")
@click.option("--project", default="", metavar="NAME", help="Uploads of this project alone.")
@click.option("--expires", callback=some_span, metavar="SPAN", help="90d, 12h, 2w: after that it is refused.")
@click.option("--note", default="", metavar="TEXT", help="What it is for; named with what it uploads.")
@JSON
@site_options
@click.pass_obj
def create(
    options: dict[str, str],
    index: str,
    right: str,
    project: str,
    expires: float | None,
    note: str,
    as_json: bool,
) -> int:
    """Make a token, and print its secret, once.

    It is the password of the user __token__, for pip, uv, twine and all others. Only its digest is kept.
    """
    from packaging.utils import canonicalize_name

    from buildfarm.app import tokens
    from buildfarm.app.home import open_ledger
    from buildfarm.model.token import EVERY, Right, Token

    project = canonicalize_name(project)
    wanted = Token(index=index, right=Right(right), project=project, note=note, who=getpass.getuser(), expires=expires)
    settings = settings_of(options)
    with open_ledger(settings) as ledger:
        known = ledger.events.indexes()
        if index == EVERY and wanted.right is not Right.READ:
            raise click.UsageError("a token for every index is for reading: name the index to upload to")
        if index != EVERY and index not in known:
            there = ", ".join(sorted(known)) or "none"
            raise click.UsageError(
                f"there is no index {index!r}; those that there are: {there}. `buildfarm index create {index}` makes it"
            )
        made, secret = tokens.make_token(ledger.tokens, wanted)
        now = ledger.tokens.all()[1]
    if as_json:
        print_json({**tokens.to_plain(made, now), "secret": secret})
        return 0
    click.echo(secret)
    click.echo(_hint(made, tokens.shown(made.expires), settings.url), err=True)
    return 0


@token.command(name="list")
@JSON
@site_options
@click.pass_obj
def list_(options: dict[str, str], as_json: bool) -> int:
    """List all tokens, without their secrets.

    What each is for, and whether it is live, expired or revoked.
    """
    from rich.console import Console

    from buildfarm.app import tokens
    from buildfarm.app.home import open_ledger
    from buildfarm.app.table import print_table

    with open_ledger(settings_of(options)) as ledger:
        found, now = ledger.tokens.all()
    document = [tokens.to_plain(each, now) for each in found]
    if as_json:
        print_json({"tokens": document})
        return 0
    names = ("id", "state", "right", "index", "project", "expires", "who", "note")
    rows = [tuple(str(each[name] or "-") for name in names) for each in document]
    print_table(Console(), names, rows)
    return 0


@token.command()
@click.argument("ids", nargs=-1, required=True, type=int, metavar="ID...")
@site_options
@click.pass_obj
def revoke(options: dict[str, str], ids: tuple[int, ...]) -> int:
    """Let tokens count no more.

    A running server knows within a second. Exit code 1: one of them was revoked before, or is not there.
    """
    from buildfarm.app.home import open_ledger

    with open_ledger(settings_of(options)) as ledger:
        there = {each.id for each in ledger.tokens.all()[0]}
        done = {each: ledger.tokens.revoke(each) for each in dict.fromkeys(ids)}
    for each, revoked in done.items():
        said = "is revoked" if revoked else "was revoked before" if each in there else "is not there"
        click.echo(f"token {each} {said}", err=True)
    return 0 if all(done.values()) else 1


def _hint(made: Token, expires: str | None, url: str) -> str:
    """Where the secret goes, for the server at ``url``."""
    until = f", until {expires}" if expires else ""
    index = "NAME" if made.index == "*" else made.index
    lines = [f"token {made.id} to {made.right} {made.index}{until}; this is the only time that its secret is shown"]
    if made.right == "upload":
        lines += ["for twine, in ~/.pypirc:", f"  [{index.replace('/', '-')}]"]
        lines += [f"  repository = {url}/{index}/", "  username = __token__", "  password = SECRET"]
    lines += [
        f"for pip, in ~/.netrc (or its keyring), beside --index-url {url}/{index}/simple/:",
        f"  machine {urlsplit(url).hostname} login __token__ password SECRET",
    ]
    return "\n".join(lines)
