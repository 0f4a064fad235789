"""The documents say what is: every name, link, table, example and command in them is held against the code."""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import click
import pytest

from buildfarm import ports
from buildfarm.adapters.sql.arrows import ARROWS
from buildfarm.app.cli import cli
from buildfarm.app.server.documents import POLICY
from buildfarm.recipe.parse import parse_recipe
from buildfarm.recipe.table import json_schema
from buildfarm.verify.rules import RULES

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
RECIPES = ROOT / "docs" / "recipes.md"
PAGES = (README, *sorted((ROOT / "docs").rglob("*.md")), ROOT / "images" / "README.md")

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_CALL = re.compile(r"^(?:\$ )?(?:\S*/)?buildfarm +(?P<words>[a-z].*)$")
_WORD = re.compile(r"[a-z]+(-[a-z]+)*")


def fences(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return [found["text"] for found in _FENCE.finditer(text) if found["language"] == language]


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def tables(page: Path) -> Iterator[list[list[str]]]:
    """Tables of a page, each a list of rows of cells, its header first."""
    for block in re.findall(r"(?:^\|.*\|$\n?)+", prose(page), re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
        yield [[cell.strip() for cell in row] for row in rows if not set("".join(row)) <= set(" -")]


def table(page: Path, *header: str) -> list[list[str]]:
    """The rows of the one table that has this header."""
    (found,) = (rows for rows in tables(page) if rows[0] == list(header))
    return found[1:]


def links(page: Path) -> set[str]:
    return {found["target"] for found in _LINK.finditer(prose(page))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    relative = [urlsplit(link) for link in links(page) if not urlsplit(link).scheme]
    lost = [link.path for link in relative if not (page.parent / link.path).exists()]
    assert not lost


def test_every_anchor_is_a_heading() -> None:
    for page in PAGES:
        for link in map(urlsplit, links(page)):
            if link.fragment and not link.scheme:
                target = page.parent / link.path if link.path else page
                headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
                assert link.fragment in {heading.lower().replace(" ", "-") for heading in headings}, (page, link)


def modules(order: list[str]) -> str:
    """Every module with the first paragraph of its docstring, below its package; these first, in that order."""
    rows: dict[str, list[str]] = {package: [] for package in order}
    for path in sorted((ROOT / "buildfarm").rglob("*.py")):
        if path.name != "__init__.py":
            package, name = path.parent.relative_to(ROOT).as_posix().removeprefix("buildfarm/"), path.name
            if package == "steps/inside":
                package, name = "steps", f"inside/{name}"
            said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            told = " ".join(said.partition("\n\n")[0].split()).removesuffix(".").replace("``", "`")
            rows.setdefault(package, []).append(f"| [{name}](../{path.relative_to(ROOT).as_posix()}) | {told} |\n")
    head = "| module | |\n| --- | --- |\n"
    return "".join(f"\n### {package}\n\n{head}{''.join(found)}" for package, found in rows.items() if found)


def test_every_module_has_its_row_which_is_its_docstring() -> None:
    page = ARCHITECTURE.read_text(encoding="utf-8")
    before, mark, after = page.partition("## Modules\n")
    made = before + mark + modules(re.findall(r"^### (\S+)$", after, re.MULTILINE))
    if os.environ.get("BUILDFARM_REGOLD"):
        ARCHITECTURE.write_text(made, encoding="utf-8")
    assert ARCHITECTURE.read_text(encoding="utf-8") == made


def test_every_path_of_ours_in_code_exists() -> None:
    for page in PAGES:
        for code in _CODE.findall(prose(page)):
            if re.fullmatch(r"(buildfarm|tests|docs|ci|images)/[\w./-]+", code):
                assert (ROOT / code).exists(), (page, code)
            elif re.fullmatch(r"(adapters|app|farm|model|pages|plan|recipe|steps|verify)/[\w/]+\.\w+", code):
                assert (ROOT / "buildfarm" / code).exists(), (page, code)


def test_every_port_is_named_with_adapters_that_have_its_methods() -> None:
    protocols = {
        name: each
        for name, each in vars(ports).items()
        if isinstance(each, type) and each.__module__ == ports.__name__ and Protocol in each.__bases__
    }
    rows = {
        _CODE.findall(port)[0]: _CODE.findall(adapters)
        for port, _, adapters in table(ARCHITECTURE, "port", "what it is", "adapters")
    }
    assert rows.keys() == protocols.keys()
    for port, adapters in rows.items():
        methods = {name for name in vars(protocols[port]) if not name.startswith("_")}
        for path in (each for each in adapters if "." in each):
            module, _, name = path.rpartition(".")
            adapter = getattr(import_module(f"buildfarm.adapters.{module}"), name)
            assert methods <= set(dir(adapter)), (port, path)


def test_the_arrows_are_those_of_the_ledger() -> None:
    rows = table(ARCHITECTURE, "from", "to", "who", "what it means")
    assert len(rows) == len(ARROWS)
    assert {(before, after) for before, after, *_ in rows} == ARROWS


def test_every_rule_is_described() -> None:
    assert [_CODE.findall(rule)[0] for rule, _ in table(RECIPES, "rule", "what it holds the wheel to")] == list(RULES)


def test_every_key_of_a_recipe_is_described() -> None:
    rows = [_CODE.findall(key)[0] for key, *_ in table(RECIPES, "key", "value", "what it means")]
    assert len(rows) == len(set(rows))
    assert set(rows) == set(keys(json_schema()))


def keys(schema: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Paths of all keys; a part of an override has those of the recipe's own part, and is not entered."""
    for shape in (schema, *schema.get("anyOf", ())):
        for name, inner in shape.get("properties", {}).items():
            path = f"{at}.{name}".lstrip(".")
            yield path
            if path == "overrides[].tests":
                yield from keys({"anyOf": [each for each in inner["anyOf"] if each["type"] == "object"]}, path)
            elif not at.startswith("overrides"):
                yield from keys(inner, path)
        if "items" in shape:
            yield from keys(shape["items"], f"{at}[]")
        if isinstance(shape.get("additionalProperties"), dict):
            yield from keys(shape["additionalProperties"], f"{at}.NAME")


RECIPE_PAGES = [page for page in PAGES if page.name not in ("images.md", "settings.md")]  # their examples are their own
EXAMPLES = [
    pytest.param(text, id=f"{page.name}-{number}")
    for page in RECIPE_PAGES
    for number, text in enumerate(fences(page, "yaml"))
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_parses(text: str) -> None:
    parsed = parse_recipe(text, file="example.yaml", folder="/recipes")
    assert parsed.diagnostics == ()


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_of_ours_parses(path: Path) -> None:
    parsed = parse_recipe(path.read_text(encoding="utf-8"), file=path.name, folder="/recipes")
    assert parsed.diagnostics == ()
    assert parsed.recipe is not None
    assert path.name == f"{parsed.recipe.name}.yaml"


def test_the_recipe_in_the_readme_is_one_of_ours() -> None:
    assert fences(README, "yaml") == [(ROOT / "recipes" / "ujson.yaml").read_text(encoding="utf-8")]


def calls(page: Path) -> Iterator[list[str]]:
    """Calls of our command line in a page: in code, and in examples for a shell."""
    shell = [line for language in ("sh", "text") for text in fences(page, language) for line in text.splitlines()]
    for code in (*shell, *_CODE.findall(prose(page).replace("\\|", "/"))):
        if call := _CALL.match(code.strip()):
            yield shlex.split(call["words"], comments=True)


def test_every_command_exists() -> None:
    found = [(page, words) for page in PAGES for words in calls(page)]
    assert len({page for page, _ in found}) > 2
    for page, words in found:
        command, names = cast("click.Command", cli), words
        while isinstance(command, click.Group):
            name = next((each for each in names if _WORD.fullmatch(each)), "")
            if command.invoke_without_command and name not in command.commands:
                break
            assert name in command.commands, (page, words)
            command, names = command.commands[name], names[names.index(name) + 1 :]
        options = {option for each in (*cli.params, *command.params) for option in each.opts}
        written = {word.strip("[]") for word in names if word.strip("[").startswith("-")}
        assert written <= options, (page, words)


def test_the_policy_of_documentation_is_written_as_it_is_sent() -> None:
    (policy,) = re.findall(r"Content-Security-Policy: (.*)", (ROOT / "docs" / "serving.md").read_text(encoding="utf-8"))
    assert policy == "; ".join((*POLICY, "form-action https://packages.example/"))


def test_every_command_is_in_the_readme() -> None:
    code = " ".join(_CODE.findall(README.read_text(encoding="utf-8")))
    assert {name for name in cli.commands if not re.search(rf"\b{name}\b", code)} == set()
