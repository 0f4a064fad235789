"""Nothing that strangers wrote becomes markup, in any place of any template."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from buildfarm.app.ui.about import About
from buildfarm.app.ui.catalogue import Entry
from buildfarm.app.ui.install import base_of, install
from buildfarm.app.ui.matrix import matrix
from buildfarm.app.ui.templating import render
from buildfarm.app.ui.views import file_shown, leaf
from buildfarm.model.events import FilePublished, IndexEvent, Status, Tried
from buildfarm.model.index import Index
from buildfarm.model.wheel import Artifact, Verdict
from buildfarm.pages.changes import change
from buildfarm.pages.project import File, Project

HOSTILE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            "\"'><img src=x onerror=alert(1)>",
            "javascript:alert(1)",
            "</pre></title></textarea><svg onload=alert(1)>",
            "{{7919*7907}}{% raw %}",
            "\u202egnp.exe\u2066\u200f",
            "\ud800\x00\x1b[31m\r\n",
            "]]></name><script/>",
        ]
    ),
)
ALLOWED = re.compile(
    "html|head|meta|title|link|body|a|header|nav|form|input|button|main|h1|h2|h3|p|span|table|thead|tbody|tr|th|td|bdi|"
    "time|section|pre|code|dl|dt|dd|div|article|ul|li|strong|br|label"
)
ATTRIBUTES = re.compile(
    "lang|charset|name|content|rel|href|type|class|role|action|value|placeholder|maxlength|id|datetime|scope|tabindex|"
    "colspan|title|dir|aria-(label|labelledby|hidden|current)"
)


class Seen(HTMLParser):
    """The elements, attributes and addresses of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses |= {value or "" for name, value in attrs if name in ("href", "action", "src")}

    def handle_data(self, data: str) -> None:
        self.text += data


def harmless(page: str) -> Seen:
    seen = Seen(page)
    assert all(map(ALLOWED.fullmatch, seen.elements))
    assert all(map(ATTRIBUTES.fullmatch, seen.attributes))
    assert all(each.startswith(("/", "?", "#", "https://ok.example/")) and each[:2] != "//" for each in seen.addresses)
    assert all(each.isprintable() or each == "\n" for each in page)
    page.encode()
    return seen


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_the_page_of_a_project(data: st.DataObject) -> None:
    def text() -> str:
        return data.draw(HOSTILE)

    version = text() or "1"
    published = FilePublished(
        project="demo",
        version=version,
        artifact=Artifact(name=text() or "x", size=1, sha256="0" * 64),
        metadata_sha256="1",
        uploaded=text(),
        source=text(),
        tried=(Tried(target=text(), verdict=Verdict.SKIPPED, reason=text()),),
    )
    file = File(index="company/base", published=published, yanked=text(), who=text())
    project = Project(name="demo", files=(file,), status=Status.QUARANTINED, reason=text())
    whole = matrix(project.files)
    seen = harmless(
        render(
            "project.html",
            q="",
            index=Index(name="company/base"),
            project=project,
            row=whole.rows[0],
            matrix=whole,
            page=leaf(whole.rows, 1, 25),
            install=install(base_of("http", text()), "company/base", f"demo=={version}"),
            about=About(
                summary=text(),
                licence=text(),
                author=text(),
                requires=(text(),),
                classifiers=(text(),),
                links=((text(), "https://ok.example/"),),
                description=text(),
            ),
            files=[file_shown(file, lambda path: True, ["company/base"])],
            documents=[("1.0", "/company/base/+doc/demo/1.0/")],
            readable=frozenset(),
        )
    )
    assert str(7919 * 7907) not in seen.text


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_lists_and_changes(data: st.DataObject) -> None:
    def text() -> str:
        return data.draw(HOSTILE)

    entry = Entry(project=text(), index="main", version=text(), summary=text(), files=1, at=0.0)
    harmless(render("search.html", q=text(), page=leaf([1], 1, 1), rows=[("main", entry)], readable=["main"]))
    published = FilePublished(
        project=text() or "x",
        version=text(),
        artifact=Artifact(name=text() or "x", size=1, sha256="0" * 64),
        metadata_sha256="",
        uploaded="",
        source=text(),
    )
    rows = [change(IndexEvent(serial=1, index="main", payload=published, who=text(), at=1.0), ["main"])]
    harmless(render("changes.html", q="", of="", before=None, rows=rows, older=None))
    ET.fromstring(render("changes.xml", of="", rows=rows, base="http://h"))
