"""pip.conf, which is pip.ini on Windows."""

from __future__ import annotations

from collections.abc import Iterator

from buildfarm.app.client_config.wish import UNCHECKED, USER, ConfigFile, Wish, comments, placed

PLACES = {
    "this user": {
        "Linux": "~/.config/pip/pip.conf",
        "macOS": "~/Library/Application Support/pip/pip.conf, if that folder is there, else ~/.config/pip/pip.conf",
        "Windows": r"%APPDATA%\pip\pip.ini",
    },
    "one virtual environment": {
        "Linux": "$VIRTUAL_ENV/pip.conf",
        "macOS": "$VIRTUAL_ENV/pip.conf",
        "Windows": r"%VIRTUAL_ENV%\pip.ini",
    },
    "everybody": {
        "Linux": "/etc/pip.conf",
        "macOS": "/Library/Application Support/pip/pip.conf",
        "Windows": r"C:\ProgramData\pip\pip.ini",
    },
}

_EXTRA = (
    "DANGER. To pip all indexes are equal: the highest version wins, wherever it is. Whoever can put a higher version",
    "of one of your own names onto one of these has its code run on this host (dependency confusion).",
    "Safe is one index-url: an index that inherits from others, `buildfarm index create NAME --base OTHER`.",
)


def files(wish: Wish) -> tuple[ConfigFile, ...]:
    """The one file, by its name on Linux and macOS, then by that on Windows."""
    text = "".join(_text(wish))
    return tuple(ConfigFile(name=name, text=text, places=PLACES) for name in ("pip.conf", "pip.ini"))


def _text(wish: Wish) -> Iterator[str]:
    yield comments(("Where it goes (`pip config debug` says what is read):", *placed(PLACES)))
    if wish.token_env:
        host, bare = wish.index.host, wish.index.host.partition(":")[0]
        url = wish.index.with_token(wish.token_env)
        yield comments(
            (
                "The token for reading is not written here. Either of:",
                f"  ~/.netrc (mode 600; %USERPROFILE%\\_netrc):  machine {bare} login {USER} password TOKEN",
                f"  the keyring (pip install keyring):  keyring set {host} {USER}",
                f'  the environment, as in CI:  export PIP_INDEX_URL="{url}"',
            )
        )
    yield f"[global]\nindex-url = {wish.index.simple}\n"
    yield comments(("Old pips ask the public index for a newer pip, whatever index-url says.",))
    yield "disable-pip-version-check = true\n"
    if wish.extra:
        yield comments(_EXTRA)
        yield "extra-index-url =\n" + "".join(f"    {each.simple}\n" for each in wish.extra)
    if wish.cert:
        yield f"cert = {wish.cert}\n"
    if wish.unchecked:
        yield comments(UNCHECKED)
        yield "trusted-host =\n" + "".join(f"    {host}\n" for host in dict.fromkeys(e.host for e in wish.unchecked))
