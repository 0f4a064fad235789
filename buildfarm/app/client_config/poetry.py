"""The sources of a pyproject.toml that poetry reads."""

from __future__ import annotations

import json
from collections.abc import Iterator

from buildfarm.app.client_config.wish import UNCHECKED, USER, ConfigFile, Source, Wish, comments

_PRIMARY = ("primary: poetry then never asks the public index.",)
_EXTRA = (
    "explicit: asked only for what names it, `poetry add --source NAME PROJECT`. Never `supplemental` for an index",
    "that others can put files onto: a name that yours lacks comes from there (dependency confusion).",
)


def files(wish: Wish) -> tuple[ConfigFile, ...]:
    """What goes into a pyproject.toml."""
    return (
        ConfigFile(
            name="pyproject.toml",
            text="".join(_text(wish)),
            places={"one project": {"all": "pyproject.toml, in place of every [[tool.poetry.source]] that is there"}},
        ),
    )


def _text(wish: Wish) -> Iterator[str]:
    name = wish.index.name
    if wish.token_env:
        variable = f"POETRY_HTTP_BASIC_{wish.index.variable}"
        yield comments(
            (
                "The token for reading is not written here. Either of:",
                f"  poetry config http-basic.{name} {USER}                (asks for it, and keeps it in the keyring)",
                f'  export {variable}_USERNAME={USER} {variable}_PASSWORD="${wish.token_env}"',
            )
        )
    if wish.cert:
        yield comments(
            ("poetry keeps the CA bundle of each host:", f"  poetry config certificates.{name}.cert {wish.cert}")
        )
    if wish.trusted_host:
        yield comments((*UNCHECKED, f"  poetry config certificates.{name}.cert false"))
    elif wish.unchecked:
        yield comments(UNCHECKED)
    yield comments(_PRIMARY) + _source(wish.index, "primary")
    for each in wish.extra:
        yield "\n" + comments(_EXTRA) + _source(each, "explicit")


def _source(source: Source, priority: str) -> str:
    written = {"name": source.name, "url": source.simple, "priority": priority}
    return "[[tool.poetry.source]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in written.items())
