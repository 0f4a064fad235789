"""Settings: defaults, ``farm.yaml``, ``BUILDFARM_…`` variables, options; in that order, later wins. The one place that
reads them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import platformdirs

from buildfarm.app.image_files import shipped
from buildfarm.model.errors import RecipeError
from buildfarm.model.index import Index, refused
from buildfarm.model.target import FLOORS
from buildfarm.model.url import server_refused
from buildfarm.model.wheel import Severity
from buildfarm.recipe.diagnostic import render, suggestion
from buildfarm.recipe.nodes import Kind, MapNode, Node, Scalar
from buildfarm.recipe.reading import Reading
from buildfarm.recipe.yamltree import read_tree

FILE = "farm.yaml"
_KINDS = ("auto", "bubblewrap", "none")
_ENGINE_URL = r"(unix|tcp|ssh|http|https|npipe)://\S+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What this site is like.

    ``store``: where files are kept by their digest, ``s3://bucket/prefix`` (default: in the home); ``upstream``: where
    sdists and build requirements come from, an index URL or a folder (default: pip's own configuration); ``glibc``: the
    floor of manylinux targets; ``recipes``: the folder in which ``build NAME`` finds ``NAME.yaml``; ``lease``: seconds;
    ``isolation``: of sessions on this machine itself: auto, bubblewrap or none; ``engine``: of containers: auto, none,
    or a URL as DOCKER_HOST has it; ``images``: the folder that describes its images; ``url``: the server of the indexes
    as hosts reach it; ``upload_limit``: bytes that an uploaded file may have, written with a unit, ``512MiB``;
    ``crash_at``: for the kill tests.
    """

    home: Path
    store: str = ""
    index: str = "main"
    upstream: str = ""
    glibc: str = "2.17"
    recipes: Path = Path("recipes")
    jobs: int = 2
    lease: float = 60.0
    isolation: str = "auto"
    engine: str = "auto"
    images: Path = field(default_factory=shipped)
    url: str = "http://127.0.0.1:8420"
    upload_limit: int = 1 << 30
    crash_at: str = ""
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def ledger(self) -> Path:
        """The file of the ledger. This and the next are parts of the home."""
        return self.home / "ledger.db"

    @property
    def local_store(self) -> Path:
        """The folder of all files by their digest; where they are kept elsewhere, of those that this machine needs."""
        return self.home / "store"

    @property
    def tree(self) -> Path:
        """The folder of the indexes, which a web server serves."""
        return self.home / "index"

    @property
    def logs(self) -> Path:
        """The folder of the logs."""
        return self.home / "logs"

    @property
    def cache(self) -> Path:
        """The folder of what may be lost."""
        return self.home / "cache"

    @property
    def apt(self) -> Path:
        """The folder of apt's lists."""
        return self.cache / "apt"

    @property
    def answers(self) -> Path:
        """The file of what this machine's interpreters answered."""
        return self.cache / "interpreters.json"

    @property
    def floor(self) -> tuple[int, int]:
        """The glibc floor, ``(2, 17)``."""
        major, minor = self.glibc.split(".")
        return int(major), int(minor)


def read_settings(environ: Mapping[str, str], folder: Path, options: Mapping[str, object]) -> Settings:
    """Merge every source; raises ``RecipeError`` with all errors at once: where each is, what is allowed.

    ``folder`` is the working directory, ``options`` those of the command line by setting; None is not given.
    ``origins`` of the answer name the line of the file, the variable, or the option that each value came from.
    """
    merging = _Merging()
    from_variables = {name: environ[key] for name in NAMES if (key := variable(name)) in environ}
    chosen = {name: value for name, value in options.items() if value is not None}
    home = Path(str(chosen.get("home") or from_variables.get("home") or merging.values["home"]))
    if file := _find(folder, home):
        _read_file(file, merging)
    for name, value in from_variables.items():
        merging.take(name, value, variable(name))
    for name, given in chosen.items():
        merging.take(name, given, f"--{name}")
    if merging.errors:
        raise RecipeError("\n".join(merging.errors))
    return Settings(**merging.values, origins=merging.origins)  # type: ignore[arg-type]  # every value was checked


def variable(name: str) -> str:
    """The environment variable of a setting: ``BUILDFARM_JOBS``."""
    return f"BUILDFARM_{name.upper()}"


