"""What to do about an output that says why something failed: a table of what was seen, and the YAML that mends it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from buildfarm.model.job import BuildPart
from buildfarm.model.outcome import Step
from buildfarm.steps.libraries import Library, for_cmake, for_header, for_link, for_pkg_config, for_program
from buildfarm.steps.snippet import SAYS_NOTHING, takes_out, with_flag, with_packages, with_requirement

Lookup = Callable[[str], Library | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A sentence for the author of the recipe with what to write, and a stable word for what it is about."""

    cause: str
    sentence: str


def advise(said: Iterable[str], step: Step, part: BuildPart = SAYS_NOTHING) -> tuple[Advice, ...]:
    """What to do, most important first, three at most; none where no row knows what was said.

    ``said`` are decisive lines; ``step`` tells a build's failure from that of a test; ``part`` is what the recipe says.
    """
    lines = tuple(said)
    if step is Step.TEST:
        told = _told(lines, _IN_TESTS, part)
    else:
        told = (*_packages(lines, part), *_told(lines, _IN_BUILDS, part))
    return tuple(dict.fromkeys(told))[:3]


# ------------------------------------------------------------------------------------------------ system packages


def _anything(name: str) -> Library | None:
    """Who is meant by a name that people use: any kind of it."""
    lookups: tuple[Lookup, ...] = (for_pkg_config, for_cmake, for_link, for_program)
    return next((found for each in lookups if (found := each(name))), None)


_MISSING: tuple[tuple[str, Lookup], ...] = (
    (r"error: '?(?P<name>[\w./+-]+\.(h|hpp|hh))'?(: No such file| file not found)", for_header),
    (r"Package '?(?P<name>[\w.+-]+)'?,? .*not found|No package '(?P<other>[^']+)' found", for_pkg_config),
    (r"pkg-config (--exists|--libs|--cflags) (?P<name>[\w.+-]+)", for_pkg_config),
    (r'ERROR: Dependency "(?P<name>[^"]+)" not found|Dependency lookup for (?P<other>\S+) with', for_pkg_config),
    (r"Could NOT find (?P<name>\w+)|package configuration file provided by \"(?P<other>\w+)\"", for_cmake),
    (r"cannot find -l(?P<name>[\w.+-]+)|unable to find .*library ['\"]?(-l)?(?P<other>[\w.+-]+)", for_link),
    (
        r"(^|[ :/])(?P<name>[\w.+-]+): (command )?not found|[`'\"]?(?P<other>[\w.+-]+)[`'\"]? executable not found",
        for_program,
    ),
    (r"^\S*make(\[\d+\])?: (?P<name>[\w.+-]+): No such file or directory$", for_program),
    (r"Could not find `(?P<name>[\w.+-]+)` executable|No such file or directory: '(?P<other>[\w.+-]+)'", for_program),
    (r"headers or library files could not be found for (?P<name>\w+)|unless the (?P<other>\w+) path is", _anything),
    (r"can't find (?P<name>Rust) compiler|(?P<other>Rust)( not found| and Cargo)", lambda _: for_program("cargo")),
    (r"(?P<name>[Cc]argo|rustc)\W.*(not found|not installed|No such file)", lambda _: for_program("cargo")),
    (r"make sure the (?P<name>libxml2) and libxslt development packages", lambda _: for_program("xml2-config")),
    (r"make sure the libxml2 and (?P<name>libxslt) development packages", lambda _: for_program("xslt-config")),
)


def _packages(lines: tuple[str, ...], part: BuildPart) -> Iterator[Advice]:
    return (Advice(cause="system-package", sentence=sentence) for sentence in _lacking(lines, part))


