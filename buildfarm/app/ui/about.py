"""What METADATA tells people of a version: read from bytes of strangers, bounded, and never raising."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from packaging.metadata import RawMetadata

from buildfarm.app.harmless import harmless
from buildfarm.verify.distinfo import parse_fields

_MOST_READ = 1 << 20
_MOST_SHOWN = 100_000  # characters of a description
_LONGEST = 500  # characters of any other field
_MOST = 50  # of a field that may come many times


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Fields of the core metadata, each harmless and of a bounded length.

    ``links`` are label and URL, http or https. ``more``: the description was longer than what is here.
    """

    summary: str = ""
    licence: str = ""
    requires_python: str = ""
    author: str = ""
    keywords: str = ""
    requires: tuple[str, ...] = ()
    classifiers: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    description: str = ""
    more: bool = False


def about(raw: bytes) -> About:
    """Read the bytes of a METADATA or PKG-INFO file; what is damaged or absent is empty."""
    fields = _fields(raw)
    description = fields.get("description", "")
    return About(
        summary=_line(fields.get("summary", "")),
        licence=_line(fields.get("license_expression", "") or fields.get("license", "").partition("\n")[0]),
        requires_python=_line(fields.get("requires_python", "")),
        author=_line(fields.get("author", "") or fields.get("author_email", "")),
        keywords=_line(", ".join(fields.get("keywords", ()))),
        requires=tuple(map(_line, fields.get("requires_dist", ())[:_MOST])),
        classifiers=tuple(map(_line, fields.get("classifiers", ())[:_MOST])),
        links=_links(fields),
        description=description[:_MOST_SHOWN],
        more=len(description) > _MOST_SHOWN,
    )


def summary(raw: bytes) -> str:
    """The field Summary alone, read from the head: a catalogue asks for thousands of them."""
    for line in raw[:_MOST_READ].split(b"\n\n", 1)[0].splitlines():
        name, _, value = line.partition(b":")
        if name.lower() == b"summary":
            return _line(value.decode("utf-8", "replace").strip())
    return ""


def web_url(text: str) -> str:
    """The URL if it is one that a page may link to: http or https, with a host; else empty."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        safe = parts.scheme in ("http", "https") and bool(parts.hostname) and text.isprintable() and " " not in text
    except ValueError:
        return ""
    return text if safe and len(text) <= _LONGEST else ""


def _fields(raw: bytes) -> RawMetadata:
    try:
        fields, _ = parse_fields(raw[:_MOST_READ])
    except Exception:  # noqa: BLE001 - the parser is the standard library's for mail: what it raises is not promised
        return RawMetadata()
    return fields


def _links(fields: RawMetadata) -> tuple[tuple[str, str], ...]:
    given = {**fields.get("project_urls", {})}
    if home := fields.get("home_page"):
        given.setdefault("Homepage", home)
    named = ((_line(label), web_url(url)) for label, url in list(given.items())[:_MOST])
    return tuple((label or url, url) for label, url in named if url)


def _line(text: str) -> str:
    line = " ".join(harmless(text[: 2 * _LONGEST]).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
