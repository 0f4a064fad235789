"""A replica at work: the primary as the command line names it, followed once or for as long as the process lives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import quote, urlsplit

from buildfarm.adapters.http_client import open_client
from buildfarm.adapters.primary import HttpPrimary
from buildfarm.app.fetching import pip_config
from buildfarm.app.settings import Settings
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.replicate import replicate
from buildfarm.model.errors import FarmError, RecipeError
from buildfarm.model.standing import Standing


@contextmanager
def open_primary(url: str, token_env: str, settings: Settings, environ: Mapping[str, str]) -> Iterator[HttpPrimary]:
    """The server at ``url``, asked with the certificates of pip's configuration and the token in that variable.

    Raises ``RecipeError`` for what is no URL of a server, and for a variable that is not set.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise RecipeError(f"--from {url}: the URL of a `buildfarm serve` is wanted, such as https://packages.example")
    if parts.username or parts.password:
        raise RecipeError(
            "--from has credentials in it, which others see in the list of processes: use --token-env VAR"
        )
    if token_env and not environ.get(token_env):
        raise RecipeError(f"--token-env {token_env}: that variable is not set, or empty")
    config = pip_config(settings, environ)
    if token_env:
        known = parts._replace(netloc=f"__token__:{quote(environ[token_env], safe='')}@{parts.netloc}").geturl()
        config = replace(config, index_url=known)
    with open_client(config) as client:
        yield HttpPrimary(url.rstrip("/"), client)


def follow(
    farm: Coordinator,
    primary: HttpPrimary,
    seconds: float,
    report: Callable[[str], None],
    stop: threading.Event | None = None,
) -> None:
    """Replicate every so many seconds until ``stop`` is set (default: for ever). News, and what hinders, are reported
    once.
    """
    stop, said = stop or threading.Event(), ""
    while True:
        try:
            news = described(replicate(farm, primary))
        except FarmError as error:
            news = f"{error}; trying again every {seconds:g} s"
        if news != said:
            report(news)
        said = news
        if stop.wait(seconds):
            return


def described(standing: Standing) -> str:
    """Where a home stands, as a sentence."""
    if standing.primary:
        return f"a replica of {standing.primary}, up to serial {standing.serial} (epoch {standing.epoch})"
    return f"this home writes, its last serial is {standing.serial} (epoch {standing.epoch})"
