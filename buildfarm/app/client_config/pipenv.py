"""The sources of a Pipfile."""

from __future__ import annotations

import json
from collections.abc import Iterator

from buildfarm.app.client_config.wish import UNCHECKED, ConfigFile, Source, Wish, comments

_EXTRA = (
    'Asked only for packages that say so, {version = "*", index = "SOURCE"}; what those need comes from the first.',
    "Safer is one source, an index that inherits from others: `buildfarm index create NAME --base OTHER`.",
)


def files(wish: Wish) -> tuple[ConfigFile, ...]:
    """What goes into a Pipfile."""
    places = {"one project": {"all": "Pipfile, in place of every [[source]] that is there"}}
    return (ConfigFile(name="Pipfile", text="".join(_text(wish)), places=places),)


def _text(wish: Wish) -> Iterator[str]:
    yield comments(("In place of every [[source]] of the Pipfile. `pipenv lock` writes it into Pipfile.lock.",))
    if wish.token_env:
        yield comments((f"The token is read from the variable {wish.token_env}, here and on each host.",))
    if wish.cert:
        yield comments(("pipenv takes the CA bundle from the environment:", f"  export PIP_CERT={wish.cert}"))
    if wish.unchecked:
        yield comments(UNCHECKED)
    yield _source(wish, wish.index, wish.token_env)
    for each in wish.extra:
        yield "\n" + comments(_EXTRA) + _source(wish, each, "")


def _source(wish: Wish, source: Source, token_env: str) -> str:
    url = source.with_token(token_env) if token_env else source.simple
    verify = json.dumps(source not in wish.unchecked)
    return f"[[source]]\nname = {json.dumps(source.name)}\nurl = {json.dumps(url)}\nverify_ssl = {verify}\n"
