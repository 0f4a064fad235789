from __future__ import annotations

import pytest

from buildfarm.model.index import Index, IndexClass, awaited, closure, heirs, is_name, laid_open, pending_of, refused

MADE = (
    Index(name="mirror", kind=IndexClass.MIRROR),
    Index(name="company/base", bases=("mirror",)),
    Index(name="company/internal", bases=("company/base",)),
    Index(name="company/dev", bases=("company/internal", "company/extra", "company/base")),
    Index(name="company/extra"),
    Index(name="customer/release"),
    Index(name="company/base/+pending", bases=("company/base",)),
)
INDEXES = {each.name: each for each in MADE}


def names(name: str) -> list[str]:
    return [each.name for each in closure(name, INDEXES)]


def test_own_first_then_the_bases_depth_first_and_none_twice() -> None:
    assert names("company/dev") == ["company/dev", "company/internal", "company/base", "mirror", "company/extra"]
    assert names("customer/release") == ["customer/release"]
    assert names("never/configured") == ["never/configured"]


def test_heirs_are_all_that_inherit_however_far() -> None:
    assert heirs("company/base", INDEXES) == (
        *("company/base", "company/base/+pending", "company/dev", "company/internal"),
    )
    assert heirs("customer/release", INDEXES) == ("customer/release",)
    assert "company/dev" in heirs("mirror", INDEXES)


def test_what_waits_for_an_index_inherits_from_it_and_gives_it_nothing() -> None:
    assert awaited(pending_of("company/qa")) == "company/qa"
    assert awaited("company/qa") == ""
    assert [each.name for each in closure("company/dev/+pending", INDEXES)][:2] == [
        "company/dev/+pending",
        "company/dev",
    ]
    assert "company/base/+pending" not in names("company/dev")


@pytest.mark.parametrize("name", ["main", "company/base", "a.b_c-1", "pr/123", "0"])
def test_names(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "A", "a/b/c", "/a", "a/", "simple", "a/simple", "simple/a", ".a", "-a", "a/+pending", "a b", "ä", "a\n"],
)
def test_what_is_no_name(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (Index(name="New"), "'New' is no index name"),
        (
            Index(name="new", bases=("gone", "company/base")),
            "there is no index 'gone' to inherit from; those that are: ",
        ),
        (Index(name="new", bases=("company/base", "company/base")), "bases are named twice: company/base"),
        (Index(name="new", bases=("new",)), "that would be a circle: new ← new"),
        (
            Index(name="company/base", bases=("company/dev",)),
            "that would be a circle: company/base ← company/dev ← company/base",
        ),
        (Index(name="new", bases=("main",), kind=IndexClass.MIRROR), "a mirror has no bases"),
    ],
)
def test_what_an_index_cannot_be_like(index: Index, said: str) -> None:
    assert any(said in sentence for sentence in refused(index, {**INDEXES, "main": Index(name="main")}))


def test_all_reasons_come_at_once() -> None:
    assert len(list(refused(Index(name="A", bases=("x", "x", "y")), INDEXES))) == 5
    assert list(refused(Index(name="new", bases=("company/dev", "customer/release")), INDEXES)) == []


def test_what_everybody_sees_of_private_indexes() -> None:
    indexes = {
        "vault": Index(name="vault", private=True),
        "staff": Index(name="staff", bases=("vault",), private=True),
        "shop": Index(name="shop", bases=("staff",)),
        "shop/+pending": Index(name="shop/+pending", bases=("shop",)),
        "fair": Index(name="fair"),
    }
    assert laid_open("shop", indexes) == (("shop", "staff"), ("shop", "vault"))
    assert laid_open("vault", indexes) == laid_open("shop", indexes)
    assert laid_open("fair", indexes) == ()


def test_a_circle_does_not_hang() -> None:
    circle = {name: Index(name=name, bases=(base,)) for name, base in (("a", "b"), ("b", "a"))}
    assert [each.name for each in closure("a", circle)] == ["a", "b"]
