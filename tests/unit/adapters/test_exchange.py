"""What is read of indexes, listings and exports of others, and what is sent to them."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.adapters import devpi_export, pypirc
from buildfarm.adapters.autoindex import crawl, is_listing
from buildfarm.adapters.legacy_upload import form_of
from buildfarm.adapters.listing import Listing, files_below
from buildfarm.adapters.peer import Login, Peer
from buildfarm.adapters.pip_config import PipConfig
from buildfarm.adapters.simple_index import anchors, parse_page, parse_projects
from buildfarm.adapters.upstream import Upstream
from buildfarm.model.distribution import Named, Outgoing, named
from buildfarm.model.errors import FarmError, RecipeError, Refused, Unavailable
from buildfarm.model.origin import Offer
from buildfarm.model.wheel import Artifact

URL = "https://host.example/simple/"
WHEEL = "demo-1.0-py3-none-any.whl"


# ------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("Demo_Tools-1.0-py3-none-any.whl", "demo-tools==1.0"),
        ("demo-1.0-2-py3-none-any.whl", "demo==1.0"),
        ("demo-1.0.tar.gz", "demo==1.0"),
        ("zope.interface-5.4.zip", "zope-interface==5.4"),
        ("python-dateutil-2.8-1.tar.gz", "python-dateutil==2.8.post1"),
        ("demo-1.0.tar.bz2", "demo==1.0"),
        ("demo-1.0.tar.gz.asc", ""),
        ("demo-1.0-py3.11.egg", ""),
        ("demo.whl", ""),
        ("-1.0.tar.gz", ""),
        ("demo-latest.tar.gz", ""),
        ("README.txt", ""),
    ],
)
def test_whose_a_file_is(filename: str, name: str) -> None:
    assert str(named(filename) or "") == name


@given(st.text(max_size=60), st.sampled_from(["", ".whl", ".tar.gz", ".zip"]))
def test_no_file_name_is_too_odd(stem: str, suffix: str) -> None:
    name = named(stem + suffix)
    assert name is None or name.same(name)


# ----------------------------------------------------------------------------------------------------- sources


def test_all_that_a_page_tells_of_a_file_is_kept() -> None:
    file = {
        "filename": WHEEL,
        "url": f"../../files/{WHEEL}",
        "hashes": {"sha256": "a" * 64},
        "yanked": "broken",
        "upload-time": "2024-01-02T03:04:05.678Z",
    }
    page = json.dumps({"meta": {"api-version": "1.1"}, "files": [file]}).encode()
    (offer,) = parse_page(page, "", f"{URL}demo/")
    assert (offer.yanked, offer.yank_reason, offer.uploaded) == (True, "broken", "2024-01-02T03:04:05.678Z")
    html = f'<a href="{WHEEL}" data-yanked="too old">{WHEEL}</a>'.encode()
    (offer,) = parse_page(html, "text/html", f"{URL}demo/")
    assert (offer.yanked, offer.yank_reason, offer.origin) == (True, "too old", f"{URL}demo/{WHEEL}")


def test_projects_are_read_from_both_forms() -> None:
    page = json.dumps({"meta": {"api-version": "1.0"}, "projects": [{"name": "Demo_Tools"}, {"name": "x"}]}).encode()
    assert parse_projects(page, "", URL) == ("demo-tools", "x")
    links = (
        '<a href="../">up</a><a href="Demo_Tools/">x</a><a href="x">x</a><a href="/else/y/">y</a><a href="a/b/">b</a>'
    )
    assert parse_projects(links.encode(), "text/html", URL) == ("demo-tools", "x")
    with pytest.raises(Unavailable, match="no simple page"):
        parse_projects(b'{"meta": {"api-version": "1.0"}, "projects": [{}]}', "", URL)


PIECES = st.sampled_from(
    (
        "<a href=",
        '"',
        "'",
        ">",
        "</a>",
        "http://[",
        "//[::1",
        "..",
        "/",
        "%",
        "%zz",
        "#sha256=",
        "x",
        "<base href=",
        "\0",
    )
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_no_page_is_too_odd(page: str) -> None:
    for link in anchors(page.encode(), URL):
        assert isinstance(link.filename, str)
    assert all(offer.filename for offer in parse_page(page.encode(), "text/html", URL))
    parse_projects(page.encode(), "text/html", URL)
    is_listing(page.encode(), URL)


def listings(pages: dict[str, str]) -> Upstream:
    def answer(request: httpx.Request) -> httpx.Response:
        page = pages.get(str(request.url))
        return httpx.Response(200 if page is not None else 404, text=page or "")

    return Upstream(lambda: httpx.Client(transport=httpx.MockTransport(answer)))


def test_a_listing_is_followed_down_and_never_out() -> None:
    root = "https://host.example/files/"
    pages = {
        root: f'<a href="?C=M;O=A">by date</a><a href="../">up</a><a href="a/">a</a><a href="{WHEEL}">{WHEEL}</a>'
        '<a href="/other/">o</a><a href="https://evil.example/files/">e</a><a href="a/../../secret/">s</a>',
        f"{root}a/": f'<a href="demo-2.0.tar.gz#sha256={"b" * 64}">x</a><a href="./">here</a><a href="gone/">g</a>',
        "https://host.example/other/": '<a href="demo-3.0.tar.gz">x</a>',
    }
    found = crawl("https://ada:secret@host.example/files", listings(pages))
    assert found == (
        Offer(filename="demo-2.0.tar.gz", origin=f"{root}a/demo-2.0.tar.gz", sha256="b" * 64),
        Offer(filename=WHEEL, origin=f"{root}{WHEEL}"),
    )
    with pytest.raises(Unavailable, match="there is nothing at"):
        crawl("https://host.example/none/", listings(pages))


def test_a_listing_without_an_end_ends() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, text='<a href="deeper/">d</a>')

    assert crawl(URL, Upstream(lambda: httpx.Client(transport=httpx.MockTransport(answer)))) == ()
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("page", "listed"),
    [
        ("<title>Index of /x</title>", True),
        ("<title>Directory listing for /</title>", True),
        (f'<a href="{WHEEL}">x</a>', True),
        ('<title>Simple index</title><a href="demo/">demo</a>', False),
    ],
)
def test_what_is_a_listing_of_files(page: str, *, listed: bool) -> None:
    assert is_listing(page.encode(), URL) is listed


def test_a_folder_is_read_whole_without_what_is_hidden_or_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / WHEEL).write_bytes(b"x")
    (tmp_path / ".hidden.whl").touch()
    (tmp_path / "x-1.0.tar.gz").symlink_to("/etc/passwd")
    (tmp_path / "notes.txt").touch()
    shelf = Listing(files_below(tmp_path))
    assert shelf.projects() == ("demo",)
    assert shelf.offers("Demo") == (Offer(filename=WHEEL, origin=str(tmp_path / "demo" / WHEEL), size=1),)


def export(folder: Path, **indexes: list[dict[str, object]]) -> Path:
    plain = {name.replace("_", "/"): {"files": files} for name, files in indexes.items()}
    (folder / devpi_export.INDEX).write_text(json.dumps({"dumpversion": "2", "indexes": plain}))
    return folder


def released(path: str, **more: object) -> dict[str, object]:
    entry = {"hashes": {"sha256": "a" * 64}, "hash_spec": "md5=0"}
    return {"type": "releasefile", "relpath": path, "entrymapping": entry, "log": [], **more}


def test_an_export_tells_files_hashes_and_times(tmp_path: Path) -> None:
    when = [{"what": "upload", "when": [2024, 1, 2, 3, 4, 5]}, {"what": "push", "when": [2025, 1, 1, 0, 0, 0]}]
    old = released("root/dev/demo/2.0/demo-2.0.tar.gz", entrymapping={"md5": "0"})
    docs = released("root/dev/demo-1.0.doc.zip", type="doczip")
    root = export(tmp_path, root_dev=[released(f"root/dev/demo/1.0/{WHEEL}", log=when), old, docs], root_qa=[])
    first, second = devpi_export.read_export(root)
    assert (first.filename, first.sha256, first.uploaded) == (WHEEL, "a" * 64, "2024-01-02T03:04:05Z")
    assert (second.sha256, second.uploaded) == ("", "")
    assert devpi_export.read_export(root, "root/qa") == ()
    assert devpi_export.export_of(root) == (root, "")
    (root / "root" / "dev").mkdir(parents=True)
    assert devpi_export.export_of(root / "root" / "dev") == (root, "root/dev")
    assert devpi_export.export_of(tmp_path.parent) is None


def test_an_export_of_several_wants_a_name_and_one_that_is_odd_is_said(tmp_path: Path) -> None:
    root = export(tmp_path, a_b=[released("a/b/x")], c_d=[released("c/d/x")])
    for index in ("", "no/such"):
        with pytest.raises(RecipeError, match=f"{root}/a/b, {root}/c/d"):
            devpi_export.read_export(root, index)
    for path in ("../../etc/passwd", "/etc/passwd", "a//b"):
        with pytest.raises(FarmError, match="no plain relative path"):
            devpi_export.read_export(export(tmp_path, a_b=[released(path)]))
    for text in ("{", "[]", '{"indexes": {"a/b": {"files": [{}]}}}', '{"indexes": {"a/b": {"files": [1]}}}'):
        (root / devpi_export.INDEX).write_text(text)
        with pytest.raises(FarmError, match="no export of devpi"):
            devpi_export.read_export(root)


# ----------------------------------------------------------------------------------------------------- targets


def outgoing(filename: str, metadata: str = "") -> Outgoing:
    artifact = Artifact(name=filename, size=1, sha256="a" * 64)
    return Outgoing(project="demo", version="1.0", artifact=artifact, metadata=metadata.encode())


def test_an_upload_says_what_twine_says() -> None:
    metadata = (
        "Metadata-Version: 2.4\nName: Demo\nVersion: 1.0\nSummary: it\nKeywords: a,b\nPlatform: any\n"
        "Classifier: X\nClassifier: Y\nRequires-Dist: dep\nProject-URL: Home, https://host.example\n\nlong text\n"
    )
    form = form_of(outgoing("demo-1.0-cp311.cp312-abi3-win_amd64.whl", metadata))
    assert form == {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.4",
        "name": "Demo",
        "version": "1.0",
        "summary": "it",
        "keywords": "a,b",
        "platform": ["any"],
        "classifiers": ["X", "Y"],
        "requires_dist": ["dep"],
        "project_urls": ["Home, https://host.example"],
        "description": "long text\n",
        "filetype": "bdist_wheel",
        "pyversion": "cp311.cp312",
        "sha256_digest": "a" * 64,
    }
    bare = form_of(outgoing("demo-1.0.tar.gz"))
    assert (bare["filetype"], bare["pyversion"], bare["name"]) == ("sdist", "source", "demo")


def peer(status: int, url: str = "https://host.example/up/", **more: object) -> tuple[Peer, list[httpx.Request]]:
    found, asked = Peer(url, PipConfig()), []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, **more)  # type: ignore[arg-type]

    found.close()
    found._client = httpx.Client(transport=httpx.MockTransport(answer))
    return found, asked


@pytest.mark.parametrize(
    ("status", "text", "kind", "said"),
    [
        (403, "no upload", 403, "403 Forbidden: no upload"),
        (409, "", 409, "has the file with other bytes"),
        (400, "<h1>File already exists</h1><style>x{}</style>", 409, "File already exists"),
        (400, "<title>400</title>bad name", 400, "refuses it: 400 Bad Request: bad name"),
        (301, "", 400, "is elsewhere: https://there.example/"),
    ],
)
def test_what_a_server_refuses_is_said_in_its_words(status: int, text: str, kind: int, said: str) -> None:
    headers = {"Location": "https://there.example/"} if status == 301 else {}
    found, _ = peer(status, text=text, headers=headers)
    with pytest.raises(Refused) as refused:
        found.post(found.url, form={"a": "b"})
    assert refused.value.status == kind
    assert said in str(refused.value)


def test_a_server_that_fails_is_no_refusal() -> None:
    found, _ = peer(503, text="later")
    with pytest.raises(FarmError, match="503 Service Unavailable: later"):
        found.post(found.url)


def test_credentials_go_to_the_server_that_they_are_for_and_to_no_other() -> None:
    found, asked = peer(200, url="https://ada:secret@host.example/up/")
    assert "secret" not in found.url
    found.allow({"Authorization": "Basic x", "X-Devpi-Auth": "y"})
    for url in (
        "https://host.example/simple/",
        "https://other.example/",
        "http://host.example/",
        "https://host.example:8443/",
    ):
        found.get(url, "*/*")
    assert [request.headers.get("X-Devpi-Auth", "") for request in asked] == ["y", "", "", ""]
    assert [request.headers.get("Authorization", "") for request in asked] == ["Basic x", "", "", ""]


def test_who_uploads_is_looked_for_where_twine_looks(tmp_path: Path) -> None:
    file = tmp_path / ".pypirc"
    file.write_text(
        "[distutils]\nindex-servers = a\n[a]\nrepository = https://host.example/a/\nusername = ada\npassword = pa%s\n"
        "[b]\nrepository = https://host.example/b\n"
    )
    sections = pypirc.read_pypirc(file)
    assert [each.name for each in sections] == ["a", "b"]
    ada = Login(user="ada", password="pa%s")
    assert pypirc.login_for("https://host.example/a", sections, tmp_path) == ada
    assert pypirc.login_for("https://host.example/b/", sections, tmp_path) is None
    (tmp_path / ".netrc").write_text("machine host.example login bob password pb\n")
    assert pypirc.login_for("https://host.example/b/", sections, tmp_path) == Login(user="bob", password="pb")
    inside = pypirc.login_for("https://eve:p%40e@host.example/b/", sections, tmp_path)
    assert inside == Login(user="eve", password="p@e")
    assert "pa%s" not in repr(ada)
    assert pypirc.read_pypirc(tmp_path / "none") == ()
    file.write_text("no section\n")
    with pytest.raises(RecipeError, match="cannot be read"):
        pypirc.read_pypirc(file)


def test_releases_are_the_same_however_their_versions_are_spelt() -> None:
    assert Named(project="demo", version="1.0").same(Named(project="demo", version="1.0.0"))
    assert not Named(project="demo", version="1.0").same(Named(project="demo", version="1.0.post1"))
