from __future__ import annotations

import os
from pathlib import Path

import pytest
from pip._internal.models.index import PyPI

from buildfarm.adapters.pip_config import PipConfig, read
from buildfarm.model.errors import FarmError
from buildfarm.model.url import redacted


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def machine(tmp_path: Path, environ: dict[str, str]) -> PipConfig:
    return read(environ, tmp_path / "home", tmp_path / "venv", tmp_path / "etc")


def test_with_nothing_configured_pip_s_own_default_is_asked(tmp_path: Path) -> None:
    assert machine(tmp_path, {}) == PipConfig(index_url=PyPI.simple_url)


def test_every_later_place_wins(tmp_path: Path) -> None:
    places = [
        tmp_path / "etc/xdg/pip/pip.conf",
        tmp_path / "etc/pip.conf",
        tmp_path / "home/.pip/pip.conf",
        tmp_path / "home/.config/pip/pip.conf",
        tmp_path / "venv/pip.conf",
    ]
    for number, path in enumerate(places):
        write(path, f"[global]\nindex-url = https://index{number}.invalid/simple/\n")
        assert machine(tmp_path, {}).index_url == f"https://index{number}.invalid/simple"
    named = {"PIP_CONFIG_FILE": str(write(tmp_path / "named.conf", "[global]\nindex_url = https://named.invalid\n"))}
    assert machine(tmp_path, named).index_url == "https://named.invalid"
    assert machine(tmp_path, named | {"PIP_INDEX_URL": "https://env.invalid"}).index_url == "https://env.invalid"
    assert machine(tmp_path, {"PIP_INDEX_URL": ""}).index_url == "https://index4.invalid/simple"


def test_the_section_of_the_command_wins_over_the_place(tmp_path: Path) -> None:
    write(
        tmp_path / "etc/pip.conf",
        "[install]\nindex-url = https://install.invalid\n[list]\nindex-url = https://no.invalid\n",
    )
    write(tmp_path / "home/.pip/pip.conf", "[global]\nindex-url = https://global.invalid\n")
    assert machine(tmp_path, {}).index_url == "https://install.invalid"


def test_a_named_file_replaces_the_user_s_and_null_replaces_all(tmp_path: Path) -> None:
    write(tmp_path / "etc/pip.conf", "[global]\ncert = system.pem\n")
    write(tmp_path / "home/.pip/pip.conf", "[global]\nindex-url = https://user.invalid\n")
    named = str(write(tmp_path / "named.conf", ""))
    assert machine(tmp_path, {"PIP_CONFIG_FILE": named}) == PipConfig(index_url=PyPI.simple_url, cert="system.pem")
    assert machine(tmp_path, {"PIP_CONFIG_FILE": os.devnull}).cert == ""


def test_xdg_folders_are_obeyed(tmp_path: Path) -> None:
    write(tmp_path / "x/pip/pip.conf", "[global]\ncert = x.pem\n")
    assert machine(tmp_path, {"XDG_CONFIG_HOME": str(tmp_path / "x")}).cert == "x.pem"
    assert machine(tmp_path, {"XDG_CONFIG_DIRS": f"nowhere{os.pathsep}{tmp_path / 'x'}"}).cert == "x.pem"


def test_lists_switches_and_links(tmp_path: Path) -> None:
    write(
        tmp_path / "etc/pip.conf",
        "[global]\nextra-index-url =\n  https://a.invalid/simple/\n  https://b.invalid/simple\n"
        "find-links = /links ~/wheels file:///with%20space https://c.invalid/page\n"
        "trusted-host = a.invalid b.invalid:8080\n",
    )
    config = machine(tmp_path, {})
    assert config.extra_index_urls == ("https://a.invalid/simple", "https://b.invalid/simple")
    assert config.find_links == ("/links", str(tmp_path / "home/wheels"), "/with space", "https://c.invalid/page")
    assert config.trusted_hosts == ("a.invalid", "b.invalid:8080")
    assert len(config.indexes) == 3
    assert machine(tmp_path, {"PIP_NO_INDEX": "1"}).indexes == ()


def test_what_pip_could_not_read_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "etc/pip.conf", "no section\n")
    with pytest.raises(FarmError, match=str(path)):
        machine(tmp_path, {})


def test_credentials_are_not_printed() -> None:
    url = "https://user:secret@host.invalid:8443/simple?x=1"
    assert redacted(url) == "https://***@host.invalid:8443/simple?x=1"
    assert redacted("https://host.invalid/simple") == "https://host.invalid/simple"
    assert "secret" not in repr(PipConfig(index_url=url, extra_index_urls=(url,), find_links=(url,)))
