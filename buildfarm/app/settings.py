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
import yaml

from buildfarm.model.errors import RecipeError

FILE = "farm.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What this site is like.

    ``upstream``: where sdists and build requirements come from, an index URL or a folder (default: pip's own
    configuration); ``glibc``: the floor of manylinux targets; ``recipes``: the folder in which ``build NAME`` finds
    ``NAME.yaml``; ``lease``: seconds; ``isolation``: auto, bubblewrap or none; ``crash_at``: for the kill tests.
    """

    home: Path
    index: str = "main"
    upstream: str = ""
    glibc: str = "2.17"
    recipes: Path = Path("recipes")
    jobs: int = 2
    lease: float = 60.0
    isolation: str = "auto"
    crash_at: str = ""
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def floor(self) -> tuple[int, int]:
        """The glibc floor, ``(2, 17)``."""
        major, minor = self.glibc.split(".")
        return int(major), int(minor)


def read_settings(environ: Mapping[str, str], folder: Path, options: Mapping[str, object]) -> Settings:
    """Merge every source; raises ``RecipeError`` with all errors at once: file, key and what is allowed."""
    values: dict[str, object] = {"home": Path(platformdirs.user_data_dir("buildfarm"))}
    origins = dict.fromkeys(_names(), "default")
    errors: list[str] = []

    def take(found: Mapping[str, object], origin: str) -> None:
        for name, value in found.items():
            if name not in origins:
                errors.append(f"{origin}: unknown setting {name!r}; known are {', '.join(_names())}")
                continue
            try:
                values[name] = _CHECKS[name](value)
                origins[name] = origin
            except ValueError as error:
                errors.append(f"{origin}: {name}: {error}")

    from_variables = {name: environ[key] for name in _names() if (key := f"BUILDFARM_{name.upper()}") in environ}
    chosen = {name: value for name, value in options.items() if value is not None}
    home = Path(str(chosen.get("home") or from_variables.get("home") or values["home"]))
    file = _find(folder, home)
    if file:
        written = _relative_to(file.parent, _load(file, errors))
        take(written, str(file))
    take(from_variables, "environment (BUILDFARM_…)")
    take(chosen, "option")
    if errors:
        raise RecipeError("\n".join(errors))
    return Settings(**values, origins=origins)  # type: ignore[arg-type]  # every value went through its check


def _names() -> tuple[str, ...]:
    return tuple(each.name for each in fields(Settings) if each.name != "origins")


def _find(folder: Path, home: Path) -> Path | None:
    """``farm.yaml`` upwards from the working directory, then in the home."""
    places = (folder, *folder.parents, home)
    return next((place / FILE for place in places if (place / FILE).is_file()), None)


def _load(file: Path, errors: list[str]) -> Mapping[str, object]:
    try:
        written = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        errors.append(f"{file}: {error}")
        return {}
    if not isinstance(written, dict):
        errors.append(f"{file}: must be a mapping of settings, such as `index: main`")
        return {}
    return {str(name): value for name, value in written.items()}


def _relative_to(folder: Path, written: Mapping[str, object]) -> Mapping[str, object]:
    """Paths in a file are relative to it."""
    found = dict(written)
    for name in ("home", "recipes"):
        if name in found:
            found[name] = folder / str(found[name])
    if "upstream" in found and "://" not in str(found["upstream"]):
        found["upstream"] = str(folder / str(found["upstream"]))
    return found


def _path(value: object) -> Path:
    return Path(os.path.abspath(Path(str(value)).expanduser()))  # noqa: PTH100 - resolve() would follow links


def _whole(value: object) -> int:
    number = int(str(value))
    if number < 1:
        raise ValueError("must be 1 or more")
    return number


def _seconds(value: object) -> float:
    number = float(str(value))
    if number <= 0:
        raise ValueError("must be more than 0 seconds")
    return number


def _index(value: object) -> str:
    text, segment = str(value), r"[a-z0-9][a-z0-9._-]*"
    if not re.fullmatch(f"{segment}(/{segment})?", text) or "simple" in text.split("/"):
        raise ValueError(f"{text!r} is no index name: one or two segments such as company/base; 'simple' is reserved")
    return text


def _glibc(value: object) -> str:
    if not re.fullmatch(r"2\.(5|12|17|24|26|27|28|31|34|35|36|37|38|39|40|41)", str(value)):
        raise ValueError(f"{value!r} is no manylinux floor: 2.17, 2.28, 2.34, … (quote it in YAML)")
    return str(value)


def _isolation(value: object) -> str:
    if value not in ("auto", "bubblewrap", "none"):
        raise ValueError(f"{value!r} is not one of auto, bubblewrap, none")
    return str(value)


_CHECKS: Mapping[str, Callable[[object], object]] = {
    "home": _path,
    "index": _index,
    "upstream": str,
    "glibc": _glibc,
    "recipes": _path,
    "jobs": _whole,
    "lease": _seconds,
    "isolation": _isolation,
    "crash_at": str,
}
