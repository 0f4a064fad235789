from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.pages.addresses import (
    File,
    Page,
    admits_gzip,
    is_file_name,
    is_known,
    locate,
    negotiate,
    part_of,
    uploads_to,
)

HTML = "text/html"
JSON = "application/vnd.pypi.simple.v1+json"
V1_HTML = "application/vnd.pypi.simple.v1+html"
SHA = "5a" * 32
WHEEL = f"+f/{SHA}/farm_tools-1.0+local.1-py3-none-any.whl"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", HTML),
        ("text/*", HTML),
        ("application/*", JSON),
        ("application/vnd.pypi.simple.latest+json", JSON),
        ("application/vnd.pypi.simple.latest+html", V1_HTML),
        (f"{JSON}, {V1_HTML};q=0.1, {HTML};q=0.01", JSON),
        (f"{HTML}, {JSON};q=0.9", HTML),
        (f"{JSON}, */*", JSON),
        (f"{JSON};q=0.5, */*;q=0.8", HTML),
        ("text/html;q=0, */*;q=0.1", JSON),
        (f"{JSON};q=0, application/*", V1_HTML),
        (f"{JSON.upper()} ; Q=0.3", JSON),
        ("text/html;charset=utf-8;q=0.4, application/xml", HTML),
        (f"{JSON};q=much, {HTML};q=0.1", HTML),
        ("application/json", None),
        ("*/*;q=0", None),
        (f"{JSON};q=0.000", None),
        ("application/vnd.pypi.simple.v2+json", None),
        (";;,,=", None),
    ],
)
def test_the_form_that_accept_wants_most(accept: str, media: str | None) -> None:
    assert negotiate(accept) == media


@given(st.text(alphabet="texhml*/,;q=01. ", max_size=40))
def test_no_accept_header_is_too_odd(accept: str) -> None:
    assert negotiate(accept) in (HTML, JSON, V1_HTML, None)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("bytes=0-4", (206, range(5))),
        ("bytes=2-", (206, range(2, 10))),
        ("bytes=-3", (206, range(7, 10))),
        ("bytes=-99", (206, range(10))),
        ("bytes=8-99", (206, range(8, 10))),
        ("bytes=10-", (416, range(10, 10))),
        ("bytes=-0", (416, range(10, 10))),
        ("bytes=4-2", (200, range(10))),
        ("bytes=0-1,4-5", (200, range(10))),
        ("lines=0-1", (200, range(10))),
        (f"bytes=0-{'9' * 5000}", (200, range(10))),
        ("", (200, range(10))),
    ],
)
def test_the_part_that_a_range_asks_for(asked: str, answer: tuple[int, range]) -> None:
    assert part_of(10, asked) == answer


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/main/simple/", Page(index="main")),
        ("/company/base/simple/Farm_Tools", Page(index="company/base", project="farm-tools")),
        ("/main/simple/simple/", Page(index="main", project="simple")),
        (f"/main/{WHEEL.replace('+', '%2B')}", File(index="main", path=f"/main/{WHEEL}", sha256=SHA)),
        ("/main/+pending/simple/six/", Page(index="main/+pending", project="six")),
        ("/company/base/%2Bpending/simple/", Page(index="company/base/+pending")),
        (
            f"/a/b/+pending/+f/{SHA}/c-1.zip",
            File(index="a/b/+pending", path=f"/a/b/+pending/+f/{SHA}/c-1.zip", sha256=SHA),
        ),
        ("/+pending/simple/", None),
        ("/main/+other/simple/", None),
        ("/simple/", None),
        ("/simple/simple/", None),
        ("/main/", None),
        ("/a/b/c/simple/", None),
        ("/Main/simple/", None),
        ("/main/simple/farm-tools/index.json", None),
        ("/main/simple/farm-tools%0a/", None),
        ("/main/simple/%C5%BFet/", None),  # a letter that folds to an ASCII one
        ("/main/simple/farm-tools//", None),
        (f"/main/+f/{SHA.upper()}/a-1.0.zip", None),
        (f"/main/+f/{SHA}/.hidden", None),
    ],
)
def test_what_an_address_stands_for(path: str, place: Page | File | None) -> None:
    assert locate(path) == place


@given(st.text(alphabet="./\\%25e0a+fmain simple\x00", max_size=60).map(lambda path: f"/main/{path}"))
def test_no_address_leads_upwards(path: str) -> None:
    place = locate(path)
    at = f"{place}" if isinstance(place, Page) else place.path if place else "/main"
    assert os.path.normpath(f"/tree{at}").startswith("/tree/main")
    assert ".." not in at.split("/")


@pytest.mark.parametrize(
    ("path", "index"),
    [
        ("/main/", "main"),
        ("/main", "main"),
        ("/company/base/", "company/base"),
        ("/main/+pending/", "main/+pending"),
        ("/", None),
        ("/simple/", None),
        ("/main/simple/", None),
        ("/a/b/c/", None),
        ("/Main/", None),
        ("/main//", None),
        ("/../main/", None),
        ("/main/%0a", None),
    ],
)
def test_where_uploads_go(path: str, index: str | None) -> None:
    assert uploads_to(path) == index


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        ("six-1.0-py3-none-any.whl", True),
        ("six-1!1.0+local.tar.gz", True),
        ("", False),
        (".hidden", False),
        ("a/b.whl", False),
        ("..\\b.whl", False),
        ("a\n.whl", False),
        ("\u017fix-1.0.zip", False),
    ],
)
def test_names_that_files_can_have(name: str, fine: bool) -> None:
    assert is_file_name(name) is fine


@pytest.mark.parametrize(
    ("accept_encoding", "admits"),
    [
        ("gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("*", True),
        ("GZIP", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("identity", False),
        ("", False),
        ("*;q=0", False),
        ("gzip;q=x", False),
    ],
)
def test_whether_gzip_is_admitted(accept_encoding: str, admits: bool) -> None:
    assert admits_gzip(accept_encoding) is admits


@pytest.mark.parametrize(
    ("known", "is_it"),
    [('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ("a", False), ("", False)],
)
def test_whether_a_tag_is_known(known: str, is_it: bool) -> None:
    assert is_known('"a"', known) is is_it
