from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.app.ui.about import about, summary, web_url

METADATA = b"""Metadata-Version: 2.4
Name: demo
Version: 1.0
Summary: Does one thing
License-Expression: MIT
Home-page: https://demo.example/
Project-URL: Source, https://code.example/demo
Project-URL: Evil, javascript:alert(1)
Project-URL: Data, data:text/html,<script>alert(1)</script>
Keywords: a,b
Requires-Dist: markupsafe>=2

# Demo

Words.
"""


def test_what_people_want_to_know() -> None:
    told = about(METADATA)
    assert (told.summary, told.licence, told.keywords) == ("Does one thing", "MIT", "a, b")
    assert told.links == (("Source", "https://code.example/demo"), ("Homepage", "https://demo.example/"))
    assert told.description.startswith("# Demo\n")
    assert summary(METADATA) == "Does one thing"


def test_a_description_is_shown_to_a_bound() -> None:
    told = about(METADATA + b"x" * 1_000_000)
    assert told.more
    assert len(told.description) <= 100_000


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        " javascript:alert(1)",
        "JaVaScRiPt:x",
        "//host/x",
        "https:",
        "data:text/html,x",
        "ftp://h/",
    ],
)
def test_only_the_web_is_linked_to(url: str) -> None:
    assert web_url(url) == ""


@given(st.binary(max_size=2000))
def test_whatever_the_bytes_something_is_told(raw: bytes) -> None:
    told = about(raw)
    assert all(each.isprintable() for each in (told.summary, told.licence, told.author, summary(raw)))
    assert len(told.summary) <= 501


@given(st.text(max_size=300))
def test_a_link_is_http_or_nothing(text: str) -> None:
    assert web_url(text) == "" or web_url(text).lower().startswith(("http://", "https://"))
