"""What `client-config` prints, and that the clients take it for what it is meant to be."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import uv
from click.testing import CliRunner

from buildfarm.app.cli import cli

GOLDEN = Path(__file__).parents[2] / "golden" / "clients"
SERVER = "https://packages.example"
CACHE = ("max-age=0", "max-age=365000000, immutable")
CALLS = {
    "pip": ("pip",),
    "pip-private": ("pip", "--token-env", "TOKEN", "--cert", "/etc/ssl/company.pem"),
    "pip-plain": ("pip", "--url", "http://packages.example:8420"),
    "pip-extra": ("pip", "--extra-index", "company/qa", "--extra-index", "https://other.example/simple"),
    "uv": ("uv",),
    "uv-project": ("uv", "--file", "pyproject.toml", "--extra-index", "company/qa", "--token-env", "TOKEN"),
    "uv-trusted": ("uv", "--trusted-host"),
    "pipenv": ("pipenv", "--extra-index", "company/qa", "--token-env", "TOKEN"),
    "poetry": ("poetry", "--extra-index", "company/qa", "--token-env", "TOKEN", "--cert", "/etc/ssl/company.pem"),
    "pdm": ("pdm", "--extra-index", "company/qa", "--token-env", "TOKEN", "--cert", "/etc/ssl/company.pem"),
    "twine": ("twine", "--extra-index", "company/qa", "--token-env", "TOKEN"),
}


def printed(*words: str, code: int = 0) -> str:
    given = () if "--url" in words else ("--url", SERVER)
    done = CliRunner().invoke(cli, ["client-config", *words, "--index", "company/dev", *given], standalone_mode=False)
    if code:
        return str(done.exception)
    assert (done.exit_code, done.exception) == (0, None)
    return done.output


def test_the_server_of_a_home_is_the_setting_and_its_indexes_are_known(tmp_path: Path) -> None:
    home = ("--home", str(tmp_path))

    def said(*words: str) -> str:
        return CliRunner().invoke(cli, [*words, *home]).output

    assert "index-url = http://127.0.0.1:8420/man/simple/" in said("client-config", "pip", "--index", "man")
    said("index", "create", "company/dev")
    refused = said("client-config", "pip", "--index", "man", "--extra-index", "company/qa")
    assert "there is no index 'man', 'company/qa' in" in refused
    assert "company/dev" in refused
    assert "for a server on this machine, http://127.0.0.1:8420;" in said(
        "client-config", "pip", "--index", "company/dev"
    )
    (tmp_path / "farm.yaml").write_text("url: https://packages.example/\n")
    done = said("client-config", "pip", "--index", "company/dev")
    assert "index-url = https://packages.example/company/dev/simple/" in done
    assert "this machine" not in done
    made = said("token", "create", "--index", "company/dev", "--right", "upload")
    assert "repository = https://packages.example/company/dev/" in made
    assert "machine packages.example login __token__" in made
    other = said("client-config", "pip", "--index", "man", "--url", "https://other.example")
    assert "index-url = https://other.example/man/simple/" in other


@pytest.mark.parametrize("name", CALLS)
def test_golden(name: str) -> None:
    golden = GOLDEN / f"{name}.txt"
    text = printed(*CALLS[name])
    if os.environ.get("BUILDFARM_REGOLD"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()
    assert text.isascii()  # pip reads its file in whatever encoding the machine has


def test_json_has_every_form_and_where_it_goes() -> None:
    document = json.loads(printed("uv", "--json"))
    assert [each["name"] for each in document["files"]] == ["uv.toml", "pyproject.toml"]
    assert document["files"][0]["places"]["this user"]["Windows"] == r"%APPDATA%\uv\uv.toml"
    assert document["files"][0]["text"] == printed("uv")
    pip = json.loads(printed("pip", "--json"))["files"]
    assert [each["name"] for each in pip] == ["pip.conf", "pip.ini"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("pip", "--url", "packages.example"), "is no URL of a server"),
        (("pip", "--url", "https://me:secret@packages.example"), "has credentials in it"),
        (("pip", "--extra-index", "Company/QA"), "'Company/QA' is no index name, and no URL"),
        (("pip", "--extra-index", "https://me:secret@other.example/"), "has credentials in it"),
        (("pip", "--extra-index", "https://other.example/\n[global]\nx=1"), "characters that no URL has"),
        (("pip", "--token-env", "bf-0123"), "a token: it would be printed"),
        (("pip", "--cert", "ca.pem", "--trusted-host"), "leave --trusted-host out"),
        (("pip", "--file", "setup.cfg"), "pip has pip.conf, pip.ini"),
    ],
)
def test_what_cannot_be_is_said(words: tuple[str, ...], why: str) -> None:
    said = printed(*words, code=1)
    assert why in said
    assert "me:secret" not in said
    assert "bf-0123" not in said


def run(*words: object, **environ: str) -> str:
    given = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", ""), **environ}
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, env=given)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pip_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(printed(*CALLS["pip-extra"]) + "cert = /ca.pem\n")
    said = run(sys.executable, "-m", "pip", "config", "list", PIP_CONFIG_FILE=str(file), HOME=str(tmp_path))
    assert f"global.index-url='{SERVER}/company/dev/simple/'" in said
    assert f"global.extra-index-url='\\n{SERVER}/company/qa/simple/\\nhttps://other.example/simple'" in said


@pytest.mark.parametrize("name", ["uv", "uv-trusted", "uv-project"])
def test_uv_reads_it(tmp_path: Path, name: str) -> None:
    file = tmp_path / ("pyproject.toml" if name == "uv-project" else "uv.toml")
    file.write_text(printed(*CALLS[name]) + ("" if name != "uv-project" else '[project]\nname = "x"\nversion = "1"\n'))
    options = () if name == "uv-project" else ("--config-file", file)
    words = [uv.find_uv_bin(), "lock", "--offline", "--dry-run", "--project", tmp_path, *options, "--show-settings"]
    if name != "uv-project":
        (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n')
    said = run(*words, UV_CACHE_DIR=str(tmp_path / "cache"))
    assert re.findall(r"(?<= )(?:default|explicit): true|path: .*simple/|max-age.*(?=\")", said) == [
        'path: "/company/dev/simple/',
        "default: true",
        *CACHE,
        *(['path: "/company/qa/simple/', "explicit: true", *CACHE] if name == "uv-project" else []),
    ]


def test_every_file_is_what_its_client_parses() -> None:
    pipfile = tomllib.loads(printed(*CALLS["pipenv"]))
    assert [each["name"] for each in pipfile["source"]] == ["company-dev", "company-qa"]
    assert pipfile["source"][0]["url"] == "https://__token__:${TOKEN}@packages.example/company/dev/simple/"
    poetry = tomllib.loads(printed(*CALLS["poetry"]))["tool"]["poetry"]["source"]
    assert [each["priority"] for each in poetry] == ["primary", "explicit"]
    pdm = tomllib.loads(printed(*CALLS["pdm"]))["tool"]["pdm"]["source"]
    assert [each["name"] for each in pdm] == ["pypi", "company-qa"]
    assert pdm[1]["exclude_packages"] == ["*"]
    pypirc = configparser.RawConfigParser()
    pypirc.read_string(printed(*CALLS["twine"]))
    assert pypirc["distutils"]["index-servers"].split() == ["company-dev", "company-qa"]
    assert dict(pypirc["company-dev"]) == {"repository": f"{SERVER}/company/dev/", "username": "__token__"}
