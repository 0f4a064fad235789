"""What a source tells the author of a recipe: languages, licence, tests, system libraries. Nothing of it is run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import PurePosixPath

from buildfarm.steps.entry import Entry
from buildfarm.steps.languages import CXX, LANGUAGES
from buildfarm.steps.libraries import Library, for_cmake, for_header, for_link, for_pkg_config, for_program
from buildfarm.steps.testing import OwnTests, own_tests

_BUILDERS = {"CMakeLists.txt": "CMake", "meson.build": "meson", "Cargo.toml": "Rust", "configure": "configure"}
_INCLUDING = CXX | {".c", ".h", ".hh", ".hpp", ".pyx", ".pxd"}
_ASIDE = re.compile(
    r"(^|/)(tests?|docs?|examples?|bench(marks?)?|contrib|fuzz(ing)?|samples?|tools?|ci|\.github|vendor(ed)?|third_?party"
    r"|extern(al)?|deps|subprojects)/",
    re.IGNORECASE,
)
_FOREIGN = re.compile(  # what other systems are given, or machines of one kind
    r"(^|[/_.-])(win(32|64|dows)?|mac(os)?|darwin|osx|msvc|x86|x86_64|amd64|i386|arm64|aarch64)[/_.-]", re.IGNORECASE
)
_MOST = 512 * 1024  # bytes of a file that are read
_INCLUDE = re.compile(r"""^\s*(?:#\s*include\s*|cdef\s+extern\s+from\s+['"])[<"]?([\w./+-]+\.(?:h|hpp|hh))""")
_CONDITION = re.compile(r"^\s*#\s*(if|ifdef|ifndef|endif)\b\s*!?\s*(?:defined)?\W*(\w*)")
_GUARD = re.compile(r"_H(H|PP)?_*$|_INCLUDED?_*$", re.IGNORECASE)
# In files that build; each with the lookup for its first group. They are other people's files: no search of one may
# take time that grows with the square of its length.
_NAMED = (
    (re.compile(r"""\bdependency\(\s*['"]([\w.+-]+)['"]"""), for_pkg_config, "meson.build"),
    (re.compile(r"""\bpkg-config\b(?:[^\n#\w.+-]++([\w.+-]++)){1,20}?['" ]*+\]"""), for_pkg_config, "setup.py"),
    (re.compile(r"\bfind_package\(\s*(\w+)"), for_cmake, "CMakeLists.txt"),
    (
        re.compile(r"\bpkg_(?:check|search)_modules\((?:[^()\w.+-]*+([\w.+-]++)){1,50}\s*+\)"),
        for_pkg_config,
        "CMakeLists.txt",
    ),
    (re.compile(r"""['"]((?!pkg-)[\w-]+[-_]config|h5p?cc|mpicc|swig)['"\s]"""), for_program, "setup.py"),
    (re.compile(r"""\blibraries\s*=\s*\[\s*['"]([\w.+-]+)['"]"""), for_link, "setup.py"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A sign that a system library is needed, and where. ``sure``: the source does not build without it."""

    library: Library
    where: str
    sure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """``languages`` and build tools by name; ``licence`` as its metadata says; the best sign of each library."""

    languages: tuple[str, ...]
    licence: str
    tests: OwnTests | None
    signs: tuple[Sign, ...]


def survey(found: Iterable[Entry]) -> Survey:
    """Read the entries of a source (``steps.archive``), each at most to half a MiB."""
    files = [entry for entry in found if entry.kind == "file"]
    near = [entry for entry in files if not _FOREIGN.search(entry.path)]
    ours = [entry for entry in near if not _ASIDE.search(entry.path)]
    texts = {entry.path: _text(entry) for entry in files if "/" not in entry.path and entry.size < _MOST}
    return Survey(
        languages=tuple(_languages(ours)),
        licence=_licence(texts),
        tests=own_tests(files, texts),
        signs=tuple(_signs(ours, {PurePosixPath(entry.path).name for entry in near})),
    )


def _text(entry: Entry) -> str:
    with entry.open() as content:
        return content.read(_MOST).decode("utf-8", "replace")


def _languages(files: Iterable[Entry]) -> Iterator[str]:
    paths = [PurePosixPath(entry.path) for entry in files]
    suffixes, names = {path.suffix for path in paths}, {path.name for path in paths}
    told = [name for suffix, name in LANGUAGES.items() if suffix in suffixes]
    yield from dict.fromkeys((*told, *(name for file, name in _BUILDERS.items() if file in names)))


def _licence(texts: Mapping[str, str]) -> str:
    """PEP 639's expression, else the first line of ``License``, else what the classifiers say."""
    info = HeaderParser().parsestr(texts.get("PKG-INFO", ""))
    said = str(info.get("License-Expression") or info.get("License") or "").strip().splitlines()
    if said and len(said[0]) < 80 and said[0] != "UNKNOWN":
        return said[0].strip()
    classifiers = (str(each) for each in info.get_all("Classifier", []))
    return ", ".join(each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License ::"))


def _signs(files: Iterable[Entry], names: set[str]) -> list[Sign]:
    """The best sign of each library, sure ones first."""
    best: dict[Library, Sign] = {}
    for entry in files:
        for sign in (*_of_tools(entry), *_of_text(entry, names)):
            known = best.get(sign.library)
            if known is None or sign.sure > known.sure:
                best[sign.library] = sign
    return sorted(best.values(), key=lambda sign: not sign.sure)


def _of_tools(entry: Entry) -> Iterator[Sign]:
    """Compilers of other languages."""
    path = PurePosixPath(entry.path)
    needs = "cargo" if path.name == "Cargo.toml" else "gfortran" if LANGUAGES.get(path.suffix) == "Fortran" else ""
    if library := for_program(needs):
        yield Sign(library=library, where=entry.path, sure=True)


def _of_text(entry: Entry, names: set[str]) -> Iterator[Sign]:
    path = PurePosixPath(entry.path)
    if path.suffix in _INCLUDING:
        yield from _includes(entry, names)
    for pattern, lookup, file in _NAMED:
        if path.name != file:
            continue
        for match in pattern.finditer(_text(entry)):
            if library := lookup(match[1]):
                yield Sign(library=library, where=f"{entry.path} names {match[1]}", sure=False)


def _includes(entry: Entry, names: set[str]) -> Iterator[Sign]:
    """Headers of libraries that are not in the source itself; sure where no condition is around them."""
    depth = 0
    for line in _text(entry).splitlines():
        if (condition := _CONDITION.match(line)) and not (condition[1] == "ifndef" and _GUARD.search(condition[2])):
            depth = max(depth + (-1 if condition[1] == "endif" else 1), 0)
        header = _INCLUDE.match(line)
        if header and PurePosixPath(header[1]).name not in names and (library := for_header(header[1])):
            yield Sign(library=library, where=f"{entry.path} includes {header[1]}", sure=depth == 0)
