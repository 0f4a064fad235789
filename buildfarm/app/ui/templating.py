"""Templates of the pages. Whatever a template writes is escaped, and nothing in it turns or ends lines unseen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from buildfarm.app.harmless import harmless_lines

STYLE = files(__package__).joinpath("style.css").read_bytes()
ICON = files(__package__).joinpath("icon.svg").read_bytes()

_UNITS = ("bytes", "kB", "MB", "GB")


def render(template: str, **context: object) -> str:
    """The template with these values."""
    return _ENVIRONMENT.get_template(template).render(context)


def in_path(text: str) -> str:
    """Text as a part of the path of a URL; slashes separate."""
    return quote(text.encode("utf-8", "replace"), safe="/+")


def _tame(value: object) -> object:
    """Text of strangers without controls, those that turn the direction of writing among them."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return harmless_lines(value.expandtabs(4))
    return value


def _query(text: str) -> str:
    """Text as a value in the query of a URL."""
    return quote(text.encode("utf-8", "replace"), safe="")


def _time(layout: str) -> Callable[[float], str]:
    return lambda at: datetime.fromtimestamp(at, UTC).strftime(layout)


def _size(count: int) -> str:
    """A count of bytes for people."""
    amount, unit = float(count), 0
    while amount >= 1000 and unit + 1 < len(_UNITS):
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.0f} {_UNITS[unit]}" if unit == 0 or amount >= 100 else f"{amount:.1f} {_UNITS[unit]}"


_ENVIRONMENT = Environment(
    loader=PackageLoader(__package__ or "", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    finalize=_tame,
)
_ENVIRONMENT.globals["style"] = sha256(STYLE).hexdigest()[:12]
_ENVIRONMENT.filters |= {
    "path": in_path,
    "query": _query,
    "size": _size,
    "number": lambda count: f"{count:,}",
    "stamp": _time("%Y-%m-%dT%H:%M:%SZ"),
    "minute": _time("%Y-%m-%d %H:%M"),
    "day": lambda text: str(text)[:10],
}
