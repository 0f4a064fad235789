"""Recipe files and requirements files on disk: found, decoded, parsed, and held against the files that they name."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from buildfarm.model.recipe import Recipe
from buildfarm.model.session import ARCHIVES
from buildfarm.model.wheel import Severity
from buildfarm.recipe.diagnostic import Diagnostic, Span, lines_of, render, suggestion
from buildfarm.recipe.parse import Parsed, parse_recipe
from buildfarm.recipe.requirements import parse_requirements

_SUFFIXES = (".yaml", ".yml")
_START = Span(line=1, column=1)

Demands = Callable[[Parsed, str], tuple[Diagnostic, ...]]
"""What is asked of a parsed recipe besides, by the name of its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A recipe file, and where in its text it names its project."""

    project: str
    file: str
    path: Path
    span: Span
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Recipes, and every diagnostic of every file, with the text that it points into (empty: into none).

    ``origins`` are the recipe files that name a project, those too that give no recipe.
    """

    recipes: tuple[Recipe, ...] = ()
    diagnostics: tuple[tuple[Diagnostic, str], ...] = ()
    origins: tuple[Origin, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether anything is wrong enough to stop."""
        return any(each.severity is Severity.ERROR for each, _ in self.diagnostics)

    @property
    def messages(self) -> str:
        """All diagnostics for a person."""
        return "\n\n".join(
            render(each, text)
            if text
            else f"{each.file}: {each.severity}[{each.code}]: {each.message}\nhelp: {each.help}"
            for each, text in self.diagnostics
        )

    def without_twins(self, within: Callable[[Origin], object] = lambda _: None) -> Read:
        """The same, with an error for each file that names a project which another file names before it.

        ``within`` tells what they must have in common to be in each other's way, such as the folder; default: nothing.
        """
        return replace(self, diagnostics=tuple(dict.fromkeys((*self.diagnostics, *_twice(self.origins, within)))))


def together(reads: Iterable[Read]) -> Read:
    """All of them as one, in order; two recipe files of one project in one folder are an error that names both."""
    each = tuple(reads)
    return Read(
        recipes=tuple(chain.from_iterable(one.recipes for one in each)),
        diagnostics=tuple(dict.fromkeys(chain.from_iterable(one.diagnostics for one in each))),
        origins=tuple(dict.fromkeys(chain.from_iterable(one.origins for one in each))),
    ).without_twins(lambda origin: origin.path.parent)


def recipe_files(path: Path) -> tuple[Path, ...]:
    """The recipe files at a path: itself, or those of a folder. A folder in it is a collection of its own."""
    if not path.is_dir():
        return (path,)
    found = (each for suffix in _SUFFIXES for each in path.glob(f"*{suffix}"))
    return tuple(sorted(each for each in found if not each.name.startswith(".") and not each.is_dir()))


def recipe_named(name: str, folder: Path) -> Recipe | None:
    """The recipe of a project in a folder of them; None where there is none, or one with errors."""
    path = folder / f"{name}.yaml"
    return next(iter(read_recipe_file(path).recipes), None) if path.is_file() else None


def read_recipe_file(path: Path, demands: Demands = lambda _parsed, _file: ()) -> Read:
    """One recipe file with its diagnostics; one that cannot be read is a diagnostic too."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return unreadable(path, error, "name a recipe file, or a folder with some")
    return read_recipe(content, path, demands)


def read_recipe(content: bytes, path: Path, demands: Demands = lambda _parsed, _file: ()) -> Read:
    """The bytes of a recipe file that is, or would be, at ``path``."""
    text = decoded(content, str(path))
    if isinstance(text, Read):
        return text
    parsed = parse_recipe(text, file=str(path), folder=str(path.parent.absolute()))
    found = (*parsed.diagnostics, *demands(parsed, str(path)), *_missing(parsed, str(path)))
    errors = any(each.severity is Severity.ERROR for each in found)
    named = Origin(
        project=parsed.name,
        file=str(path),
        path=path.absolute(),
        span=parsed.spans.get("name", _START),
        text=text,
    )
    return Read(
        recipes=(parsed.recipe,) if parsed.recipe and not errors else (),
        diagnostics=tuple((each, text) for each in sorted(found, key=lambda each: each.span)),
        origins=(named,) if parsed.name else (),
    )


def read_requirements_file(path: Path) -> Read:
    """The recipes that a requirements file stands for."""
    try:
        text = decoded(path.read_bytes(), str(path))
    except OSError as error:
        return unreadable(path, error, "name a requirements file")
    if isinstance(text, Read):
        return text
    parsed = parse_requirements(text, file=str(path))
    return Read(recipes=parsed.recipes, diagnostics=tuple((each, text) for each in parsed.diagnostics))


def decoded(content: bytes, file: str) -> str | Read:
    """The text of a file (UTF-8), or the diagnostic of the first byte that is none."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        lines = lines_of(content[: error.start].decode("utf-8"))
        place = Span(line=len(lines), column=len(lines[-1]) + 1)
        utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        message = "the file is UTF-16" if utf16 else f"the byte 0x{content[error.start]:02x} is no UTF-8"
        text = "" if utf16 else content.decode("utf-8", "replace")
        return trouble(file, message, "save the file as UTF-8 text", code="encoding", span=place, text=text)


def unreadable(path: Path, error: OSError, advice: str) -> Read:
    """The diagnostic of a file that cannot be read."""
    why = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror or error}"
    return trouble(str(path), why, advice)


def trouble(file: str, message: str, advice: str, *, code: str = "file", span: Span = _START, text: str = "") -> Read:
    """One error as a reading."""
    error = Diagnostic(severity=Severity.ERROR, code=code, message=message, file=file, span=span, help=advice)
    return Read(diagnostics=((error, text),))


def is_project(path: Path) -> bool:
    """Whether a folder is that of a Python project."""
    return any((path / name).is_file() for name in ("pyproject.toml", "setup.py"))


def _missing(parsed: Parsed, file: str) -> Iterator[Diagnostic]:
    """What a recipe names and the disk does not have."""
    for place, name in parsed.files.items():
        path = Path(name)
        advice = "name an sdist, or a folder with pyproject.toml or setup.py"
        if not path.exists():
            message = f"there is no {path.name!r} in {path.parent}"
            siblings = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
            advice = suggestion(path.name, siblings) or "paths are relative to the recipe file"
        elif place != "source.path":
            if path.is_file():
                continue
            message, advice = f"{path.name!r} is a folder", "name a patch file"
        elif path.is_dir():
            if is_project(path):
                continue
            message = f"{path.name!r} holds neither pyproject.toml nor setup.py"
        else:
            if path.name.endswith(ARCHIVES):
                continue
            message = f"{path.name!r} is no sdist: its name ends with none of {', '.join(ARCHIVES)}"
        span = parsed.spans[place]
        yield Diagnostic(severity=Severity.ERROR, code="missing", message=message, file=file, span=span, help=advice)


def _twice(origins: Iterable[Origin], within: Callable[[Origin], object]) -> Iterator[tuple[Diagnostic, str]]:
    first: dict[tuple[object, str], Origin] = {}
    for origin in origins:
        other = first.setdefault((within(origin), origin.project), origin)
        if other.path != origin.path:
            place = f"{other.file}:{other.span.line}:{other.span.column}"
            error = Diagnostic(
                severity=Severity.ERROR,
                code="duplicate",
                message=f"{origin.project} has a recipe already, at {place}",
                file=origin.file,
                span=origin.span,
                help="one project has one recipe: put both into one, with overrides for what differs",
            )
            yield error, origin.text
