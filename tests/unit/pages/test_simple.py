from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from buildfarm.model.events import (
    FileDeleted,
    FilePublished,
    FileYanked,
    IndexEvent,
    Payload,
    ProjectMarked,
    Status,
    Tried,
)
from buildfarm.model.wheel import Artifact, Verdict
from buildfarm.pages.project import File, fold
from buildfarm.pages.simple import render_project, render_root

GOLDEN = Path(__file__).parents[2] / "golden" / "pages"


def published(filename: str, version: str = "1.0", *, project: str = "Farm.Tools", requires: str = "") -> FilePublished:
    return FilePublished(
        project=project,
        version=version,
        artifact=Artifact(name=filename, size=1234, sha256=filename.encode().hex().ljust(64, "0")[:64]),
        metadata_sha256="ab" * 32,
        uploaded="2026-01-02T03:04:05Z",
        requires_python=requires,
    )


def yanked(filename: str, reason: str | None) -> FileYanked:
    return FileYanked(project="farm-tools", filename=filename, reason=reason)


def events(payloads: Iterable[Payload]) -> list[IndexEvent]:
    return [IndexEvent(serial=serial, index="main", payload=payload) for serial, payload in enumerate(payloads, 1)]


SEVERAL = (
    published("farm_tools-1.10-py3-none-any.whl", "1.10", requires=">=3.9,<4"),
    published("farm_tools-1.9+local.1-cp313-cp313-manylinux_2_17_x86_64.whl", "1.9+local.1"),
    published("farm_tools-1.9-cp313-cp313-manylinux_2_17_x86_64.whl", "1.9"),
    published("farm_tools-1.9-cp312-cp312-manylinux_2_17_x86_64.whl", "1.9"),
    yanked("farm_tools-1.9-cp312-cp312-manylinux_2_17_x86_64.whl", 'breaks <"everything">'),
    yanked("farm_tools-1.9-cp313-cp313-manylinux_2_17_x86_64.whl", ""),
)


def test_pages_of_a_project_are_the_golden_ones() -> None:
    pages = render_project(fold(events(SEVERAL))["farm-tools"])
    assert pages == {
        "farm-tools/index.html": (GOLDEN / "project.html").read_bytes(),
        "farm-tools/index.json": (GOLDEN / "project.json").read_bytes(),
    }


def test_root_pages_are_the_golden_ones() -> None:
    assert render_root(["Zope.Interface", "farm_tools", "Farm-Tools"]) == {
        "index.html": (GOLDEN / "root.html").read_bytes(),
        "index.json": (GOLDEN / "root.json").read_bytes(),
    }


def test_a_yank_is_taken_back_and_a_stray_one_means_nothing() -> None:
    file = published("farm_tools-1.0-py3-none-any.whl")
    name = file.artifact.name
    told = events([file, yanked(name, "oops"), yanked("other.whl", ""), yanked(name, None)])
    project = fold(told)["farm-tools"]
    assert [found.yanked for found in project.files] == [None]


def test_a_file_name_is_published_once() -> None:
    first, second = published("a-1-py3-none-any.whl", "1"), published("a-1-py3-none-any.whl", "2")
    assert [file.published for file in fold(events([first, second]))["farm-tools"].files] == [first]


def test_a_file_goes_with_its_yank_and_may_come_back() -> None:
    file = published("a-1-py3-none-any.whl")
    name = file.artifact.name
    gone = FileDeleted(project="farm-tools", filename=name)
    assert fold(events([file, gone])) == {}
    (back,) = fold(events([file, yanked(name, "oops"), gone, file]))["farm-tools"].files
    assert back == File(index="main", published=file)


def test_a_file_takes_the_place_of_the_one_that_it_names() -> None:
    first, second = published("a-1-py3-none-any.whl", "1"), published("a-1-py3-none-any.whl", "2")
    other = replace(second, artifact=replace(second.artifact, sha256="1" * 64), replaces=first.artifact.sha256)
    told = events([first, yanked(first.artifact.name, "oops"), other])
    assert fold(told)["farm-tools"].files == (File(index="main", published=other),)


def test_a_project_that_is_quarantined_offers_nothing_and_says_so() -> None:
    marks = [
        ProjectMarked(project="farm-tools", status=status, reason="<b>")
        for status in (Status.DEPRECATED, Status.QUARANTINED)
    ]
    for mark, files in zip(marks, (4, 0), strict=True):
        status = mark.status.value
        pages = render_project(fold(events([*SEVERAL, mark]))["farm-tools"])
        document = json.loads(pages["farm-tools/index.json"])
        assert document["project-status"] == {"status": status, "reason": "<b>"}
        assert len(document["files"]) == len(Anchors(pages["farm-tools/index.html"]).found) == files
        page = pages["farm-tools/index.html"].decode()
        assert f'<meta name="pypi:project-status" content="{status}">' in page
        assert '<meta name="pypi:project-status-reason" content="&lt;b&gt;">' in page


def test_what_a_file_was_tested_on_is_told() -> None:
    tried = (Tried(target="cp311-any", verdict=Verdict.PASSED), Tried(target="cp313-any", verdict=Verdict.SKIPPED))
    pages = render_project(fold(events([replace(published("a-1.whl"), tried=tried)]))["farm-tools"])
    (file,) = json.loads(pages["farm-tools/index.json"])["files"]
    assert file["_tests"] == {"cp311-any": "passed", "cp313-any": "skipped"}


