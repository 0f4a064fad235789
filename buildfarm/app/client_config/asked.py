"""From what a person says to a wish, or to what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from buildfarm.app.client_config.wish import Source, Wish, source_at, source_elsewhere
from buildfarm.model.errors import RecipeError
from buildfarm.model.index import is_name
from buildfarm.model.url import server_refused


def asked(
    url: str, index: str, extra: Iterable[str], *, token_env: str = "", cert: str = "", trusted_host: bool = False
) -> Wish:
    """The wish for an index of the server at ``url``; ``extra`` are names of other ones there, or URLs of pages.

    Raises ``RecipeError`` with everything that is wrong.
    """
    wrong = list(filter(None, map(server_refused, (url, *(each for each in extra if "://" in each)))))
    wrong += [f"{each!r} is no index name, and no URL" for each in extra if "://" not in each and not is_name(each)]
    if cert and trusted_host:
        wrong.append("--cert and --trusted-host: with a CA bundle certificates are checked; leave --trusted-host out")
    if token_env and not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", token_env):
        wrong.append("--token-env wants the name of an environment variable, not a token: it would be printed")
    if wrong:
        raise RecipeError("\n".join(wrong))
    return Wish(
        index=source_at(url, index),
        extra=tuple(_source(url, each) for each in extra),
        token_env=token_env,
        cert=cert,
        trusted_host=trusted_host,
    )


def _source(url: str, extra: str) -> Source:
    return source_elsewhere(extra) if "://" in extra else source_at(url, extra)
