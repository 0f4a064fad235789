"""Real clients install from an index that inherits, on a host that has no other index, and ask nobody but its server.

Each has the file that `buildfarm client-config` prints. What else they do is shown elsewhere: pip and uv with pages of
either form, metadata beside wheels and 304 in test_serve and test_conformance (there behind nginx and a static server
too), twine and `uv publish` in test_upload, locks from a private index with a token in test_client_config, the client
of devpi in test_exchange.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import unquote

import pytest
import uv
from click.testing import CliRunner

from buildfarm.adapters.host.interpreters import PLACES
from buildfarm.app.cli import cli
from buildfarm.farm.render import render
from buildfarm.model.events import FileYanked
from buildfarm.model.index import IndexClass
from tests.e2e.fronts import publish
from tests.e2e.serving import Served, serving

pytestmark = [pytest.mark.e2e, pytest.mark.network, pytest.mark.slow]

UV = uv.find_uv_bin()
PIP = (sys.executable, "-m", "pip")
INSTALL: dict[str, Callable[[Path], tuple[object, ...]]] = {
    "pip": lambda python: (*PIP, "--python", python, "install"),
    "uv": lambda python: (UV, "pip", "install", "--python", python),
}
"""How the newest pip and uv install for a Python."""

NAMES = ("tool", "numerics", "units", "sixish")
NEWEST = "1.0 1.1 2.0 1.0"
"""Versions of the NAMES that a client takes that is asked for the first of them."""

SHOW = f"import {', '.join(NAMES)}; print(' '.join([{', '.join(f'{name}.version' for name in NAMES)}]))"
PROJECT = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = {}\n\n'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A mirror <- company/base <- company/internal <- company/dev <- company/closed, each with files; no sdists."""
    with serving(tmp_path_factory.mktemp("site") / "home") as served:

        def day(index: str, name: str, version: str, on: str, *lines: str) -> str:
            uploaded, tag = f"2026-{on}T12:00:00Z", "py2.py3-none-any"
            return publish(served, index, name, version, *lines, uploaded=uploaded, tag=tag).artifact.name

        served.make_index("company/third", kind=IndexClass.MIRROR)
        day("company/third", "sixish", "1.0", "01-05")
        day("company/third", "numerics", "9.0", "01-06")
        for name, base in (("base", "third"), ("internal", "base"), ("dev", "internal"), ("closed", "dev")):
            served.make_index(f"company/{name}", bases=(f"company/{base}",), private=name == "closed")
        day("company/base", "units", "1.0", "01-10")
        day("company/base", "units", "2.0", "03-10")
        wrong = day("company/base", "units", "3.0", "05-10")
        day("company/base", "units", "4.0", "05-11", "Requires-Python: >=4")
        day("company/internal", "numerics", "1.0", "02-01", "Requires-Dist: units")
        day("company/internal", "numerics", "1.1", "04-01", "Requires-Dist: units")
        day("company/dev", "tool", "1.0", "02-10", "Requires-Dist: numerics", "Requires-Dist: sixish")
        day("company/closed", "hidden", "1.0", "02-11", "Requires-Dist: tool")
        yanked = FileYanked(project="units", filename=wrong, reason="wrong constants")
        served.server.ledger.events.append("company/base", yanked)
        render(served.server.serving.site().farm)
        served.forget()
        yield served


