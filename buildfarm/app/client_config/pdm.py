"""The sources of a pyproject.toml that pdm reads."""

from __future__ import annotations

import json
from collections.abc import Iterator

from buildfarm.app.client_config.wish import UNCHECKED, ConfigFile, Source, Wish, comments

_NAME = ("It is called pypi, and so takes the place of the public index, which pdm would else ask too.",)
_EXTRA = (
    "Asked for nothing until include_packages says for what: to pdm sources are equal, and the highest version wins,",
    "wherever it is (dependency confusion).",
)


def files(wish: Wish) -> tuple[ConfigFile, ...]:
    """What goes into a pyproject.toml."""
    places = {"one project": {"all": "pyproject.toml, in place of every [[tool.pdm.source]] that is there"}}
    return (ConfigFile(name="pyproject.toml", text="".join(_text(wish)), places=places),)


def _text(wish: Wish) -> Iterator[str]:
    if wish.token_env:
        yield comments((f"The token is read from the variable {wish.token_env}, here and on each host.",))
    if wish.unchecked:
        yield comments(UNCHECKED)
    yield comments(_NAME) + _source(wish, wish.index, "pypi", wish.token_env)
    for each in wish.extra:
        filtered = 'include_packages = []\nexclude_packages = ["*"]\n'
        yield "\n" + comments(_EXTRA) + _source(wish, each, each.name, "") + filtered


def _source(wish: Wish, source: Source, name: str, token_env: str) -> str:
    url = source.with_token(token_env) if token_env else source.simple
    certificate = f"ca_certs = {json.dumps(wish.cert)}\n" if wish.cert else ""
    return (
        f"[[tool.pdm.source]]\nname = {json.dumps(name)}\nurl = {json.dumps(url)}\n"
        f"verify_ssl = {json.dumps(source not in wish.unchecked)}\n{certificate}"
    )
