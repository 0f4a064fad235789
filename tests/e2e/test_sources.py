"""Sources that are no sdists of an index, from a server of our own: a commit of git, an archive at a URL. A patch."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.e2e.conftest import PROJECTS, Farm

pytestmark = [pytest.mark.host, pytest.mark.e2e]

PATCH = """--- a/tinypure.py
+++ b/tinypure.py
@@ -1 +1 @@
-ANSWER = 42
+ANSWER = 43
"""
PATCHED_TEST = ["tests:", "  - run: ['python -c \"import tinypure; assert tinypure.ANSWER == 43\"']"]


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, and a redirect; nothing is logged."""

    def do_GET(self) -> None:
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of what lies in the folder of the test."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", *identity, "-C", str(folder), *words]
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout.strip()


def recipe(farm: Farm, source: str, *lines: str) -> Path:
    path = farm.folder / "tinypure.yaml"
    path.write_text("\n".join(("name: tinypure", 'versions: ["1.0"]', f"source: {{{source}}}", *lines)) + "\n")
    return path


def test_a_commit_from_a_plain_server_with_a_patch(farm: Farm, served: str, tmp_path: Path) -> None:
    """Such a server gives no single commit, so all of the history comes; of ``.git`` the build sees nothing."""
    repository = tmp_path / "repository"
    git(tmp_path, "clone", "--quiet", "--no-hardlinks", str(_committed(tmp_path)), "--bare", str(repository))
    git(repository, "update-server-info")
    (farm.folder / "answer.patch").write_text(PATCH)
    commit = git(repository, "rev-parse", "HEAD")
    lines = ("build: {before: ['test ! -e .git']}", "patches: [{file: answer.patch}]", *PATCHED_TEST)
    done = farm.build(recipe(farm, f"git: '{served}/repository', commit: {commit}", *lines))
    assert done.code == 0, done.err
    why = farm.run("why", done.job("tinypure")["key"], "--json").json["wheels"][0]
    assert [each["role"] for each in why["inputs"]] == ["source", "patch"]


def _committed(folder: Path) -> Path:
    work = folder / "work"
    work.mkdir()
    git(work, "init", "--quiet")
    for file in ("backend.py", "pyproject.toml", "tinypure.py"):
        (work / file).write_text((PROJECTS / "tinypure" / file).read_text())
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--message", "one")
    git(work, "commit", "--quiet", "--message", "two", "--allow-empty")
    return work


def test_an_archive_at_a_url_behind_a_redirect(farm: Farm, served: str, tmp_path: Path) -> None:
    archive = _zipped(tmp_path)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    done = farm.build(recipe(farm, f"url: '{served}/moved/{archive.name}?a=b', sha256: 'sha256:{digest}'"))
    assert done.code == 0, done.err


def test_an_archive_with_another_hash_is_refused_with_both(farm: Farm, served: str, tmp_path: Path) -> None:
    archive = _zipped(tmp_path)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    done = farm.build(recipe(farm, f"url: '{served}/{archive.name}', sha256: 'sha256:{'0' * 64}'"))
    (out,) = done.json["left_out"]
    assert done.code == 1
    assert digest in out["reason"]
    assert "0" * 64 in out["reason"]


def _zipped(folder: Path) -> Path:
    """A zip file without a top folder."""
    path = folder / "tinypure-1.0.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for file in ("backend.py", "pyproject.toml", "tinypure.py"):
            packed.writestr(file, (PROJECTS / "tinypure" / file).read_text())
    return path
