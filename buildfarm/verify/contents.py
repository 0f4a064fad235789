"""Rules about the files of a wheel by their names: what belongs to nobody, hides another, or was left behind."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator

from packaging.utils import canonicalize_name

from buildfarm.model.wheel import Finding
from buildfarm.verify.claim import Claim
from buildfarm.verify.finding import error, some, warning
from buildfarm.verify.wheelfile import Wheel

_NOBODYS = frozenset(
    {"benchmark", "benchmarks", "build", "conftest", "dist", "doc", "docs", "example", "examples", "script", "scripts"}
    | {"setup", "src", "test", "tests"}
)
# in the library of this Python perhaps, and no more in that of a later one: projects of PyPI bring them back
_GONE = frozenset(
    {
        "aifc",
        "asynchat",
        "asyncore",
        "audioop",
        "cgi",
        "cgitb",
        "chunk",
        "crypt",
        "distutils",
        "imghdr",
        "imp",
        "lib2to3",
    }
    | {"mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "smtpd", "sndhdr", "spwd", "sunau", "telnetlib"}
    | {"uu", "xdrlib"}
)
_STANDARD = sys.stdlib_module_names - _GONE
_LEFT = re.compile(
    r"(.*/)?((__pycache__|\.git|\.hg|\.svn|\.idea|\.vscode|\.mypy_cache|\.pytest_cache|\.ruff_cache|CMakeFiles)/.*"
    r"|\.DS_Store|Thumbs\.db|\.gitignore|\.coverage|[^/]*\.(py[co]|o|obj|a|lib|c|cc|cpp|cxx|orig|rej|bak|sw[op])|[^/]*~)"
)


def top_level(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """The wheel puts nothing into site-packages under a name that many projects use: tests, docs, setup.py …"""
    tops = _tops(wheel)
    taken = _NOBODYS & tops.keys() - {_module_of(claim)}
    if taken:
        yield error(
            f"it would install into site-packages what belongs to nobody: {some([tops[name] for name in taken])}",
            subject=min(tops[name] for name in taken),
            advice="exclude it where the source lists its packages (setuptools: packages.find.exclude = ['tests*'])",
        )


def shadows_stdlib(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """No module has a name of the standard library, which is found first: a warning, for it only is never imported."""
    tops = _tops(wheel)
    hidden = (_STANDARD - _NOBODYS) & tops.keys() - {_module_of(claim)}
    if hidden:
        yield warning(
            f"the standard library hides {some([tops[name] for name in hidden])}",
            subject=min(tops[name] for name in hidden),
            advice="the modules of a package belong into its folder: look at the source's package_dir",
        )


def case_collision(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """No two files differ in case alone: on Windows and macOS the one would overwrite the other."""
    folded: dict[str, list[str]] = defaultdict(list)
    for member in wheel.members:
        folded[member.path.casefold()].append(member.path)
    if same := [" and ".join(sorted(paths)) for paths in folded.values() if len(paths) > 1]:
        everywhere = not all("linux" in platform for platform in wheel.platforms)
        yield (error if everywhere else warning)(
            f"on many systems these are one file: {some(same)}",
            subject=min(same).partition(" and ")[0],
            advice="rename one of them in the source, or leave it out with a patch in the recipe",
        )


def leftovers(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """No caches, sources of compiled code, or files of editors and version control: a warning."""
    if left := [member.path for member in wheel.members if _LEFT.fullmatch(member.path)]:
        yield warning(
            f"it holds what looks left behind by a build or an editor: {some(left)}",
            subject=min(left),
            advice="exclude them where the source lists its package data",
        )


def build_paths(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """The path of the build's session stands in no file: a warning, for debug data always has it."""
    if wheel.traces:
        yield warning(
            f"{len(wheel.traces)} files hold the path of the build, {claim.root}: {some(wheel.traces)}",
            subject=min(wheel.traces),
            advice="compile with -ffile-prefix-map or -g0 where wheels must be equal",
        )


def _tops(wheel: Wheel) -> dict[str, str]:
    """What site-packages gets at its top: name of the module or folder → the file or folder (with its slash)."""
    paths = (wheel.installed(member.path) for member in wheel.members)
    parts = {path.partition("/")[:2] for path in paths if path}
    return {
        top if slash else top.partition(".")[0]: f"{top}{slash}"
        for top, slash in sorted(parts)
        if slash or top.endswith((".py", ".so"))
    }


def _module_of(claim: Claim) -> str:
    return canonicalize_name(claim.project).replace("-", "_")
