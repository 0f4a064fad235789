"""Real clients take what `client-config` prints, and find a wheel of a private index with a token of theirs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import uv
from click.testing import CliRunner

from buildfarm.app.cli import cli
from tests.e2e.fronts import publish
from tests.e2e.serving import Served, serving

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PROJECT = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["demo"]\n\n'


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("clients") / "home") as served:
        served.make_index("company/dev", private=True)
        publish(served, "company/dev", "demo", "1.0")
        yield served


@pytest.fixture
def told(private: Served) -> Callable[..., str]:
    """What the command prints for that index."""

    def say(client: str, *words: str) -> str:
        given = [
            "client-config",
            client,
            "--index",
            "company/dev",
            "--url",
            private.url,
            "--token-env",
            "TOKEN",
            *words,
        ]
        done = CliRunner().invoke(cli, given)
        assert done.exit_code == 0, done.output
        return done.output

    return say


def call(folder: Path, *words: object, **environ: str) -> None:
    """Run a program in a folder, with nothing of the tests' own configuration of packages but where tools come from."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_EXTRA", "UV_EXTRA"))}
    clean: Mapping[str, str] = {**given, "VIRTUAL_ENV": "", **environ}
    done = subprocess.run(list(map(str, words)), cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_uv(private: Served, told: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT + told("uv", "--file", "pyproject.toml"))
    known = {"UV_INDEX_COMPANY_DEV_USERNAME": "__token__"}
    known["UV_INDEX_COMPANY_DEV_PASSWORD"] = private.make_token("company/dev", "read")
    words = [uv.find_uv_bin(), "lock", "--cache-dir", tmp_path / "cache"]
    call(tmp_path, *words, **known, UV_DEFAULT_INDEX="", UV_INDEX="", UV_INDEX_URL="")
    assert f'registry = "{private.url}/company/dev/simple/"' in (tmp_path / "uv.lock").read_text()


@pytest.mark.network
def test_pipenv(private: Served, told: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "Pipfile").write_text(told("pipenv") + '\n[packages]\ndemo = "*"\n')
    words = [uv.find_uv_bin(), "tool", "run", "--from", "pipenv==2026.10.3", "pipenv", "lock"]
    token = private.make_token("company/dev", "read")
    call(tmp_path, *words, TOKEN=token, PIPENV_VENV_IN_PROJECT="1", PIPENV_IGNORE_VIRTUALENVS="1")
    locked = (tmp_path / "Pipfile.lock").read_text()
    assert '"version": "==1.0"' in locked
    assert token not in locked


@pytest.mark.network
def test_poetry(private: Served, told: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT + told("poetry"))
    known = {"POETRY_HTTP_BASIC_COMPANY_DEV_USERNAME": "__token__", "POETRY_CACHE_DIR": str(tmp_path / "cache")}
    known["POETRY_HTTP_BASIC_COMPANY_DEV_PASSWORD"] = private.make_token("company/dev", "read")
    call(tmp_path, uv.find_uv_bin(), "tool", "run", "--from", "poetry==2.5.1", "poetry", "lock", **known)
    assert f'url = "{private.url}/company/dev/simple"' in (tmp_path / "poetry.lock").read_text()


@pytest.mark.network
def test_pdm(private: Served, told: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT + told("pdm"))
    token = private.make_token("company/dev", "read")
    # With what it was locked with: without an upper bound it does not work with the next major version of hishel.
    words = [uv.find_uv_bin(), "tool", "run", "--from", "pdm[locked]==2.28.2", "pdm", "lock"]
    call(tmp_path, *words, TOKEN=token, PDM_CACHE_DIR=str(tmp_path / "cache"), PDM_CHECK_UPDATE="0")
    locked = (tmp_path / "pdm.lock").read_text()
    assert 'name = "demo"\nversion = "1.0"' in locked
    assert token not in locked
