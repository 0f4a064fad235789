"""What was probably meant by a text that is nearly right. A guess is offered only where it would be taken."""

from __future__ import annotations

import re

_UNITS = {"k": "KiB", "m": "MiB", "g": "GiB", "t": "TiB"}
_TIMES = {"h": "h", "m": "m", "s": "s"}


def name(text: str) -> str:
    """A project name: other characters become dashes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text.strip()).strip("-._")


def specifier(text: str) -> str:
    """A version specifier: operators of other tools, and none at all."""
    text = text.strip().replace("=>", ">=").replace("=<", "<=").replace("^", "~=")
    text = re.sub(r"(?<![<>=!~])=(?!=)", "==", text)
    if plus := re.fullmatch(r"([0-9][0-9.]*)\+", text):
        return f">={plus[1]}"
    if bounds := re.fullmatch(r"([0-9][0-9.]*)\s*-\s*([0-9][0-9.]*)", text):
        return f">={bounds[1]},<={bounds[2]}"
    return (
        f"=={text}" if re.fullmatch(r"[0-9][0-9.]*(\.\*)?", text) else re.sub(r"(?<=[0-9*])\s+(?=[<>=!~])", ",", text)
    )


def pythons(text: str) -> str:
    """A specifier over Pythons: as ``specifier``, with every patch level of a bare one."""
    tag = re.fullmatch(r"(?:cp|py|python)(3)\.?([0-9]{1,2})", text.strip().lower())
    meant = specifier(f"{tag[1]}.{tag[2]}" if tag else text)
    return f"{meant}.*" if re.fullmatch(r"==[0-9]+\.[0-9]+", meant) else meant


def requirement(text: str) -> str:
    """A requirement: its specifier put right."""
    split = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?)\s*([<>=!~^0-9].*)", text.strip())
    return f"{split[1]}{specifier(split[2])}" if split else text


def sha256(text: str) -> str:
    """A hash: in lower case, with its algorithm."""
    digits = text.strip().lower().removeprefix("sha256").lstrip(":=-")
    return f"sha256:{digits}"


def size(text: str) -> str:
    """A size: decimal units and bare letters become binary ones, and what has no unit GiB."""
    found = re.fullmatch(r"([0-9.]+)\s*([kmgt]?)i?b?", text.strip().lower())
    return f"{found[1]}{_UNITS[found[2] or 'g']}" if found else text


def duration(text: str) -> str:
    """A duration: units in words become letters, and what has no unit minutes."""
    parts = re.findall(r"([0-9]+)\s*([a-z]*)", text.strip().lower())
    return "".join(f"{count}{_TIMES.get(unit[:1] or 'm', '?')}" for count, unit in parts)


def index(text: str) -> str:
    """The name of an index: lower case, at most two segments."""
    return "/".join(re.sub(r"[^a-z0-9._/-]+", "-", text.strip().lower()).strip("/").split("/")[:2])


def lower(text: str) -> str:
    """A name in lower case."""
    return re.sub(r"[^a-z0-9]+", "-", text.strip().lower()).strip("-")


def word(text: str) -> str:
    """A name of letters, digits and underscores."""
    return re.sub(r"\W+", "_", text.strip(), flags=re.ASCII)


def module(text: str) -> str:
    """A module: from its file, or its project's name."""
    return text.strip().removesuffix(".py").replace("/", ".").replace("-", "_")


def path(text: str) -> str:
    """A path: slashes between its folders."""
    return text.strip().replace("\\", "/")


def git_url(text: str) -> str:
    """The URL of a repository: git's short form for ssh, and its unprotected protocol."""
    short = re.fullmatch(r"(?:ssh:)?([\w.-]+@[\w.-]+):(?!/)(.+)", text.strip())
    if short:
        return f"ssh://{short[1]}/{short[2]}"
    return re.sub(r"^(git\+)?(git|http)://", "https://", text.strip()).removeprefix("git+")