def test_versions_are_in_order_and_normalised_and_each_there_once() -> None:
    versions = ["1.10", "1.9", "1.9", "1.0rc1", "1.0.RC1", "odd one", "1.0", "9" * 5000]
    found = fold(events(published(f"{number}.whl", version) for number, version in enumerate(versions)))
    assert found["farm-tools"].versions == ("9" * 5000, "odd one", "1.0rc1", "1.0", "1.9", "1.10")


@pytest.mark.parametrize("name", ["index.html", "index.json"])
def test_a_file_without_metadata_offers_none(name: str) -> None:
    bare = FilePublished(
        project="a",
        version="1",
        artifact=Artifact(name="a-1.tar.gz", size=1, sha256="0" * 64),
        metadata_sha256="",
        uploaded="2026-01-02T03:04:05Z",
    )
    assert b"metadata" not in render_project(fold(events([bare]))["a"])[f"a/{name}"]


class Anchors(HTMLParser):
    """The attributes and the text of every link."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []
        self.inside = False
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.inside = True
            self.found.append({"text": "", **{name: value or "" for name, value in attrs}})

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found[-1]["text"] += data


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
names = st.sampled_from(["farm", "Farm", "farm.tools", "farm_Tools", "x--y"])
filenames = st.one_of(st.sampled_from(["farm-1.0-py3-none-any.whl", "farm-1.0+a.tar.gz"]), words.filter(bool))
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
publications = st.builds(
    FilePublished,
    project=names,
    version=st.one_of(st.sampled_from(["1.0", "1.0rc1", "1.10", "1.9+a"]), words),
    artifact=st.builds(Artifact, name=filenames, size=st.integers(0, 1 << 40), sha256=digests),
    metadata_sha256=st.one_of(st.just(""), digests),
    uploaded=st.just("2026-01-02T03:04:05Z"),
    requires_python=words,
)
yanks = st.builds(FileYanked, project=names, filename=filenames, reason=st.one_of(st.none(), words))
payloads = st.lists(st.one_of(publications, yanks), max_size=8)
few = settings(max_examples=50)


@few
@given(payloads)
def test_html_and_json_give_the_same_files(found: list[Payload]) -> None:
    for name, project in fold(events(found)).items():
        pages = render_project(project)
        document = json.loads(pages[f"{name}/index.json"])
        files = document["files"]
        assert name == document["name"] == canonicalize_name(name)
        assert {file.version for file in project.files} == set(document["versions"])
        for anchor, file in zip(Anchors(pages[f"{name}/index.html"]).found, files, strict=True):
            assert anchor["text"] == file["filename"]
            assert anchor["href"] == f"{file['url']}#sha256={file['hashes']['sha256']}"
            assert anchor.get("data-requires-python") == file.get("requires-python")
            assert anchor.get("data-core-metadata") == anchor.get("data-dist-info-metadata")
            metadata = file.get("core-metadata")
            assert anchor.get("data-core-metadata") == (metadata and f"sha256={metadata['sha256']}")
            assert anchor.get("data-yanked") == {True: "", False: None}.get(file["yanked"], file["yanked"])


@few
@given(payloads)
def test_every_link_is_relative_and_leads_to_the_file(found: list[Payload]) -> None:
    for name, project in fold(events(found)).items():
        for anchor, file in zip(
            Anchors(render_project(project)[f"{name}/index.html"]).found, project.files, strict=True
        ):
            url = urlsplit(anchor["href"])
            artifact = file.published.artifact
            assert (url.scheme, url.netloc, url.query) == ("", "", "")
            assert url.path.split("/")[:4] == ["..", "..", "..", "main"]
            assert [unquote(part) for part in url.path.split("/")[4:]] == ["+f", artifact.sha256, artifact.name]


@few
@given(payloads)
def test_a_project_depends_on_its_own_events_alone(found: list[Payload]) -> None:
    for name, project in fold(events(found)).items():
        own = [event for event in events(found) if canonicalize_name(event.payload.project) == name]
        assert fold(own) == {name: project}


@few
@given(payloads, st.randoms(use_true_random=False))
def test_only_serials_say_in_which_order_events_happened(found: list[Payload], random: Random) -> None:
    told = events(found)
    random.shuffle(told)
    assert fold(told) == fold(events(found))


@few
@given(st.lists(publications, max_size=8, unique_by=lambda file: file.artifact.name), st.permutations(range(8)))
def test_publications_of_different_files_commute(found: list[FilePublished], order: list[int]) -> None:
    otherwise = [found[number] for number in order if number < len(found)]
    first, second = (fold(events(each)) for each in (found, otherwise))
    assert {name: it.files for name, it in first.items()} == {name: it.files for name, it in second.items()}


@few
@given(st.lists(names))
def test_the_root_links_every_project_once_by_its_normalised_name(found: list[str]) -> None:
    pages = render_root(found)
    expected = sorted({canonicalize_name(name) for name in found})
    assert [project["name"] for project in json.loads(pages["index.json"])["projects"]] == expected
    assert [(anchor["href"], anchor["text"]) for anchor in Anchors(pages["index.html"]).found] == [
        (f"{name}/", name) for name in expected
    ]