class _Merging:
    """The values so far, where they came from, and what was wrong."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {"home": Path(platformdirs.user_data_dir("buildfarm"))}
        self.origins = dict.fromkeys(NAMES, "default")
        self.errors: list[str] = []

    def take(self, name: str, value: object, origin: str) -> None:
        try:
            self.values[name] = _CHECKS[name](value)
            self.origins[name] = origin
        except ValueError as error:
            self.errors.append(f"{origin}: {error}")


def _find(folder: Path, home: Path) -> Path | None:
    """``farm.yaml`` upwards from the working directory, then in the home."""
    places = (folder, *folder.parents, home)
    files = (place / FILE for place in places)
    return next((file for file in files if os.path.isfile(file)), None)  # noqa: PTH113 - is_file() raises where we may not look


def _read_file(file: Path, merging: _Merging) -> None:
    """Take what it sets. Its errors look like those of a recipe: line, column, a caret, and what is allowed."""
    reading = Reading(str(file))
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        merging.errors.append(f"{file}: cannot be read: {error}")
        return
    root = read_tree(text, reading)
    if isinstance(root, MapNode):
        for key, node in root.entries:
            _read_setting(file, key, node, reading, merging)
    elif root is not None and not (isinstance(root, Scalar) and root.kind is Kind.NULL):
        reading.mismatch(root, "settings, such as `index: main`")
    merging.errors += [render(each, text) for each in reading.diagnostics if each.severity is Severity.ERROR]


def _read_setting(file: Path, key: Scalar, node: Node, reading: Reading, merging: _Merging) -> None:
    name = key.text
    if name not in NAMES:
        reading.unknown(key, FILE, NAMES)
    elif not isinstance(node, Scalar) or node.kind in (Kind.NULL, Kind.BROKEN):
        reading.mismatch(node, "one value", f"`{name}: {_EXAMPLES[name]}`")
    else:
        try:
            merging.values[name] = _CHECKS[name](_relative_to(file.parent, name, node.text))
            merging.origins[name] = f"{file}:{key.span.line}"
        except ValueError as error:
            reading.error("setting", node.span, str(error), f"`{name}: {_EXAMPLES[name]}`")


def _relative_to(folder: Path, name: str, value: str) -> str:
    """Paths in a file are relative to it."""
    if name in ("home", "recipes", "images") or (name == "upstream" and value and "://" not in value):
        return os.path.normpath(folder / Path(value).expanduser())
    return value


def _path(value: object) -> Path:
    return Path(os.path.abspath(Path(str(value)).expanduser()))  # noqa: PTH100 - resolve() would follow links


def _whole(value: object) -> int:
    if not re.fullmatch("[0-9]{1,6}", str(value)) or int(str(value)) < 1:
        raise ValueError(f"{value!r} is no whole number from 1 on")
    return int(str(value))


def _seconds(value: object) -> float:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", str(value)) or float(str(value)) <= 0:
        raise ValueError(f"{value!r} is no number of seconds above 0")
    return float(str(value))


def _bytes(value: object) -> int:
    match = re.fullmatch(r"([1-9][0-9]{0,11})(|KiB|MiB|GiB|TiB)", str(value))
    if match is None:
        raise ValueError(f"{value!r} is no number of bytes above 0, with a unit or without: 512MiB")
    return int(match[1]) << 10 * ("", "KiB", "MiB", "GiB", "TiB").index(match[2])


def _index(value: object) -> str:
    for reason in refused(Index(name=str(value)), {}):
        raise ValueError(reason)
    return str(value)


def _glibc(value: object) -> str:
    if str(value) not in ["{}.{}".format(*floor) for floor in FLOORS]:
        raise ValueError(f"{value!r} is no manylinux floor: 2.17, 2.28, 2.34, …")
    return str(value)


def _store(value: object) -> str:
    if value and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/?#\s]+)*/?", str(value)):
        raise ValueError(f"{value!r} is not s3://BUCKET/PREFIX; with nothing, files are kept in the home")
    return str(value).rstrip("/")


def _isolation(value: object) -> str:
    if value not in _KINDS:
        raise ValueError(f"{value!r} is not one of auto, bubblewrap, none. {suggestion(str(value), _KINDS)}".rstrip())
    return str(value)


def _engine(value: object) -> str:
    if value not in ("auto", "none") and not re.fullmatch(_ENGINE_URL, str(value)):
        raise ValueError(f"{value!r} is not auto, none, or the URL of an engine such as unix:///run/docker.sock")
    return str(value)


def _url(value: object) -> str:
    reason = server_refused(str(value)) or ("the URL of a server has no query" if "?" in str(value) else "")
    if reason:
        raise ValueError(reason)
    return str(value).rstrip("/")


NAMES = tuple(each.name for each in fields(Settings) if each.name != "origins")
"""Of all settings."""

_EXAMPLES: Mapping[str, str] = {
    "home": "/srv/buildfarm",
    "store": "s3://wheels/buildfarm",
    "index": "company/base",
    "upstream": "https://index.example/simple",
    "glibc": "2.28",
    "recipes": "recipes",
    "jobs": "4",
    "lease": "60",
    "isolation": "bubblewrap",
    "engine": "none",
    "images": "images",
    "url": "https://packages.example",
    "upload_limit": "512MiB",
    "crash_at": "list",
}

_CHECKS: Mapping[str, Callable[[object], object]] = {
    "home": _path,
    "store": _store,
    "index": _index,
    "upstream": str,
    "glibc": _glibc,
    "recipes": _path,
    "jobs": _whole,
    "lease": _seconds,
    "isolation": _isolation,
    "engine": _engine,
    "images": _path,
    "url": _url,
    "upload_limit": _bytes,
    "crash_at": str,
}
