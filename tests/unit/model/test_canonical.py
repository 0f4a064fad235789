"""What goes into the ledger comes out of it, and equal values have equal bytes."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Union, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildfarm.model import events, index, job, outcome, plan, recipe, session, target, token, wheel
from buildfarm.model.canonical import canonical, digest, from_plain, to_plain
from buildfarm.model.facts import KnownSource, KnownWheel
from buildfarm.model.recipe import GitSource, Limits, Override, PathSource, Recipe, System, Track, UrlSource


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of any type that a field of the model has."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return st.one_of([values(each) for each in arguments])
    if origin is tuple and arguments[-1] is not Ellipsis:
        return st.tuples(*(values(each) for each in arguments))
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is frozenset:
        return st.frozensets(values(arguments[0]), max_size=2)
    if origin is not None and issubclass(origin, Mapping):
        return st.dictionaries(st.text(max_size=3), values(arguments[1]), max_size=2)
    if dataclasses.is_dataclass(hint):
        kind: Any = hint
        return st.deferred(lambda: st.builds(kind, **{name: values(each) for name, each in hints(kind).items()}))
    if issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(max_size=5),
        int: st.integers(),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        types.NoneType: st.none(),
    }
    return simple[hint]


def hints(kind: Any) -> dict[str, Any]:
    every = typing.get_type_hints(kind)
    return {field.name: every[field.name] for field in dataclasses.fields(kind)}


def frozen_values() -> Iterator[type]:
    modules = (events, index, job, outcome, plan, recipe, session, target, token, wheel)
    for module in modules:
        for each in vars(module).values():
            if isinstance(each, type) and dataclasses.is_dataclass(each) and each.__module__ == module.__name__:
                yield each
    yield from (KnownSource, KnownWheel)


# The payload of an event is one of several types, and kept with the name of its own.
@pytest.mark.parametrize("kind", [each for each in frozen_values() if each is not events.IndexEvent])
def test_every_frozen_value_comes_back(kind: type) -> None:
    @settings(max_examples=5, deadline=None)
    @given(values(kind))
    def comes_back(value: object) -> None:
        assert from_plain(kind, json.loads(canonical(value))) == value

    comes_back()


def test_defaults_are_omitted_at_every_depth() -> None:
    assert to_plain(Recipe(name="demo")) == {"name": "demo"}
    assert to_plain(Recipe(name="demo", limits=Limits(wall=10))) == {"name": "demo", "limits": {"wall": 10}}
    assert canonical(Recipe(name="demo", versions=("1.0",), system=System())) == b'{"name":"demo","versions":["1.0"]}'


def test_a_field_that_is_added_with_a_default_leaves_the_bytes_alone() -> None:
    fields = [(name, hint, dataclasses.field(default=0)) for name, hint in (("a", int), ("b", int))]
    old = dataclasses.make_dataclass("Value", fields[:1])
    new = dataclasses.make_dataclass("Value", fields)
    assert canonical(new(a=3)) == canonical(old(a=3)) != canonical(new(a=3, b=1))


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=4))
def test_the_order_of_a_mapping_does_not_count(mapping: dict[str, str]) -> None:
    assert digest(mapping) == digest(dict(reversed(mapping.items())))


def test_an_empty_part_is_not_an_absent_one() -> None:
    keeps, clears = Override(select="*"), Override(select="*", system=System(), tests=())
    assert from_plain(Override, to_plain(clears)) == clears != keeps


@pytest.mark.parametrize(
    "source", [UrlSource(url="u", sha256="s"), GitSource(git="g", commit="c"), PathSource(path="/p")], ids=str
)
def test_each_kind_of_source_is_told_apart(source: UrlSource | GitSource | PathSource) -> None:
    asked = Recipe(name="demo", source=source, versions=Track(keep=3))
    assert from_plain(Recipe, to_plain(asked)) == asked


@pytest.mark.parametrize("plain", [{"name": "demo", "colour": "red"}, {}, {"name": "demo", "source": {"colour": 1}}])
def test_plain_data_of_another_shape_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises((TypeError, KeyError)):
        from_plain(Recipe, plain)


def test_a_text_that_is_no_unicode_has_a_digest_too() -> None:
    """Requirements come from the code of a package, by way of JSON: none of them may bring the coordinator down."""
    assert digest(["\ud800"]) != digest(["\ud801"])
