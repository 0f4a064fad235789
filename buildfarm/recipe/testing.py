"""What a test lacks to be one, and what in it only a command would use."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from buildfarm.model.recipe import Recipe, Service
from buildfarm.recipe.commands import words_of
from buildfarm.recipe.diagnostic import Span, suggestion
from buildfarm.recipe.nodes import MapNode, Scalar
from buildfarm.recipe.reading import Reading

_DOING = ("imports", "run")
_RUNNERS = {"pytest": "pytest", "py.test": "pytest", "nose2": "nose2"}


def check_test(node: MapNode, reading: Reading) -> None:
    """Tell a test that does nothing, keys that nothing in it uses, and what its commands do not have."""
    if not any(key.text in _DOING or suggestion(key.text, _DOING) for key, _ in node.entries):  # misspelt: told already
        reading.error("no-test", node.start, "a test needs 'imports' or 'run'", "imports: auto")
    for key, _ in node.entries:
        if "run" not in node and key.text in ("services", "sources", "files", "in"):
            message = f"only a command uses {key.text!r}, and this test has no 'run'"
            reading.warn("unused", key.span, message, "run: [python -m pytest]")
    services = node.get("services")
    for name, _ in services.entries if isinstance(services, MapNode) else ():
        if name.text == "work":
            reading.error("value", name.span, f"a service cannot be {name.text!r}: {{work}} is a folder", "name: db")
    _folder(node, reading)
    _runner(node, reading)


def _folder(node: MapNode, reading: Reading) -> None:
    """Tell a working directory into which nothing is put."""
    folder, files = node.get("in"), node.get("files")
    if not isinstance(folder, Scalar) or "run" not in node or "\\" in folder.text:
        return
    put = [scalar.text for scalar in node.scalars("sources")]
    put += [name.text for name, _ in files.entries] if isinstance(files, MapNode) else []
    inside = _split(folder.text)
    if not any(inside[: len(each)] == each or each[: len(inside)] == inside for each in map(_split, put)):
        advice = f"sources: [{folder.text}] puts that folder of the source there"
        reading.warn("missing", folder.span, f"nothing is put into {folder.text!r}: there is no such folder", advice)


def _runner(node: MapNode, reading: Reading) -> None:
    """Tell a test runner that is not installed."""
    names = [_name(scalar.text) for scalar in node.scalars("requires")]
    for command in node.scalars("run"):
        words = words_of(command)
        word = words[2] if words[1:2] == ["-m"] and len(words) > 2 else (words or [""])[0]
        wanted = _RUNNERS.get(word, "")
        if wanted and not any(name.startswith(wanted) for name in names):  # a plug-in brings its runner
            start = command.text.find(word)
            message = f"{wanted} is not there: only the wheel and what it requires are"
            reading.warn("missing", command.part(start, len(word)), message, f"requires: [{wanted}]")


def judge_services(recipe: Recipe, spans: Mapping[str, Span], reading: Reading) -> None:
    """Tell one name for two services: the tests of a recipe share their session, and so its servers."""
    lists = {"tests": recipe.tests} | {
        f"overrides[{n}].tests": each.tests or () for n, each in enumerate(recipe.overrides)
    }
    for path, tests in lists.items():
        known: dict[str, Service] = {}
        for number, test in enumerate(tests):
            for name, service in test.services.items():
                if known.setdefault(name, service) != service:
                    message = f"another test has a service {name!r} that is not the same, and all share one session"
                    advice = "give it another name, or the same image and env"
                    reading.error("conflict", spans[f"{path}[{number}].services.{name}"], message, advice)


def _split(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _name(text: str) -> str:
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:  # told by the field
        return ""