class Host:
    """A machine with a user's home (its folder) and no index but ``company/dev``; other hosts are behind a proxy."""

    def __init__(self, folder: Path, site: Served, proxy: str) -> None:
        self.folder = folder
        self.site = site
        behind = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), proxy)
        self.environ = {
            **behind,
            "no_proxy": "127.0.0.1",
            "NO_PROXY": "127.0.0.1",
            "PATH": os.defpath,
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PIP_NO_INPUT": "1",
        }

    def write(self, path: str, *words: str, before: str = "", index: str = "company/dev") -> None:
        """What `client-config` prints for the index, after some other text, as that file of the user."""
        done = CliRunner().invoke(cli, ["client-config", *words, "--index", index, "--url", self.site.url])
        assert done.exit_code == 0, done.output
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(before + done.output)

    def call(self, *words: object, **environ: str) -> tuple[int, str]:
        """The exit code of a program and all that it says."""
        done = subprocess.run(
            list(map(str, words)),
            cwd=self.folder,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout

    def run(self, *words: object, **environ: str) -> str:
        """What a program says that must succeed."""
        code, said = self.call(*words, **environ)
        assert code == 0, said
        return said

    @property
    def python(self) -> Path:
        """That of the virtual environment in the folder."""
        return self.folder / ".venv" / "bin" / "python"

    def venv(self) -> Path:
        """The Python of a new virtual environment there."""
        self.run(UV, "venv", "--clear", "--python", sys.executable, ".venv")
        return self.python

    def installs(self, client: str, *words: str) -> str:
        """What pip or uv has installed into a new environment: ``NAME==VERSION …``."""
        python = self.venv()
        self.run(*INSTALL[client](python), *words)
        return " ".join(self.run(UV, "pip", "freeze", "--python", python).split())

    def refuses(self, client: str, *words: str) -> str:
        """Why pip or uv does not install, in small letters and on one line."""
        code, said = self.call(*INSTALL[client](self.venv()), *words)
        assert code != 0, said
        return " ".join(said.lower().split())


@pytest.fixture
def host(site: Served, tmp_path: Path) -> Iterator[Host]:
    """Such a machine. At the end nobody has asked its proxy, nor our server for a page of another index."""
    outside: list[bytes] = []

    class Closed(StreamRequestHandler):
        def handle(self) -> None:
            outside.append(self.rfile.readline())

    with ThreadingTCPServer(("127.0.0.1", 0), Closed) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        site.heard.clear()
        host = Host(tmp_path, site, f"http://127.0.0.1:{proxy.server_address[1]}")
        host.write(".config/pip/pip.conf", "pip")
        host.write(".config/uv/uv.toml", "uv")
        yield host
        proxy.shutdown()
        thread.join()
    assert outside == []
    pages = [line for line in map(unquote, site.heard) if "/+f/" not in line]
    assert [line for line in pages if not re.search(r" GET /company/(dev|closed)/simple/", line)] == []


# ------------------------------------------------------------------------------------------- clients of all kinds


@cache
def program(name: str, requirement: str) -> Path:
    """A program from the index of this machine, in an environment of its own."""
    words = ("tool", "run", "--from", requirement, "python", "-c", "import sys; print(sys.prefix)")
    done = subprocess.run([UV, *words], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip()) / "bin" / name


def oldest(*releases: str) -> Path | None:
    """The first of these Pythons that this machine has, where buildfarm looks for Pythons too."""
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    folders += [folder for place in PLACES for folder in Path(place).expanduser().glob("*/bin")]
    found = (folder / f"python{release}" for release in releases for folder in folders)
    return next((each for each in found if each.is_file() and not is_script(each)), None)


def is_script(path: Path) -> bool:
    """Whether it is one, as pyenv's shims are."""
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def newest_pip(host: Host) -> Path:
    host.installs("pip", "tool")
    return host.python


def uv_pip(host: Host) -> Path:
    host.installs("uv", "tool")
    return host.python


def uv_sync(host: Host) -> Path:
    """From its lock, which is to say that it need not resolve."""
    host.write("pyproject.toml", "uv", "--file", "pyproject.toml", before=PROJECT.format('["tool"]'))
    host.run(UV, "lock", "--python", sys.executable)
    host.run(UV, "sync", "--locked", "--python", sys.executable)
    return host.python


def pipenv(host: Host) -> Path:
    host.write("Pipfile", "pipenv")
    client, here = program("pipenv", "pipenv==2026.10.3"), {"PIPENV_VENV_IN_PROJECT": "1"}
    host.run(client, "--python", sys.executable, "install", "tool", **here)
    shutil.rmtree(host.folder / ".venv")
    host.run(client, "--python", sys.executable, "sync", **here)
    return host.python


def poetry(host: Host) -> Path:
    host.write("pyproject.toml", "poetry", before=PROJECT.format("[]") + "[tool.poetry]\npackage-mode = false\n\n")
    client, here = program("poetry", "poetry==2.5.1"), {"POETRY_VIRTUALENVS_IN_PROJECT": "true"}
    host.run(client, "add", "tool", **here)
    shutil.rmtree(host.folder / ".venv")
    host.run(client, "install", **here)
    return host.python


def pdm(host: Host) -> Path:
    host.write("pyproject.toml", "pdm", before=PROJECT.format("[]") + "[tool.pdm]\ndistribution = false\n\n")
    client = program("pdm", "pdm[locked]==2.28.2")
    host.run(client, "use", host.venv())
    host.run(client, "add", "tool")
    host.venv()
    host.run(client, "sync")
    return host.python


@pytest.mark.parametrize("client", [newest_pip, uv_pip, uv_sync, pipenv, poetry, pdm])
def test_a_client_installs_what_can_be_imported(host: Host, client: Callable[[Host], Path]) -> None:
    """The newest that is not yanked, is for this Python, and is ours where we have the name."""
    python = client(host)
    assert host.run(python, "-c", SHOW).split() == NEWEST.split()


def old(pip: str, taken: str, *releases: str) -> object:
    """A case of a pip, the versions that it takes, and the oldest of these Pythons that is here."""
    found = oldest(*releases)
    return pytest.param(pip, taken, found, id=f"pip-{pip}-on-{found.name if found else 'none'}")


OLD = (
    old("20.3.4", NEWEST, "2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11"),
    old("9.0.3", "1.0 1.1 3.0 1.0", "2.7", "3.6", "3.7", "3.8", "3.9"),  # it is older than yanks
)


@pytest.mark.parametrize(("pip", "taken", "python"), OLD)
def test_a_pip_of_long_ago_installs(host: Host, pip: str, taken: str, python: Path | None) -> None:
    """It reads HTML alone; where no Python is here that runs it, the page that it asks for must be that."""
    if python is None:
        page = host.site.get("/company/dev/simple/units/", Accept="text/html", User_Agent=f"pip/{pip}")
        assert (page.status_code, page.headers["Content-Type"].split(";")[0]) == (200, "text/html")
        assert 'data-requires-python="&gt;=4"' in page.text
        return
    here = host.folder / "pip"
    words = ("install", "--quiet", "--no-deps", "--ignore-requires-python", "--target", here, f"pip=={pip}")
    subprocess.run([*PIP, *words], check=True)  # from the index of this machine
    host.run(python, "-m", "pip", "install", "--target", ".", "tool", PYTHONPATH=str(here))
    assert host.run(python, "-c", SHOW).split() == taken.split()


# ---------------------------------------------------------------------------------------------- what is not taken


@pytest.mark.parametrize("client", INSTALL)
def test_what_is_yanked_is_taken_only_where_it_is_pinned(host: Host, client: str) -> None:
    assert host.installs(client, "units") == "units==2.0"
    assert "yanked" in host.refuses(client, "units>2")
    said = host.run(*INSTALL[client](host.venv()), "units==3.0")
    assert "wrong constants" in said


@pytest.mark.parametrize("client", INSTALL)
def test_a_newer_version_of_ours_from_a_mirror_is_not_taken(host: Host, client: str) -> None:
    """Dependency confusion: the mirror, from which the index inherits, has it."""
    assert "numerics-9.0" in (host.site.tree / "company/third/simple/numerics/index.html").read_text()
    assert host.installs(client, "numerics") == "numerics==1.1 units==2.0"
    host.refuses(client, "numerics==9.0")


@pytest.mark.parametrize("client", INSTALL)
def test_a_private_index_is_for_hosts_with_a_token(host: Host, client: str) -> None:
    """Both take it from `~/.netrc`."""
    host.write(".config/pip/pip.conf", "pip", index="company/closed")
    host.write(".config/uv/uv.toml", "uv", index="company/closed")
    host.refuses(client, "hidden")
    assert {line[:4] for line in host.site.heard} == {"401 "}
    netrc = host.folder / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login __token__ password {host.site.make_token('company/closed', 'read')}\n")
    netrc.chmod(0o600)
    assert host.installs(client, "hidden") == "hidden==1.0 numerics==1.1 sixish==1.0 tool==1.0 units==2.0"


# ------------------------------------------------------------------------------------------------ hashes and dates


@pytest.mark.parametrize("client", INSTALL)
def test_hashes_of_a_lock_are_held(host: Host, client: str) -> None:
    """Those of the page are those of the files; a wrong one, and a dependency that has none, are refused."""
    (host.folder / "in.txt").write_text("tool\n")
    lock, held = host.folder / "lock.txt", ("--require-hashes", "-r", "lock.txt")
    how = ("--generate-hashes", "--no-annotate", "--no-header", "--python", sys.executable)
    host.run(UV, "pip", "compile", *how, "in.txt", "--output-file", lock)
    text = lock.read_text()
    assert host.installs(client, *held) == "numerics==1.1 sixish==1.0 tool==1.0 units==2.0"
    lock.write_text(text.replace(re.findall("sha256:(.*)", text)[-1], "0" * 64))
    assert "hash" in host.refuses(client, *held)
    lock.write_text(text.partition("units==")[0])
    assert "hash" in host.refuses(client, *held)


@pytest.mark.parametrize(("client", "option"), [("pip", "--uploaded-prior-to"), ("uv", "--exclude-newer")])
def test_an_installer_goes_back_to_a_day(host: Host, client: str, option: str) -> None:
    old = "numerics==1.0 sixish==1.0 tool==1.0 units=="
    assert host.installs(client, "tool", option, "2026-02-15T00:00:00Z") == f"{old}1.0"
    assert host.installs(client, "tool", option, "2026-03-15T00:00:00Z") == f"{old}2.0"
    host.refuses(client, "tool", option, "2026-02-10T11:59:59Z")
