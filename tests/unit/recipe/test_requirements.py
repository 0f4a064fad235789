from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.model.recipe import Recipe, SdistSource, Targets, Track
from buildfarm.recipe.diagnostic import Diagnostic, Span
from buildfarm.recipe.requirements import ParsedRequirements, parse_requirement, parse_requirements

HASH = "sha256:" + "0" * 64


def parse(text: str) -> ParsedRequirements:
    return parse_requirements(text, file="requirements.txt")


@pytest.mark.parametrize(
    ("line", "recipe"),
    [
        ("pandas", Recipe(name="pandas")),
        ("Foo.Bar ", Recipe(name="foo-bar")),
        ("pandas==2.2.0", Recipe(name="pandas", versions=("2.2.0",))),
        ("pandas === 2.2", Recipe(name="pandas", versions=("2.2",))),
        ("pandas==2.2.*", Recipe(name="pandas", versions=("==2.2.*",))),
        ("pandas>=2,<3", Recipe(name="pandas", versions=("<3,>=2",))),
        ("pandas==2.0,>1", Recipe(name="pandas", versions=("==2.0,>1",))),
        (
            f"pandas==2.2.0 --hash={HASH}",
            Recipe(name="pandas", versions=("2.2.0",), source=SdistSource(hashes={"2.2.0": HASH})),
        ),
        ("tomli; python_version < '3.11'", Recipe(name="tomli", targets=Targets(python="<3.11"))),
        (
            "tomli ; python_version <= '3.11' and python_version > '3.7'",
            Recipe(name="tomli", targets=Targets(python="<3.12,>=3.8")),
        ),
        ("tomli ; python_version == '3.11'", Recipe(name="tomli", targets=Targets(python="==3.11.*"))),
    ],
)
def test_a_line_is_a_recipe(line: str, recipe: Recipe) -> None:
    parsed = parse(line)
    assert parsed.diagnostics == ()
    assert parsed.recipes == (recipe,)
    assert parse_requirement(line) == recipe


def test_comments_blank_lines_and_continuations() -> None:
    parsed = parse(f"# all\n\n  six==1.16.0 \\\n    --hash={HASH}   # pinned\n\\\npandas\\\n>=2\n# not \\\nattrs\n")
    assert parsed.diagnostics == ()
    assert [(each.name, each.versions) for each in parsed.recipes] == [
        ("six", ("1.16.0",)),
        ("pandas", (">=2",)),
        ("attrs", Track()),
    ]


def test_versions_of_one_project_add_up() -> None:
    parsed = parse(f"six==1.16.0\npandas\nSix==1.15.0 --hash={HASH}\nsix==1.16.0\n")
    assert parsed.diagnostics == ()
    assert parsed.recipes[0] == Recipe(
        name="six", versions=("1.16.0", "1.15.0"), source=SdistSource(hashes={"1.15.0": HASH})
    )


@pytest.mark.parametrize(
    ("line", "code", "span"),
    [
        ("-r other.txt", "option", Span(line=1, column=1, length=12)),
        ("--index-url https://example.invalid/simple", "option", Span(line=1, column=1, length=42)),
        ("-e .", "option", Span(line=1, column=1, length=4)),
        ("six --no-binary", "option", Span(line=1, column=5, length=11)),
        ("  six=>1", "value", Span(line=1, column=3, length=6)),
        ("./six.tar.gz", "value", Span(line=1, column=1, length=12)),
        ("six @ https://example.invalid/six.whl", "value", Span(line=1, column=1, length=37)),
        (f"six --hash={HASH}", "value", Span(line=1, column=1, length=3)),
        ("six==1.0 --hash=md5:0", "value", Span(line=1, column=10, length=12)),
        ("six==1.0 \\\n  --hash=md5:0", "value", Span(line=2, column=3, length=12)),
        ("six\nsix>=1", "duplicate", Span(line=2, column=1, length=6)),
        ("six==1.0\nsix==1.1; python_version > '3.8'", "duplicate", Span(line=2, column=1, length=32)),
        ("six; python_version < '2.7'", "value", Span(line=1, column=1, length=27)),
    ],
)
def test_what_is_refused(line: str, code: str, span: Span) -> None:
    (found,) = parse(line).diagnostics
    assert (found.code, found.span, str(found.severity)) == (code, span, "error")
    assert found.help


@pytest.mark.parametrize(
    ("line", "help_"),
    [
        ("six=>2", "did you mean 'six>=2'?"),
        ("six 2", "did you mean 'six==2'?"),
        ("git+https://example.invalid/six@main#egg=six", "source: {git: https://example.invalid/six, commit: …}"),
        ("git+ssh://git@example.invalid/six", "source: {git: ssh://"),
        ("six @ git+https://example.invalid/six", "source: {git: https://example.invalid/six, commit: …}"),
        ("--no-binary :all:", "that is what buildfarm does anyway: leave it out"),
        ("--no-binary=:all:", "that is what buildfarm does anyway: leave it out"),
    ],
)
def test_what_to_write_instead(line: str, help_: str) -> None:
    (found,) = parse(line).diagnostics
    assert help_ in found.help


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("six; sys_platform == 'win32'", "marker"),
        ("six; python_version < '3.11' or python_version > '3.12'", "marker"),
        ("six[all]", "unused"),
        (f"six==1.0 --hash={HASH} --hash=sha256:{'1' * 64}", "unused"),
    ],
)
def test_what_is_ignored_is_said(line: str, code: str) -> None:
    parsed = parse(line)
    assert [(each.code, str(each.severity)) for each in parsed.diagnostics] == [(code, "warning")]
    assert parsed.recipes[0].source == SdistSource()
    assert parsed.recipes[0].targets == Targets()


def test_a_wrong_line_does_not_hide_the_others() -> None:
    parsed = parse("six\n-e .\npandas\n???\n")
    assert [each.name for each in parsed.recipes] == ["six", "pandas"]
    assert [each.span.line for each in parsed.diagnostics] == [2, 4]


@pytest.mark.parametrize("text", ["", "  ", "# six", "-r", "pandas==", "a b"])
def test_an_operand_that_is_none(text: str) -> None:
    found = parse_requirement(text)
    assert isinstance(found, Diagnostic)
    assert found.span.line == 1


@given(
    st.text()
    | st.lists(st.sampled_from(["six", "==", "1.0", " ", "\\\n", "\n", "--hash=", "#", ";", "[", "]"])).map("".join)
)
def test_any_text_is_recipes_and_diagnostics(text: str) -> None:
    parsed = parse(text)
    assert len({each.name for each in parsed.recipes}) == len(parsed.recipes)
    found = parse_requirement(text)
    assert isinstance(found, Recipe | Diagnostic)
