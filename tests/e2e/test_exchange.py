"""Files come from other indexes and go to others: real ones, as programs of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import uv

from buildfarm.model.index import IndexClass
from buildfarm.model.wheel import Verdict
from tests.e2e.conftest import HERE, Farm
from tests.e2e.serving import make_wheel, serving

pytestmark = pytest.mark.e2e

DEVPI = ("devpi-server==6.20.3", "devpi-client==7.3.0", "setuptools<=81")
PYPISERVER = ("pypiserver==2.4.2", "passlib", "bcrypt<4")
ONE, CONTENT = make_wheel("demo", "1.0", "Requires-Python: >=3.8")
TWO, SECOND = make_wheel("demo", "2.0")
SECRET = "of-the-tests"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def listing(folder: Path) -> Iterator[str]:
    """The URL of a web server that lists the folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def site(tmp_path: Path) -> Farm:
    """A farm with a mirror, and an index of ours that inherits from it."""
    farm = Farm(tmp_path / "home", tmp_path / "work")
    with serving(farm.home) as served:
        served.make_index("company/third", kind=IndexClass.MIRROR)
        served.make_index("company/base", bases=("company/third",), reserved=("company-*",))
    return farm


def files(farm: Farm, index: str, project: str = "demo") -> dict[str, str]:
    """sha256 by name of the files that the index shows."""
    page = farm.home / "index" / index / "simple" / project / "index.json"
    found = json.loads(page.read_text())["files"] if page.exists() else []
    return {each["filename"]: each["hashes"]["sha256"] for each in found}


def results(farm: Farm, *words: object, code: int = 0, **variables: str) -> dict[str, str]:
    """What became of each file."""
    done = farm.run(*words, "--json", env=variables)
    assert done.code == code, done.err
    return {each["filename"]: each["result"] for each in done.json["files"]}


