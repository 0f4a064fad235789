"""Layout and edits of recipe texts: whatever way a recipe is written, nothing of it is lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from buildfarm.model.recipe import SdistSource, UrlSource
from buildfarm.recipe.edits import UNKNOWN, with_sdist_hashes, with_url_hash
from buildfarm.recipe.layout import Unformattable, lay_out, spell
from buildfarm.recipe.parse import parse_recipe

ROOT = Path(__file__).parents[3]
TEXTS = [*sorted(ROOT.glob("recipes/**/*.yaml")), *sorted((ROOT / "tests/golden/diagnostics").glob("*.yaml"))]
HASHES = ["sha256:" + digit * 64 for digit in "0123456789abcdef"]


def parsed(text: str) -> Any:
    return parse_recipe(text, file="recipe.yaml", folder="/recipes").recipe


# ------------------------------------------------------------------------------------------- recipes, written anyhow

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12)
VALUES = WORDS | st.sampled_from(["1", "yes", "null", "~", "# no comment", "a: b", "- x", "it's", '"', "\\", "{work}"])
SAFE_VALUES = VALUES.filter(lambda text: "{" not in text and "}" not in text)
ENV = st.dictionaries(st.sampled_from(["CFLAGS", "A_B", "X", "Y"]), SAFE_VALUES, max_size=3)
COMMANDS = st.sampled_from(['python -c "import x; assert x.y == [1]"', "python -m pytest -q", "python 'a b.py'"])
TEST = st.fixed_dictionaries(
    {"run": COMMANDS | st.lists(COMMANDS, min_size=1, max_size=2)},
    optional={
        "in": st.just("tests"),
        "requires": st.lists(st.sampled_from(["pytest", "SQLAlchemy>=2"]), unique=True, max_size=2),
        "sources": st.just(["tests/"]),
        "files": st.dictionaries(
            st.sampled_from(["a.cfg", "b/c.cfg"]), SAFE_VALUES | st.just("[x]\ny=1\n"), max_size=2
        ),
        "env": ENV,
    },
)
VERSIONS = st.lists(st.sampled_from(["1.0", "1.1", "2.0.1", "3.0rc1"]), unique=True, min_size=1, max_size=4)
RECIPES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"name": st.sampled_from(["six", "Foo_bar", "ujson"]), "versions": VERSIONS},
    optional={
        "targets": st.just({"python": ">=3.11", "platforms": ["*manylinux_*", "win_amd64"]}),
        "wheel": st.sampled_from(["auto", "pure"]),
        "system": st.just({"apt": ["libffi-dev"], "dnf": ["libffi-devel"]}),
        "build": st.fixed_dictionaries({}, optional={"env": ENV, "requires": st.just({"add": ["setuptools<81"]})}),
        "limits": st.just({"wall": "2h", "pids": 12, "cpus": 1.5}),
        "tests": st.lists(TEST, min_size=1, max_size=2),
        "overrides": st.just([{"select": "*-musllinux_*", "tests": {"skip": "no: server"}}]),
        "publish": st.just({"all_targets": True}),
        "owners": st.lists(WORDS.filter(str.strip), unique=True, max_size=3),
    },
)


@st.composite
def written(draw: st.DrawFn, recipes: st.SearchStrategy[dict[str, Any]] = RECIPES) -> str:
    """A recipe in any style: order of keys, brackets or not, quotes, comments, blank lines, indentation, line ends."""
    recipe = draw(recipes)
    lines = list(_block(draw, {key: recipe[key] for key in draw(st.permutations(list(recipe)))}, 0))
    if draw(st.booleans()):
        lines.append("# the end")
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    return newline.join(lines) + draw(st.sampled_from(["", newline]))


def _block(draw: st.DrawFn, value: Any, indent: int) -> Any:
    margin = " " * indent
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        for _ in range(draw(st.integers(0, 2)) if draw(st.integers(0, 3)) == 0 else 0):
            yield draw(st.sampled_from(["", f"{margin}# above {key}", f"{margin}#"]))
        head = f"{margin}{_scalar(draw, key)}:" if isinstance(value, dict) else f"{margin}-"
        tail = draw(st.sampled_from(["", "", "  # beside", " # 'beside: it"]))
        deep = isinstance(inner, dict | list) and inner and draw(st.booleans())
        if deep:
            yield head + tail
            yield from _block(draw, inner, indent + draw(st.sampled_from([2, 3, 4])))
        elif isinstance(inner, dict | list) and inner and tail and draw(st.booleans()):
            flow = _flow(draw, inner)
            yield f"{head} {flow[0]} # first"
            yield f"{margin}     {flow[1:]}{tail}"
        else:
            yield f"{head} {_flow(draw, inner)}{tail}"
    if draw(st.integers(0, 5)) == 0 and indent:
        yield f"{margin}# below"


def _flow(draw: st.DrawFn, value: Any) -> str:
    space = draw(st.sampled_from(["", " "]))
    if isinstance(value, dict):
        inside = ", ".join(f"{_scalar(draw, key)}: {_flow(draw, each)}" for key, each in value.items())
        return f"{{{space}{inside}{space}}}"
    if isinstance(value, list):
        return f"[{space}{', '.join(_flow(draw, each) for each in value)}{space}]"
    return _scalar(draw, value)


def _scalar(draw: st.DrawFn, value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    quoted = spell(value, flow=True, quoted=True)
    return draw(st.sampled_from([quoted, spell(value, flow=True)]))


def comments(text: str) -> list[str]:
    return sorted(line.partition("# ")[2] for line in text.splitlines() if "# above" in line or "# below" in line)


# ------------------------------------------------------------------------------------------------------------- fmt


@settings(max_examples=30, deadline=None)
@given(written())
@example('# of the file\n\nversions: ["1.0"]\ntargets: {}\n\nname: six\n')  # both bring a blank line
def test_a_layout_keeps_recipe_and_comments_and_is_final(text: str) -> None:
    before = parsed(text)
    assume(before is not None)
    laid = lay_out(text)
    assert parsed(laid) == before
    assert lay_out(laid) == laid
    assert comments(laid) == comments(text)
    for comment in ("# beside", "# 'beside: it", "# first", "# the end"):
        assert laid.count(comment) == text.count(comment)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_every_text_that_parses_is_laid_out(path: Path) -> None:
    text = path.read_bytes().decode("utf-8", "replace")
    if parsed(text) is None:
        with pytest.raises(Unformattable):
            lay_out(text, folder="/recipes")
    else:
        laid = lay_out(text, folder="/recipes")
        assert parsed(laid) == parsed(text)
        assert lay_out(laid, folder="/recipes") == laid


WILD = """\
# yaml-language-server: $schema=../docs/recipe.schema.json
# Of the data team.

