"""The whole look at a server, and what it comes to."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import quote, urlsplit

from rich.console import Console
from rich.text import Text

from buildfarm.adapters.http_client import open_client
from buildfarm.adapters.pip_config import PipConfig
from buildfarm.app.outside import files, pages, serial
from buildfarm.app.outside.server import Observation, Server
from buildfarm.model.errors import RecipeError

_NAME = 10  # columns


def root_of(url: str) -> str:
    """The page that lists the projects of the index that a person means. Raises ``RecipeError`` for what is no URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise RecipeError(f"{url} is no URL of an index, such as https://packages.example/main")
    return f"{url.rstrip('/')}{'' if url.rstrip('/').endswith('simple') else '/simple'}/"


def examine(root: str, project: str, token: str, config: PipConfig) -> tuple[Observation, ...]:
    """Everything that is looked at of an index, with the certificates of pip's configuration.

    ``root`` is the URL of the page that lists its projects. Raises ``FarmError`` where nobody answers.
    """
    if token:
        parts = urlsplit(root)
        netloc = f"__token__:{quote(token, safe='')}@{parts.netloc}"
        config = replace(config, index_url=parts._replace(netloc=netloc).geturl())
    with open_client(config) as client:
        return tuple(_looks(Server(client=client, root=f"{root.rstrip('/')}/", wanted=project)))


def _looks(server: Server) -> Iterator[Observation]:
    if not server.project:
        yield Observation(
            name="projects",
            ok=False,
            seen="none is listed",
            follows="there is nothing to look at",
            remedy="publish something, or name a project: --project NAME",
        )
        return
    yield from pages.look(server)
    if server.files:
        yield from files.look(server)
    yield from serial.look(server)


def to_plain(url: str, observed: tuple[Observation, ...]) -> dict[str, Any]:
    """The same as JSON types."""
    return {"url": url, "ok": all(each.ok for each in observed), "checks": [asdict(each) for each in observed]}


def show(observed: tuple[Observation, ...], console: Console) -> None:
    """The same for a person: a line for each, and below what is lacking what follows and what to do."""
    for each in observed:
        mark, style = ("ok", "green") if each.ok else ("lacks", "yellow")
        _print(console, Text.assemble((f"{mark:6}", style), f"{each.name:{_NAME}} {each.seen}"))
        for word, said in ({} if each.ok else {"so": each.follows, "do": each.remedy}).items():
            _wrapped(console, word, said)
    lacking = sum(not each.ok for each in observed)
    _print(console, Text(f"\n{lacking} of {len(observed)} are lacking." if lacking else "\nNothing is lacking."))


def _wrapped(console: Console, word: str, said: str) -> None:
    width = max(min(console.width, 100) - _NAME - 11, 30)
    first, *rest = textwrap.wrap(said, width, break_long_words=False, break_on_hyphens=False)
    _print(console, Text.assemble(" " * (_NAME + 7), (f"{word}: ", "dim"), first))
    for line in rest:
        _print(console, Text(" " * (_NAME + 11) + line))


def _print(console: Console, line: Text) -> None:
    console.print(line, soft_wrap=True, highlight=False)