def put(folder: Path, *wheels: tuple[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in wheels:
        (folder / name).write_bytes(content)
    return folder


# ------------------------------------------------------------------------------------------------------ sources


def test_a_folder_and_a_listing_of_files_come_once(site: Farm, tmp_path: Path) -> None:
    folder = put(tmp_path / "manual" / "demo", (ONE, CONTENT), (TWO, SECOND)).parent
    (folder / "notes.txt").write_text("no distribution")
    with listing(tmp_path) as url:
        source = f"{url}/manual"
        assert results(site, "import", source, "--index", "company/base", "--dry-run") == {ONE: "new", TWO: "new"}
        assert files(site, "company/base") == {}
        assert results(site, "import", source, "--index", "company/base", "--project", "demo") == {
            ONE: "new",
            TWO: "new",
        }
    assert files(site, "company/base") == {
        ONE: sha256(CONTENT).hexdigest(),
        TWO: sha256(SECOND).hexdigest(),
    }
    assert set(results(site, "import", folder, "--index", "company/base").values()) == {"there already"}
    (folder / "demo" / ONE).write_bytes(make_wheel("demo", "1.0", "Summary: other")[1])
    (folder / "demo" / TWO).write_bytes(b"no zip")
    (folder / "extra-1.0-py3-none-any.whl").write_bytes(b"no zip")
    told = results(site, "import", folder, "--index", "company/base", code=1)
    assert told == {ONE: "conflict", TWO: "conflict", "extra-1.0-py3-none-any.whl": "refused"}


def test_another_index_of_ours_is_a_source(site: Farm, tmp_path: Path) -> None:
    with serving(tmp_path / "other") as served:
        served.make_index("open", accepts=tuple(Verdict))
        token = served.make_token("open")
        for name, content in ((ONE, CONTENT), (TWO, SECOND)):
            assert served.upload("open", name, content, token).status_code == 200
        source = f"{served.url}/open/simple/"
        told = results(site, "import", source, "--index", "company/third", "--project", "demo")
        assert told == {ONE: "new", TWO: "new"}
        assert set(results(site, "import", source, "--index", "company/third").values()) == {"there already"}
        assert results(site, "import", served.url, "--index", "company/third", code=1) == {}


def test_what_is_no_source_is_said(site: Farm, tmp_path: Path) -> None:
    for source, why in ((tmp_path / "none", "is no folder and no URL"), ("http://127.0.0.1:9/x", "could not get")):
        done = site.run("import", source, "--index", "company/base")
        assert done.code in (1, 2)
        assert why in done.err


# ---------------------------------------------------------------------------------------------------- admission


def test_releases_are_admitted_by_name_and_their_dependencies_by_name_alone(site: Farm, tmp_path: Path) -> None:
    top = make_wheel("top", "1.0", "Requires-Dist: demo>=1.5")
    source = put(tmp_path / "drop", (ONE, CONTENT), (TWO, SECOND), top)
    call = ("admit", "top==1", "--index", "company/third", "--from", source, "--targets", f"{HERE}-*")
    asked = site.run(*call)
    assert (asked.code, files(site, "company/third", "top")) == (2, {})
    assert "--yes" in asked.err
    done = site.run(*call, "--yes", "--json")
    assert (done.code, done.json["to_approve"], done.json["unknown"]) == (1, ["demo==2.0"], [])
    assert files(site, "company/base", "top") == {top[0]: sha256(top[1]).hexdigest()}
    assert files(site, "company/base") == {}, "nothing comes that nobody named"
    assert site.run(*call, "--yes", "--with-dependencies").code == 0
    assert list(files(site, "company/base")) == [TWO]
    assert site.run(*call, "--yes").code == 0, "and now there is nothing left to approve"


def test_a_reviewed_file_lets_in_what_it_says_and_its_bytes_alone(site: Farm, tmp_path: Path) -> None:
    top = make_wheel("top", "1.0", "Requires-Dist: demo")
    source = put(tmp_path / "drop", (TWO, SECOND), top)
    listed = site.folder / "admissions.yaml"
    call = ("admit", "top==1.0", "--index", "company/third", "--from", source, "--targets", f"{HERE}-*")
    assert site.run(*call, "--write", listed).code == 0
    assert listed.read_text().splitlines()[1:] == [
        "index: company/third",
        "admit:",
        "  top==1.0:",
        f"    {top[0]}: sha256:{sha256(top[1]).hexdigest()}",
        "",
        "# What those depend on. Move to admit what may come in as well, and remove the rest.",
        "proposed:",
        "  demo==2.0:",
        f"    {TWO}: sha256:{sha256(SECOND).hexdigest()}",
    ]
    assert files(site, "company/third", "top") == {}
    waiting = site.run("admit", "-f", listed, "--from", source, "--json")
    assert (waiting.code, waiting.json["to_approve"]) == (1, ["demo==2.0"])
    approved = listed.read_text().replace("proposed:\n", "")
    listed.write_text("\n".join(line for line in approved.splitlines() if not line.startswith("#")))
    assert site.run("admit", "-f", listed, "--from", source).code == 0
    assert list(files(site, "company/base")) == [TWO]
    (source / TWO).write_bytes(make_wheel("demo", "2.0", "Summary: slipped in")[1])
    fresh = Farm(tmp_path / "fresh", site.folder)
    with serving(fresh.home) as served:
        served.make_index("company/third", kind=IndexClass.MIRROR)
    done = fresh.run("admit", "-f", listed, "--from", source)
    assert done.code == 1
    assert f"not sha256:{sha256(SECOND).hexdigest()}" in " ".join(done.out.split())
    assert files(fresh, "company/third") == {}, "of this one no file came"
    assert files(fresh, "company/third", "top")


def test_names_of_ours_are_refused_and_say_whose_they_are(site: Farm, tmp_path: Path) -> None:
    source = put(tmp_path / "drop", (ONE, CONTENT), make_wheel("company_tool", "1.0"))
    assert site.run("import", source, "--project", "demo", "--index", "company/base").code == 0
    done = site.run(*("admit", "company-tool==1.0", "demo==1.0", "--index", "company/third", "--from", source, "--yes"))
    assert done.code == 1
    assert "company/base reserves 'company-*'" in done.err
    assert "demo==1.0: the name is company/base's own" in done.err
    assert files(site, "company/third") == {}


# ------------------------------------------------------------------------------------------------------ targets


def test_a_folder_gets_files_and_pages_that_pip_installs_from(site: Farm, tmp_path: Path) -> None:
    source = put(tmp_path / "drop", (ONE, CONTENT), (TWO, SECOND))
    assert site.run("import", source, "--index", "company/base").code == 0
    stick = tmp_path / "stick"
    call = ("publish", "demo==1.0", "--index", "company/base", "--to", stick, "--pages")
    assert results(site, *call) == {ONE: "new"}
    assert results(site, *call) == {ONE: "there already"}
    assert results(site, "publish", "demo==2.0", *call[2:]) == {TWO: "new"}
    with listing(stick) as url:
        index = f"{url}/simple/"
        into = tmp_path / "into"
        pip = (sys.executable, "-m", "pip", "--isolated", "install", "-q", "--no-deps", "--target", into)
        subprocess.run([*pip, "--index-url", index, "demo<2"], check=True)
        assert (into / "demo.py").read_text() == "version = '1.0'\n"
        again = Farm(tmp_path / "second", tmp_path / "work")
        with serving(again.home) as served:
            served.make_index("main")
        told = results(again, "import", index, "--index", "main")
        assert told == {ONE: "new", TWO: "new"}, "what was written is an index that can be read"
    (stick / ONE).write_bytes(b"other")
    assert results(site, *call, code=1) == {ONE: "conflict"}
    assert (stick / ONE).read_bytes() == b"other"


def test_another_server_of_ours_is_a_target(site: Farm, tmp_path: Path) -> None:
    source = put(tmp_path / "drop", (ONE, CONTENT))
    assert site.run("import", source, "--index", "company/base").code == 0
    with serving(tmp_path / "other") as served:
        served.make_index("open", accepts=tuple(Verdict))
        call = ("publish", "demo==1.0", "--index", "company/base", "--to", f"{served.url}/open/")
        assert results(site, *call, code=1) == {ONE: "refused"}
        token = served.make_token("open")
        assert results(site, *call, "--password-env", "TOKEN", TOKEN=token) == {ONE: "new"}
        assert served.versions("open", "demo") == ["1.0"]
        pypirc = tmp_path / "pypirc"
        pypirc.write_text(f"[other]\nrepository = {served.url}/open/\nusername = __token__\npassword = {token}\n")
        told = results(site, *call[:-1], "pypirc:other", "--pypirc", pypirc)
        assert told == {ONE: "there already"}
    done = site.run(*call, "--username", "ada")
    assert done.code == 2
    assert "--password-env" in done.err


# ------------------------------------------------------------------------------------- peers that are not ours


@pytest.fixture(scope="session")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with devpi and pypiserver."""
    folder = tmp_path_factory.mktemp("peers")
    for name, wanted in (("devpi", DEVPI), ("pypiserver", PYPISERVER)):
        subprocess.run([uv.find_uv_bin(), "venv", "-q", folder / name], check=True)
        python = folder / name / "bin" / "python"
        subprocess.run([uv.find_uv_bin(), "pip", "install", "-q", "--python", python, *wanted], check=True)
    return folder


@contextmanager
def running(*argv: object, ready: str) -> Iterator[None]:
    """A program until the end of the block; it is up when it answers at the URL."""
    process = subprocess.Popen([*map(str, argv)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            assert process.poll() is None, "it ended at once"
            try:
                httpx.get(ready, timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.network
@pytest.mark.slow
def test_devpi_is_a_target_a_source_and_promotes(site: Farm, tmp_path: Path, peers: Path) -> None:
    programs, state, port = peers / "devpi" / "bin", tmp_path / "devpi", free_port()
    url = f"http://127.0.0.1:{port}"
    serve = (programs / "devpi-server", "--serverdir", state, "--port", port, "--host", "127.0.0.1")
    init = (programs / "devpi-init", "--serverdir", state, "--root-passwd", SECRET, "--no-root-pypi")
    subprocess.run(init, check=True, capture_output=True)
    client = (programs / "devpi", "--clientdir", tmp_path / "client")

    def devpi(*words: object) -> str:
        argv = [str(client[0]), *map(str, words), *map(str, client[1:])]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    assert site.run("import", put(tmp_path / "drop", (ONE, CONTENT)), "--index", "company/base").code == 0
    call = ("publish", "demo==1.0", "--index", "company/base", "--to", f"devpi:{url}/root/dev")
    login = ("--username", "root", "--password-env", "SECRET")
    with running(*serve, ready=f"{url}/+api"):
        devpi("use", url)
        devpi("login", "root", "--password", SECRET)
        devpi("index", "-c", "root/dev", "bases=", "volatile=True")
        devpi("index", "-c", "root/qa", "bases=", "volatile=False")
        assert results(site, *call, code=1) == {ONE: "refused"}
        wrong = site.run(*call, *login, env={"SECRET": "no"})
        assert (wrong.code, "401" in wrong.err) == (1, True)
        told = results(site, *call, *login, "--promote-to", "root/qa", SECRET=SECRET)
        assert told == {ONE: "new"}
        for index in ("dev", "qa"):
            page = httpx.get(f"{url}/root/{index}/+simple/demo/", headers={"User-Agent": "pip/26"}).text
            assert sha256(CONTENT).hexdigest() in page
        assert results(site, *call, *login, SECRET=SECRET) == {ONE: "there already"}
        devpi("use", "root/qa")
        assert ONE in devpi("list", "demo")
        subprocess.run([uv.find_uv_bin(), "venv", "-q", "--seed", tmp_path / "installed"], check=True)
        devpi("install", "--venv", tmp_path / "installed", "demo")
        show = (tmp_path / "installed" / "bin" / "python", "-c", "import demo; print(demo.version)")
        assert subprocess.run(show, check=True, capture_output=True, text=True).stdout == "1.0\n"
        with serving(tmp_path / "fifth") as served:
            served.make_index("main", accepts=tuple(Verdict))
            (tmp_path / "pypirc").write_text(
                f"[distutils]\nindex-servers = farm\n\n[farm]\nrepository = {served.url}/main/\n"
                f"username = __token__\npassword = {served.make_token('main')}\n"
            )
            for _ in range(2):  # as often as one likes
                devpi("push", "demo==1.0", "pypi:farm", "--pypirc", tmp_path / "pypirc")
            assert served.versions("main", "demo") == ["1.0"]
        third = Farm(tmp_path / "third", tmp_path / "work")
        with serving(third.home) as served:
            served.make_index("main")
        assert results(third, "import", f"{url}/root/dev/+simple/", "--index", "main") == {ONE: "new"}
        pushed = site.run(*call[:-1], f"devpi:{url}/nobody/none", *login, env={"SECRET": SECRET})
        assert pushed.code != 0
        other = put(tmp_path / "other", make_wheel("demo", "1.0", "Summary: other"))
        devpi("use", "root/dev")
        devpi("upload", "--no-vcs", *other.iterdir())
        assert results(site, *call, *login, code=1, SECRET=SECRET) == {ONE: "conflict"}, "it would be overwritten"
    exported = tmp_path / "export"
    subprocess.run([programs / "devpi-export", "--serverdir", state, exported], check=True, capture_output=True)
    fourth = Farm(tmp_path / "fourth", tmp_path / "work")
    with serving(fourth.home) as served:
        served.make_index("main")
    many = fourth.run("import", exported, "--index", "main")
    assert many.code == 2
    assert f"{exported}/root/dev, {exported}/root/qa" in many.err
    assert results(fourth, "import", exported / "root" / "qa", "--index", "main") == {ONE: "new"}
    assert files(fourth, "main") == {ONE: sha256(CONTENT).hexdigest()}


@pytest.mark.network
@pytest.mark.slow
def test_pypiserver_is_a_target_and_a_source(site: Farm, tmp_path: Path, peers: Path) -> None:
    python, port = peers / "pypiserver" / "bin" / "python", free_port()
    packages = put(tmp_path / "packages", (TWO, SECOND))
    code = f"from passlib.apache import HtpasswdFile as H; h = H({str(tmp_path / 'ht')!r}, new=True)"
    subprocess.run([python, "-c", f"{code}; h.set_password('ada', {SECRET!r}); h.save()"], check=True)
    url = f"http://127.0.0.1:{port}"
    serve = ("-m", "pypiserver", "run", "-p", port, "-i", "127.0.0.1", "-P", tmp_path / "ht", "-a", "update")
    with running(python, *serve, "--backend", "simple-dir", "--disable-fallback", packages, ready=url):
        assert results(site, "import", f"{url}/simple/", "--index", "company/base") == {TWO: "new"}
        assert site.run("import", put(tmp_path / "drop", (ONE, CONTENT)), "--index", "company/base").code == 0
        call = ("publish", "demo==1.0", "demo==2.0", "--index", "company/base", "--to", f"{url}/")
        login = ("--username", "ada", "--password-env", "SECRET")
        denied = site.run(*call, *login, "--json", env={"SECRET": "no"})
        assert denied.code == 1
        assert "does not allow it" in denied.json["files"][0]["note"]
        assert results(site, *call, *login, SECRET=SECRET) == {ONE: "new", TWO: "there already"}
        assert (packages / ONE).read_bytes() == CONTENT
        (packages / ONE).write_bytes(b"other")
        assert results(site, *call, *login, code=1, SECRET=SECRET) == {ONE: "conflict", TWO: "there already"}
        (packages / ONE).unlink()
        netrc = tmp_path / "user"
        netrc.mkdir()
        (netrc / ".netrc").write_text(f"machine 127.0.0.1 login ada password {SECRET}\n")
        (netrc / ".netrc").chmod(0o600)
        assert results(site, *call, HOME=str(netrc)) == {ONE: "new", TWO: "there already"}


def test_no_secret_of_a_call_is_in_what_the_farm_keeps(site: Farm, tmp_path: Path) -> None:
    with serving(tmp_path / "other") as served:
        served.make_index("open", accepts=tuple(Verdict), private=True)
        token = served.make_token("open")
        assert served.upload("open", ONE, CONTENT, token).status_code == 200
        source = served.url.replace("://", f"://__token__:{token}@") + "/open/simple/"
        assert results(site, "import", source, "--index", "company/base", "--project", "demo") == {ONE: "new"}
    kept = [path for path in site.home.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    assert kept == []
    assert os.environ.get("TOKEN") is None