def _lacking(lines: tuple[str, ...], part: BuildPart) -> Iterator[str]:
    """One sentence for all system packages that are missing; those that no row knows each get their own."""
    known: dict[str, tuple[str, ...]] = {}
    for line in lines:
        for pattern, lookup in _MISSING:
            if match := re.search(pattern, line):
                name = match["name"] or match["other"] if "other" in match.groupdict() else match["name"]
                if library := lookup(name):
                    known.setdefault(name, library.packages.apt)
                elif lookup is for_header and not name.startswith(("Python.h", "numpy/")):
                    yield f"{name} is a header of no library that is known here: {_NAME_IT}"
                elif lookup is for_link:
                    yield f"lib{name} is no library that is known here: {_NAME_IT}"
                elif lookup is for_program:
                    yield f"{name} is a program that the session does not have: {_NAME_IT}"
    if known:
        packages = dict.fromkeys(package for each in known.values() for package in each)
        verb = "comes" if len(known) == 1 else "come"
        yield f"{', '.join(known)} {verb} with system packages: {with_packages(part, packages)}"


_NAME_IT = "name the package that brings it, as in `system: {apt: [libffi-dev]}`"

# -------------------------------------------------------------------------------------------------- all the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What is said, a word for its cause, what to do: its ``{0}`` is the first group, by its distribution's name.

    ``requires`` (a build requirement) and ``flag`` (an environment variable and its value) may hold it too; what to
    write for them is ``{yaml}``.
    """

    said: str
    cause: str
    do: str
    requires: str = ""
    flag: tuple[str, str] = ("", "")

    def sentence(self, name: str, part: BuildPart) -> str:
        """What to do, for the recipe as it is."""
        requires, (variable, value) = self.requires.format(name), self.flag
        if requires and takes_out(part, requires):
            return f"its build needs {name}, and the recipe removes it: take {name} out of `build.requires.remove`"
        if requires:
            return self.do.format(name, yaml=with_requirement(part, requires))
        return self.do.format(name, yaml=with_flag(part, variable, value.format(name)) if variable else "")


_DISTRIBUTIONS = {
    "yaml": "PyYAML",
    "skbuild": "scikit-build",
    "mesonpy": "meson-python",
    "google": "protobuf",
    "Crypto": "pycryptodome",
    "dateutil": "python-dateutil",
    "bs4": "beautifulsoup4",
    "PIL": "pillow",
    "attr": "attrs",
    "dotenv": "python-dotenv",
    "git": "GitPython",
    "_cffi_backend": "cffi",
}
"""Modules whose distribution has another name."""

_NETWORK = (
    r"[Nn]ame resolution|Name or service not known|urlopen error|Could not resolve host|Network is unreachable"
    r"|Failed to establish a new connection|dns error"
)
_IN_BUILDS = (
    _Row(
        said=r"No module named '?pkg_resources",
        cause="build-requirement",
        do="pkg_resources left setuptools: {yaml}",
        requires="setuptools<81",
    ),
    _Row(
        said=r"No module named '?distutils",
        cause="build-requirement",
        do="distutils left Python 3.12, and setuptools brings it: {yaml}, or build for older ones alone: "
        '`targets: {{python: "<3.12"}}`',
        requires="setuptools",
    ),
    _Row(
        said=r"No module named '?([\w]+)|fatal error: '?(numpy)/\w+\.h",
        cause="build-requirement",
        do="its build needs {0} and does not say so: {yaml}",
        requires="{0}",
    ),
    _Row(
        said=r"undeclared name not builtin: (?:long|unicode|basestring|xrange|reduce|unichr)"
        r"|Cannot assign type '.*' to '.*noexcept|\.pyx:.*(?:IF|DEF) (?:statement|is)",
        cause="old-source",
        do="it is written for Cython before 3: {yaml}",
        requires="Cython<3",
    ),
    _Row(
        said=r"module 'numpy' has no attribute|no member named '\w+' in '(?:struct )?_?PyArray|undeclared.*'NPY_",
        cause="old-source",
        do="it is written for numpy before 2: {yaml}",
        requires="numpy<2",
    ),
    _Row(
        said=r"longintrepr\.h|no member named '(?:use_tracing|exc_type|ob_digit|cframe|tp_print|curexc_type)'"
        r"|PyUnicode_AS_UNICODE|_PyLong_AsByteArray|'_PyInterpreterState",
        cause="old-source",
        do="it uses what this Python no longer has: build a newer version of the project, or for older Pythons alone: "
        '`targets: {{python: "<3.11"}}`',
    ),
    _Row(
        said=r"Missing parentheses in call to 'print'|use_2to3 is invalid",
        cause="old-source",
        do="it is written for Python 2: choose a newer version of the project",
    ),
    _Row(
        said=r"\[-W(implicit-function-declaration|int-conversion|incompatible-function-pointer-types|implicit-int)\]",
        cause="compiler",
        do="older compilers only warned of this: {yaml}, or bring a patch",
        flag=("CFLAGS", "-Wno-error={0}"),
    ),
    _Row(
        said=r"needs target feature ([\w.]+)|requires target feature '([\w.]+)'",
        cause="processor",
        do="the platform's baseline has no {0}. Where the project asks the processor before it uses it, {yaml}; else "
        "the wheel would fail on older machines",
        flag=("CFLAGS", "-m{0}"),
    ),
    _Row(
        said=_NETWORK,
        cause="network",
        do="a session has no network. What a build fetches must be in its source: look for the project's own switch "
        "(`build: {{env: …}}` or `config_settings`), or bring the files with `patches`",
    ),
    _Row(
        said=r"No space left on device|Disk quota exceeded",
        cause="disk",
        do="the disk of the session is full: raise `limits: {{disk: 20GiB}}`, or free some on this machine",
    ),
    _Row(
        said=r"^Killed|Cannot allocate memory|MemoryError|by signal 9",
        cause="memory",
        do="it ran out of memory: raise `limits: {{memory: 8GiB}}`, or let it compile less at once: {yaml}",
        flag=("MAX_JOBS", "1"),
    ),
)
_IN_TESTS = (
    _Row(
        said=r"No module named '?(tests?|testing)\b",
        cause="test-sources",
        do="that is the project's own folder, and a test sees only what it names: add `sources: [{0}]` to the test",
    ),
    _Row(
        said=r"No module named '?([\w]+)",
        cause="test-requirement",
        do="where only the test needs {0}, add `requires: [{0}]` to it; where the project does, its own requirements "
        "are wrong: a patch mends them",
    ),
    _Row(
        said=r"No such file or directory: '([^'/][^']*)'"
        r"|(?:file or directory not found|can't open file).*?([\w./-]+)'?$",
        cause="test-sources",
        do="a test sees only the paths that it names: add {0} to its `sources`, if the source has it",
    ),
    _Row(
        said=r"[Cc]onnection refused",
        cause="server",
        do="it wants a server: add one to the test, `services: {{db: {{image: …}}}}`, and give it `{{db.host}}` and "
        "`{{db.port}}`, or leave those tests out",
    ),
    _Row(
        said=_NETWORK,
        cause="network",
        do="a session has no network: leave out the tests that need it, as in `pytest --deselect`",
    ),
    _Row(
        said=r"by signal 4$",
        cause="processor",
        do="it uses instructions that this machine does not have: remove -m options from the build, as in "
        '`build: {{env: {{CFLAGS: "-mno-avx512f"}}}}`, or a patch',
    ),
    _Row(
        said=r"^Killed|Cannot allocate memory|MemoryError|by signal 9",
        cause="memory",
        do="it ran out of memory: raise `limits: {{memory: 8GiB}}`",
    ),
    _Row(
        said=r"undefined symbol: _Unwind_",
        cause="link",
        do="it unwinds stacks, and gcc alone links that unasked: {yaml}",
        flag=("LDFLAGS", "-lgcc_s"),
    ),
    _Row(
        said=r"undefined symbol",
        cause="link",
        do="nothing that it is linked with defines it: look in the build's log for what was left out",
    ),
)


def _told(lines: tuple[str, ...], rows: tuple[_Row, ...], part: BuildPart) -> tuple[Advice, ...]:
    """The advice of the first row that knows a line, for every line that one knows."""
    found: dict[Advice, None] = {}
    for line in lines:
        for row in rows:
            if match := re.search(row.said, line):
                name = next((group for group in match.groups() if group), "")
                sentence = row.sentence(_DISTRIBUTIONS.get(name, name), part)
                found[Advice(cause=row.cause, sentence=sentence)] = None
                break
    return tuple(found)
