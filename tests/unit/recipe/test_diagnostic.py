from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from buildfarm.model.wheel import Severity
from buildfarm.recipe.diagnostic import Diagnostic, Span, render, suggestion, to_plain


def diagnostic(line: int, column: int, length: int = 1, advice: str = "") -> Diagnostic:
    return Diagnostic(
        severity=Severity.ERROR,
        code="value",
        message="not so",
        file="six.yaml",
        span=Span(line=line, column=column, length=length),
        help=advice,
    )


def test_place_line_caret_and_help() -> None:
    rendered = render(diagnostic(2, 8, 3, "thus"), "name: six\nwheel: abi\n")
    assert rendered.splitlines() == [
        "six.yaml:2:8: error[value]: not so",
        "   2 | wheel: abi",
        "     |        ^^^",
        "help: thus",
    ]


def test_the_caret_of_wide_characters_is_wide() -> None:
    assert render(diagnostic(1, 4, 2), "データ平台 x").splitlines()[-1] == "     |       ^^^^"


def test_terminal_commands_of_the_file_are_not_shown() -> None:
    assert "\x1b" not in render(diagnostic(1, 1), "\x1b[31mred")


def test_a_byte_order_mark_is_no_column() -> None:
    assert "   1 | name" in render(diagnostic(1, 1, 4), "\ufeffname")


@given(st.text(), st.integers(1, 9), st.integers(1, 500), st.integers(1, 500))
def test_any_place_in_any_text_can_be_shown(text: str, line: int, column: int, length: int) -> None:
    _, source, caret = render(diagnostic(line, column, length), text).split("\n")
    assert len(source) < 140
    assert caret.endswith("^")


def test_plain_form_has_the_column_after_the_token() -> None:
    plain = to_plain(diagnostic(2, 8, 3))
    assert (plain["line"], plain["column"], plain["end_column"]) == (2, 8, 11)
    assert set(plain) == {"file", "line", "column", "end_column", "severity", "code", "message", "help"}


def test_suggestion_is_near_or_nothing() -> None:
    assert suggestion("sorce", ["source", "system"]) == "did you mean 'source'?"
    assert suggestion("flavour", ["source", "system"]) == ""
