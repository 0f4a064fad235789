"""Rules about the programs that a wheel installs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from buildfarm.model.wheel import Finding
from buildfarm.verify.claim import Claim
from buildfarm.verify.finding import error, warning
from buildfarm.verify.wheelfile import Wheel

_SYSTEMS = ("/bin/", "/usr/bin/", "/usr/local/bin/")
_REFERENCE = re.compile(r"(?P<module>\w+(\.\w+)*)(\s*:\s*(?P<name>\w+(\.\w+)*))?\s*(\[[^\]]*\])?")
_SUFFIXES = (".py", ".so", ".pyd", ".pyc")


def scripts(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """The first line of a Python program is ``#!python``, which installers replace by their own Python (PEP 427)."""
    for path, line in sorted(wheel.scripts.items()):
        words = line.removeprefix(b"#!").decode("utf-8", "replace").split()
        if not line.startswith(b"#!") or not words or words[0] in ("python", "pythonw"):
            continue
        if not words[0].startswith(_SYSTEMS):
            yield error(
                f"{path} is run by {words[0]}, which is a program of the machine that built it",
                subject=path,
                advice="its first line must be #!python: declare a console script in the source instead",
            )
        elif "python" in words[-1 if words[0].endswith("/env") else 0]:
            yield warning(
                f"{path} is run by {' '.join(words)}, not by the Python that it is installed for", subject=path
            )


def entry_points(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """Every program of entry_points.txt is in a module of the wheel: or a warning, where a requirement may bring it."""
    modules = {name for member in wheel.members for name in _modules(wheel.installed(member.path))}
    for each in wheel.entry_points:
        if each.group not in ("console_scripts", "gui_scripts"):
            continue
        subject = f"{wheel.dist_info}/entry_points.txt"
        match = _REFERENCE.fullmatch(each.value)
        if match is None or not match["name"]:
            yield error(
                f"the program {each.name} is {each.value!r}, not module:function",
                subject=subject,
                advice="correct it where the source declares its scripts",
            )
        elif match["module"] not in modules:
            # a requirement can only bring what no package of this wheel is the whole of
            brought = wheel.metadata.requires_dist and f"{match['module'].partition('.')[0]}.__init__" not in modules
            yield (warning if brought else error)(
                f"the program {each.name} is in {match['module']}, which the wheel does not have",
                subject=subject,
                advice="list its package where the source lists its packages, or correct the name",
            )


def _modules(path: str) -> Iterator[str]:
    """Names that import a file: its own, and for an ``__init__`` its package's as well."""
    folder, _, filename = path.rpartition("/")
    if filename.endswith(_SUFFIXES):
        name = ".".join((*folder.split("/"), filename.partition(".")[0])).lstrip(".")
        yield name
        yield name.removesuffix(".__init__")
