from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from packaging.utils import canonicalize_name

from buildfarm.adapters.git_source import GitSources
from buildfarm.adapters.memory import MemorySources
from buildfarm.adapters.pip_config import PipConfig, read
from buildfarm.adapters.sources import UpstreamSources, places
from buildfarm.adapters.store import LocalStore
from buildfarm.adapters.upstream import Upstream, open_upstream
from buildfarm.model.errors import RecipeError, Unavailable
from buildfarm.model.recipe import PathSource, Recipe
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Sources, Store, no_report

Files = Mapping[str, bytes]
Make = Callable[[Files], Sources]


def sdist(top: str, files: Mapping[str, str], mtime: int = 1_000_000_000) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size, info.mtime = len(text.encode()), mtime
            archive.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


def page(files: Files, kind: str) -> bytes:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    if kind == "html":
        links = (f'<a href="/files/{name}#sha256={digest}">{name}</a>' for name, digest in digests.items())
        return ("<!DOCTYPE html><title>.</title>" + "\n".join(links)).encode()
    offers = [{"filename": n, "url": f"/files/{n}", "hashes": {"sha256": d}} for n, d in digests.items()]
    return json.dumps({"meta": {"api-version": "1.0"}, "name": "x", "files": offers}).encode()


def serve(files: Files, kind: str, stack: ExitStack) -> str:
    """The URL of an index on this machine that knows every project, and under ``/flat`` a page of links."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            found = files.get(name) if self.path.startswith("/files/") else page(self.of_project(), kind)
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html" if kind == "html" else "application/vnd.pypi.simple.v1+json")
            if self.path.startswith("/files/"):
                self.send_header("Content-Encoding", "gzip")  # as some servers call it
            self.end_headers()
            self.wfile.write(found or b"")

        def of_project(self) -> Files:
            if self.path == "/flat":
                return files
            project = self.path.split("/")[2]
            return {name: content for name, content in files.items() if canonicalize_name(name).startswith(project)}

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    stack.callback(server.server_close)
    stack.callback(thread.join)
    stack.callback(server.shutdown)
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def git(tmp_path: Path) -> GitSources:
    return GitSources(tmp_path / "git", os.environ, no_report)


def over(config: PipConfig, store: Store, tmp_path: Path, stack: ExitStack) -> UpstreamSources:
    upstream = stack.enter_context(open_upstream(config))
    return UpstreamSources(places(config, upstream, tmp_path / "pages"), upstream, store, git(tmp_path))


@pytest.fixture(params=["memory", "folder", "json", "html", "links"])
def make(request: pytest.FixtureRequest, store: Store, tmp_path: Path, stack: ExitStack) -> Make:
    def make(files: Files) -> Sources:
        if request.param == "memory":
            return MemorySources(files, store)
        if request.param == "folder":
            folder = tmp_path / "sdists"
            folder.mkdir()
            for name, content in files.items():
                (folder / name).write_bytes(content)
            return over(PipConfig(find_links=(str(folder),), no_index=True), store, tmp_path, stack)
        url = serve(files, request.param, stack)
        if request.param == "links":
            return over(PipConfig(find_links=(f"{url}/flat",), no_index=True), store, tmp_path, stack)
        return over(PipConfig(index_url=f"{url}/simple"), store, tmp_path, stack)

    return make


def test_the_best_sdist_of_every_version_is_offered(make: Make) -> None:
    names = ["a-1.0.zip", "a-1.0.tar.gz", "a-01.1.0.tar.bz2", "a-2.0rc1.tar.gz", "a-2.0-py3-none-any.whl", "b-1.0.zip"]
    found = make({name: name.encode() for name in names}).releases("A")
    assert {version: offer.filename for version, offer in found.items()} == {
        "1.0": "a-1.0.tar.gz",
        "1.1.0": "a-01.1.0.tar.bz2",
        "2.0rc1": "a-2.0rc1.tar.gz",
    }


def test_names_from_before_the_standard_are_understood(make: Make) -> None:
    names = ["Zope.Event-4.5-1.tar.gz", "zope_event-5.0.tar.gz", "zope.event-extra-1.0.tar.gz"]
    sources = make(dict.fromkeys(names, b""))
    assert set(sources.releases("zope-event")) == {"4.5.post1", "5.0"}


def test_an_unknown_project_has_no_releases(make: Make) -> None:
    assert make({"a-1.0.tar.gz": b"a"}).releases("c") == {}


def test_a_source_is_fetched_checked_and_kept(make: Make, store: Store) -> None:
    content = sdist("a-1.0", {"setup.py": ""})
    sources = make({"a-1.0.tar.gz": content})
    offer = sources.releases("a")["1.0"]
    sha256 = hashlib.sha256(content).hexdigest()
    wanted = Artifact(name="a-1.0.tar.gz", size=len(content), sha256=sha256)
    assert offer.sha256 in ("", sha256)
    assert sources.fetch(offer.origin, offer.filename) == wanted
    assert sources.fetch(offer.origin, offer.filename, sha256) == wanted
    with store.open(sha256) as kept:
        assert kept.read() == content


def test_other_bytes_are_refused_and_not_kept(make: Make, store: Store) -> None:
    sources = make({"a-1.0.tar.gz": b"evil"})
    offer = sources.releases("a")["1.0"]
    real, wanted = hashlib.sha256(b"evil").hexdigest(), "0" * 64
    with pytest.raises(Unavailable) as caught:
        sources.fetch(offer.origin, offer.filename, wanted)
    assert caught.value.reason.code == "hash"
    assert real in str(caught.value)
    assert wanted in str(caught.value)
    assert not store.has(real)


def test_what_is_not_there_cannot_be_fetched(make: Make) -> None:
    sources = make({"a-1.0.tar.gz": b"a"})
    origin = sources.releases("a")["1.0"].origin.replace("a-1.0", "a-9.9")
    with pytest.raises(Unavailable) as caught:
        sources.fetch(origin, "a-9.9.tar.gz")
    assert caught.value.reason.code == "upstream"


@pytest.mark.parametrize(
    ("files", "native", "cxx"),
    [
        ({"setup.py": "", "a.py": ""}, False, False),
        ({"src/a.c": ""}, True, False),
        ({"src/a.CPP": ""}, True, True),
        ({"tests/a.c": "", "docs/b.cpp": "", "a/examples/c.pyx": ""}, False, False),
        ({"a.pyx": "# distutils: language = c++\n"}, True, True),
        ({"a.pyx": "", "setup.py": "Extension('a', ['a.pyx'], language='c++')"}, True, True),
        ({"rust/Cargo.toml": ""}, True, False),
    ],
)
def test_native_code_is_seen_by_name(files: dict[str, str], native: bool, cxx: bool, store: Store) -> None:
    sources = MemorySources({"a-1.0.tar.gz": sdist("a-1.0", files)}, store)
    known = sources.look(sources.fetch("memory://a-1.0.tar.gz", "a-1.0.tar.gz"))
    assert (known.native, known.cxx) == (native, cxx)


def test_what_a_source_says_of_itself_is_read(make: Make) -> None:
    files = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: a\nVersion: 1.0\nRequires-Python: >=3.9\n\nRequires-Python: no\n",
        "pyproject.toml": '[build-system]\nrequires = ["meson-python>=0.15", "cython"]\n',
    }
    sources = make({"a-1.0.tar.gz": sdist("a-1.0", files), "a-2.0.tar.gz": sdist("a-2.0", {"setup.py": ""}, mtime=5)})
    artifacts = [sources.fetch(offer.origin, offer.filename) for _, offer in sorted(sources.releases("a").items())]
    new, old = map(sources.look, artifacts)
    assert (new.requires, new.requires_python) == (("meson-python>=0.15", "cython"), ">=3.9")
    assert (new.pin.artifact, new.pin.epoch) == (artifacts[0], 1_000_000_000)
    assert (old.requires, old.requires_python) == (("setuptools>=40.8.0",), "")
    assert old.pin.epoch == 315532800


@pytest.mark.parametrize("text", ["[", "[build-system]\n", "[build-system]\nrequires = 'x'\n", "build-system = 3\n"])
def test_a_senseless_pyproject_is_refused(text: str, store: Store) -> None:
    sources = MemorySources({"a-1.0.tar.gz": sdist("a-1.0", {"pyproject.toml": text})}, store)
    with pytest.raises(Unavailable, match=r"pyproject\.toml of a-1\.0") as caught:
        sources.look(sources.fetch("memory://a-1.0.tar.gz", "a-1.0.tar.gz"))
    assert caught.value.reason.code == "source"


def test_an_archive_that_is_not_safe_is_refused(make: Make) -> None:
    sources = make({"a-1.0.tar.gz": sdist("a-1.0", {"../../etc/x": ""})})
    offer = sources.releases("a")["1.0"]
    with pytest.raises(Unavailable) as caught:
        sources.look(sources.fetch(offer.origin, offer.filename))
    assert caught.value.reason.code == "archive"


def test_the_first_place_that_knows_a_name_is_the_only_one(store: Store, tmp_path: Path, stack: ExitStack) -> None:
    (tmp_path / "a-1.0.tar.gz").write_bytes(b"mine")
    url = serve({"a-2.0.tar.gz": b"theirs", "b-1.0.tar.gz": b"b"}, "json", stack)
    sources = over(PipConfig(find_links=(str(tmp_path),), index_url=f"{url}/simple"), store, tmp_path, stack)
    assert set(sources.releases("a")) == {"1.0"}
    assert set(sources.releases("b")) == {"1.0"}


def test_a_project_with_wheels_only_is_told_from_an_unknown_one(store: Store, tmp_path: Path, stack: ExitStack) -> None:
    url = serve({"a-1.0-py3-none-any.whl": b"a"}, "json", stack)
    sources = over(PipConfig(index_url=f"{url}/simple"), store, tmp_path, stack)
    with pytest.raises(Unavailable, match="upstream has wheels of a, and no sdist") as caught:
        sources.releases("a")
    assert caught.value.reason.code == "unknown-project"
    assert sources.releases("b") == {}


def test_upstream_that_does_not_answer_is_said(store: Store, tmp_path: Path, stack: ExitStack) -> None:
    with ExitStack() as gone:
        url = serve({}, "json", gone)
    upstream = Upstream(lambda: stack.enter_context(httpx.Client()), lambda _: None)
    config = PipConfig(index_url=f"{url}/simple")
    with pytest.raises(Unavailable, match=f"could not get {url}") as caught:
        UpstreamSources(places(config, upstream, tmp_path / "pages"), upstream, store, git(tmp_path)).releases("a")
    assert caught.value.reason.code == "upstream"


@pytest.mark.network
def test_the_machine_s_own_index_is_asked(store: Store, tmp_path: Path, stack: ExitStack) -> None:
    sources = over(read(os.environ, Path.home(), Path(sys.prefix)), store, tmp_path, stack)
    offer = sources.releases("MarkupSafe")["2.1.5"]
    known = sources.look(sources.fetch(offer.origin, offer.filename, offer.sha256))
    assert offer.sha256 == known.pin.artifact.sha256
    assert known.native


# ------------------------------------------------------------------------------------------------ on one's own disk


def project(folder: Path, files: Mapping[str, str]) -> Recipe:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        os.utime(folder / name, (1_100_000_000, 1_100_000_000))
    return Recipe(name="My.Pkg", source=PathSource(path=str(folder)))


@pytest.fixture(params=["memory", "upstream"])
def sources(request: pytest.FixtureRequest, store: Store, tmp_path: Path, stack: ExitStack) -> Sources:
    if request.param == "memory":
        return MemorySources({}, store)
    return over(PipConfig(no_index=True), store, tmp_path, stack)


def test_a_folder_is_packed_the_same_every_time(sources: Sources, store: Store, tmp_path: Path) -> None:
    recipe = project(tmp_path / "p", {"pyproject.toml": '[project]\nversion = "1.2"\n', "src/b.c": "", "src/a.py": ""})
    version, known = sources.local(recipe)
    assert (version, known.native, known.pin.artifact.name) == ("1.2", True, "my_pkg-1.2.tar.gz")
    assert (known.pin.origin, known.pin.epoch) == (str(tmp_path / "p"), 1_100_000_000)
    project(tmp_path / "p", {".git/HEAD": "x", "src/__pycache__/a.pyc": "x", "venv/pyvenv.cfg": "", "venv/x.c": ""})
    assert sources.local(recipe) == (version, known)
    with store.open(known.pin.artifact.sha256) as content, tarfile.open(fileobj=content) as archive:
        assert archive.getnames() == [f"my_pkg-1.2/{name}" for name in ("pyproject.toml", "src", "src/a.py", "src/b.c")]
        assert {(member.uid, member.gid, member.uname) for member in archive} == {(0, 0, "")}


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"PKG-INFO": "Version: 1.0\n", "pyproject.toml": '[project]\nversion = "2"\n'}, "1.0"),
        ({"setup.cfg": "[metadata]\nversion = 1.0.0-1\n"}, "1.0.0.post1"),
        ({"setup.cfg": "[metadata]\nversion = attr: a.b\n", "setup.py": "setup(name='x', version='3')\n"}, "3"),
        ({"setup.py": "setup(version=find())\n"}, ""),
        ({"setup.py": "print 'python 2'\n"}, ""),
    ],
)
def test_a_folder_says_its_version(files: dict[str, str], version: str, sources: Sources, tmp_path: Path) -> None:
    assert sources.local(project(tmp_path / "p", files))[0] == version


def test_an_sdist_on_disk_is_taken_as_it_is(sources: Sources, tmp_path: Path) -> None:
    path = tmp_path / "My.Pkg-1.0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("My.Pkg-1.0/setup.py", (2001, 1, 1, 0, 0, 0)), "")
    version, known = sources.local(Recipe(name="my-pkg", source=PathSource(path=str(path))))
    assert (version, known.pin.artifact.name, known.pin.origin) == ("1.0", path.name, str(path))
    assert sources.fetch(known.pin.origin, path.name, known.pin.artifact.sha256) == known.pin.artifact


def test_a_path_with_nothing_there_is_the_author_s_to_correct(sources: Sources, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="neither a folder nor an sdist"):
        sources.local(Recipe(name="a", source=PathSource(path=str(tmp_path / "absent"))))


def test_a_folder_with_a_link_out_of_it_is_refused(sources: Sources, tmp_path: Path) -> None:
    recipe = project(tmp_path / "p", {"setup.py": ""})
    (tmp_path / "p" / "secrets").symlink_to("/etc")
    with pytest.raises(Unavailable, match="leads out"):
        sources.local(recipe)
