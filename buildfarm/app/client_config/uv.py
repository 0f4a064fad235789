"""uv.toml, and the same in a pyproject.toml."""

from __future__ import annotations

import json
from collections.abc import Iterator

from buildfarm.app.client_config.wish import UNCHECKED, USER, ConfigFile, Source, Wish, comments, placed

PLACES = {
    "this user": {
        "Linux": "~/.config/uv/uv.toml",
        "macOS": "~/.config/uv/uv.toml",
        "Windows": r"%APPDATA%\uv\uv.toml",
    },
    "one project": {"all": "uv.toml beside pyproject.toml, whose [tool.uv] is then not read"},
    "everybody": {"Linux": "/etc/uv/uv.toml", "macOS": "/etc/uv/uv.toml", "Windows": r"%PROGRAMDATA%\uv\uv.toml"},
}

_DEFAULT = (
    "default: uv then never asks the public index. Pages are asked for anew each time, with an ETag, so that a new",
    "version is seen at once whatever a server between says; files never change.",
)
_EXTRA = (
    "explicit: asked only for what [tool.uv.sources] of a project says comes from it. Without that, uv asks this index",
    "before the default one, and takes a name that it has from there alone (dependency confusion).",
    "Safer still is one index that inherits from others, `buildfarm index create NAME --base OTHER`.",
)


def files(wish: Wish) -> tuple[ConfigFile, ...]:
    """uv.toml, and what goes into a pyproject.toml."""
    project = {"one project": {"all": "pyproject.toml"}}
    return (
        ConfigFile(name="uv.toml", text="".join(_text(wish, "")), places=PLACES),
        ConfigFile(name="pyproject.toml", text="".join(_text(wish, "tool.uv.")), places=project),
    )


def _text(wish: Wish, table: str) -> Iterator[str]:
    yield comments(("Where it goes:", *placed(PLACES))) if not table else ""
    if wish.token_env:
        name = f"UV_INDEX_{wish.index.variable}"
        yield comments(
            (
                "The token for reading is not written here. Either of:",
                f"  uv auth login {wish.index.scheme}://{wish.index.host} --username {USER}",
                f'  export {name}_USERNAME={USER} {name}_PASSWORD="${wish.token_env}"',
            )
        )
    if wish.cert:
        yield comments(("uv takes the CA bundle from the environment:", f"  export SSL_CERT_FILE={wish.cert}"))
    if wish.unchecked:
        yield comments(UNCHECKED)
        hosts = json.dumps(list(dict.fromkeys(each.host for each in wish.unchecked)))
        yield (f"[{table[:-1]}]\n" if table else "") + f"allow-insecure-host = {hosts}\n\n"
    yield comments(_DEFAULT)
    yield _index(wish.index, table, "default")
    for each in wish.extra:
        yield "\n" + comments(_EXTRA) + _index(each, table, "explicit")


def _index(source: Source, table: str, how: str) -> str:
    publish = f"publish-url = {json.dumps(source.upload)}\n" if source.upload else ""
    return (
        f"[[{table}index]]\n"
        f"name = {json.dumps(source.name)}\n"
        f"url = {json.dumps(source.simple)}\n"
        f"{publish}"
        f"{how} = true\n"
        'cache-control = { api = "max-age=0", files = "max-age=365000000, immutable" }\n'
    )
