from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.recipe.diagnostic import Span
from buildfarm.recipe.nodes import Kind, ListNode, MapNode, Node, Scalar, spans_of
from buildfarm.recipe.reading import Reading
from buildfarm.recipe.yamltree import LONGEST, read_tree


def tree(text: str) -> tuple[Node | None, list[str]]:
    reading = Reading("file")
    return read_tree(text, reading), [each.code for each in reading.diagnostics]


def plain(node: Node) -> object:
    if isinstance(node, MapNode):
        return {key.text: plain(value) for key, value in node.entries}
    return [plain(each) for each in node.items] if isinstance(node, ListNode) else node.text


def test_every_value_has_its_path_and_place() -> None:
    node, _ = tree("name: six\nbuild:\n  requires:\n    add: [a, 'b c']\ntests:\n  - run: x\n")
    assert node is not None
    spans = dict(spans_of(node))
    assert spans["name"] == Span(line=1, column=7, length=3)
    assert spans["build.requires.add"] == Span(line=4, column=10, length=10)
    assert spans["build.requires.add[1]"] == Span(line=4, column=14, length=5)
    assert spans["tests[0].run"] == Span(line=6, column=10, length=1)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("2.10", Kind.NUMBER),
        ("'2.10'", Kind.TEXT),
        ("2.10.1", Kind.TEXT),
        ("7", Kind.WHOLE),
        ("yes", Kind.BOOLEAN),
        ("~", Kind.NULL),
        ("2024-01-01", Kind.DATE),
        ("4GiB", Kind.TEXT),
    ],
)
def test_kinds_of_scalars(text: str, kind: Kind) -> None:
    node, _ = tree(text)
    assert isinstance(node, Scalar)
    assert node.kind is kind
    assert node.text == text.strip("'")


def test_a_piece_of_a_quoted_scalar_has_its_own_place() -> None:
    node, _ = tree('  "ab{cd}"')
    assert isinstance(node, Scalar)
    assert node.part(2, 4) == Span(line=1, column=6, length=4)


def test_a_piece_of_an_escaped_scalar_has_the_place_of_the_whole() -> None:
    node, _ = tree(r'"a\tb{cd}"')
    assert isinstance(node, Scalar)
    assert node.part(3, 4) == node.span


def test_line_ends_and_byte_order_mark() -> None:
    node, codes = tree("\ufeffname: six\r\nwheel: pure\r\n")
    assert codes == []
    assert isinstance(node, MapNode)
    assert node.entries[1][0].span == Span(line=2, column=1, length=5)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: &x 1", "anchor"),
        ("a: *x", "anchor"),
        ("a: !x 1", "tag"),
        ("a: !!python/object:os.system {}", "tag"),
        ("a: 1\n---\nb: 1\n", "documents"),
        ("a: 1\na: 2\n", "duplicate-key"),
        ("a:\n\tb: 1\n", "tab"),
        ("a: [1", "yaml"),
        ("a: \x00", "character"),
        ("a: \ud800", "character"),
        ("[" * 100_000, "too-much"),
        ("- " * 100_000, "too-much"),
        ("a: [" + "1," * 60_000 + "]", "too-much"),
        ("#" * (LONGEST + 1), "too-much"),
    ],
)
def test_what_is_refused(text: str, code: str) -> None:
    assert tree(text)[1] == [code]


values = st.recursive(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(values, st.booleans())
def test_what_another_writer_writes_is_read(value: object, flow: bool) -> None:
    written = yaml.safe_dump(value, allow_unicode=True, default_flow_style=flow)
    node, codes = tree(written)
    assert codes == []
    assert node is not None
    assert plain(node) == value


@given(st.text(max_size=200) | st.text("a:-[]{}&*!|>'\"#%@`? \n\t,0", max_size=60))
def test_any_text_gives_a_tree_or_an_error_or_is_empty(text: str) -> None:
    node, codes = tree(text)
    assert node is not None or codes or not text.strip() or text.strip().startswith(("#", "---", "%", "\ufeff"))