# How it is known to work.
tests:
- # the whole suite
  sources: [ tests/ ]   # all of them
  run: >-
      python -m pytest
      -q
  # only this
  requires:
      - 'pytest'
- imports: "auto"


build:
    env: { CFLAGS: '-DNDEBUG',   # fast
           QUOTED: 'yes' }
    # compiler: system
name: 'six'   # the name
versions: [1.0.2, "2.0"]
# that is all
"""

TAME = """\
# yaml-language-server: $schema=../docs/recipe.schema.json
# Of the data team.

name: six  # the name
versions: ["1.0.2", "2.0"]

build:
  env:
    CFLAGS: -DNDEBUG  # fast
    QUOTED: "yes"
  # compiler: system
# How it is known to work.
tests:
  # the whole suite
  - run: >-
      python -m pytest -q
    # only this
    requires: [pytest]
    sources: [tests/]  # all of them
  - imports: auto
# that is all
"""


def test_the_layout() -> None:
    assert lay_out(WILD) == TAME


@pytest.mark.parametrize("text", ["name: six\nnmae: six\n", "- six\n", "", "name: [\n"])
def test_what_is_no_recipe_is_left_alone(text: str) -> None:
    with pytest.raises(Unformattable):
        lay_out(text)


@pytest.mark.parametrize(
    ("text", "flow", "spelt"),
    [
        ("plain", True, "plain"),
        ("a, b", False, "a, b"),
        ("a, b", True, '"a, b"'),
        ("yes", False, '"yes"'),
        ("1e3", False, '"1e3"'),
        ("0x1f", False, '"0x1f"'),
        ("*-win_*", False, '"*-win_*"'),
        (">=3.11", False, '">=3.11"'),
        ('say "x"', False, 'say "x"'),
        ('"x" y', False, "'\"x\" y'"),
        ('it\'s: "x"', False, "'it''s: \"x\"'"),
        ("a\nb", False, '"a\\nb"'),
        ("", False, '""'),
        (" x", False, '" x"'),
        ("a # b", False, '"a # b"'),
    ],
)
def test_quotes_are_where_they_are_needed(text: str, flow: bool, spelt: str) -> None:
    assert spell(text, flow=flow) == spelt


# ------------------------------------------------------------------------------------------------------------- pin


@st.composite
def to_pin(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A text, and the hashes that it lacks."""
    recipe: dict[str, Any] = draw(RECIPES)
    some: list[str] = draw(st.lists(st.sampled_from(recipe["versions"]), unique=True))
    if draw(st.booleans()):
        recipe["source"] = {"sdist": {version: draw(st.sampled_from(HASHES)) for version in some}}
    else:
        some = []
    text = draw(written(st.just(recipe)))
    rest = [version for version in recipe["versions"] if version not in some]
    return text, {version: draw(st.sampled_from(HASHES)) for version in rest}


