""".pypirc, for twine and `uv publish`."""

from __future__ import annotations

from collections.abc import Iterator

from buildfarm.app.client_config.wish import UNCHECKED, USER, ConfigFile, Wish, comments, placed

PLACES = {
    "this user": {
        "Linux": "~/.pypirc (mode 600)",
        "macOS": "~/.pypirc (mode 600)",
        "Windows": r"%USERPROFILE%\.pypirc",
    }
}


def files(wish: Wish) -> tuple[ConfigFile, ...]:
    """The one file."""
    return (ConfigFile(name=".pypirc", text="".join(_text(wish)), places=PLACES),)


def _text(wish: Wish) -> Iterator[str]:
    first, token = wish.index, f"${wish.token_env or 'TOKEN'}"
    yield comments(
        (
            "Where it goes:",
            *placed(PLACES),
            f"Then: twine upload -r {first.name} dist/*",
            "The token for uploading is not written here. Either of:",
            f"  keyring set {first.upload} {USER}",
            f'  export TWINE_PASSWORD="{token}"',
            "uv reads no .pypirc:",
            f'  uv publish --publish-url {first.upload} --check-url {first.simple} --token "{token}"',
        )
    )
    if wish.unchecked:
        yield comments(UNCHECKED)
    indexes = (first, *(each for each in wish.extra if each.upload))
    yield "[distutils]\nindex-servers =\n" + "".join(f"    {each.name}\n" for each in indexes)
    for each in indexes:
        yield f"\n[{each.name}]\nrepository = {each.upload}\nusername = {USER}\n"
        yield f"ca_cert = {wish.cert}\n" if wish.cert else ""