@settings(max_examples=30, deadline=None)
@given(to_pin(), st.sampled_from(["", "\ufeff"]))
def test_pinning_adds_the_hashes_and_nothing_else(case: tuple[str, dict[str, str]], mark: str) -> None:
    text, hashes = mark + case[0], case[1]
    before = parsed(text)
    assume(before is not None)
    after = with_sdist_hashes(text, hashes)
    start = next((at for at, (old, new) in enumerate(zip(text, after, strict=False)) if old != new), len(text))
    added = len(after) - len(text)
    assert any(after[:at] + after[at + added :] == text for at in range(max(0, start - added), start + 1))
    assert dict(parsed(after).source.hashes) == {**before.source.hashes, **hashes}
    assert parsed(after) == parsed_with(before, {**before.source.hashes, **hashes})
    assert with_sdist_hashes(after, {}) == after
    if "\r\n" in text:
        assert after.count("\n") == after.count("\r\n")


def parsed_with(recipe: Any, hashes: dict[str, str]) -> Any:
    return replace(recipe, source=SdistSource(hashes=hashes))


@pytest.mark.parametrize(
    "text",
    [
        "name: six\nversions: ['1.0']\nsource:\n  url: https://files.example/six-1.0.tar.gz\n  sha256:\n",
        "name: six\nversions: ['1.0']\nsource:\n  url: https://files.example/six-1.0.tar.gz  # the\n\n",
        "name: six\nversions: ['1.0']\nsource: {url: https://files.example/six-1.0.tar.gz, sha256: ''}  # x",
        "{name: six, versions: ['1.0'], source: {url: 'https://files.example/six-1.0.tar.gz'}}",
        f"name: six\nversions: ['1.0']\nsource: {{sha256: '{UNKNOWN}', url: https://files.example/six-1.0.tar.gz}}",
    ],
)
def test_the_hash_of_a_url_is_filled_in(text: str) -> None:
    after = with_url_hash(text, HASHES[10])
    assert parsed(after).source == UrlSource(url="https://files.example/six-1.0.tar.gz", sha256=HASHES[10])
    assert [line for line in text.splitlines() if "sha256" not in line and "url" not in line] == [
        line for line in after.splitlines() if "sha256" not in line and "url" not in line
    ]


@pytest.mark.parametrize(
    "text",
    [
        "name: six\n",
        "name: six\nsource: {sdist: {}}\n",
        f"name: six\nsource: {{url: https://files.example/six.zip, sha256: {HASHES[3]}}}\n",
        "name: six\nsource: {url: https://files.example/six.zip, sha256: md5}\n",
        "name: six\nsource: here\n",
    ],
)
def test_no_hash_is_written_over(text: str) -> None:
    assert with_url_hash(text, HASHES[10]) == text
