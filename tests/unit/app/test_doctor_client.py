"""`doctor --client`: what the files of a host come to, and from where a name would be taken."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from buildfarm.adapters.pip_config import PipConfig
from buildfarm.app.cli import cli
from buildfarm.app.doctor.client import HostReport, host_at, judge
from buildfarm.app.doctor.configured import PUBLIC, Configured, Host, Rule, read_all
from buildfarm.model.errors import FarmError
from tests.e2e.fronts import static

OURS = "https://packages.example/company/dev/simple"
OTHER = "https://other.example/simple"


def host(folder: Path, files: Mapping[str, str], **environ: str) -> Host:
    """A machine with these files; a project lies in ``work``, its user's home is ``home``."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Host(root=folder, home=folder / "home", project=folder / "work" / "sub", prefix=None, environ=environ)


def client(name: str, at: Host) -> Configured:
    return next(each for each in read_all(at) if each.client == name)


def uv_index(url: str, *lines: str, table: str = "") -> str:
    return "\n".join((f"[[{table}index]]", f'url = "{url}/"', *lines, ""))


SAFE = {
    "pip": ("pip", {"etc/pip.conf": f"[global]\nindex-url = {OURS}/\n"}, (OURS,)),
    "pip by default": ("pip", {}, (PUBLIC,)),
    "uv": ("uv", {"etc/uv/uv.toml": uv_index(OURS, "default = true")}, (OURS,)),
    "uv of a project": ("uv", {"work/pyproject.toml": uv_index(OURS, "default = true", table="tool.uv.")}, (OURS,)),
    "uv, another explicit": (
        "uv",
        {
            "home/.config/uv/uv.toml": uv_index(OURS, "default = true")
            + uv_index(OTHER, 'name = "o"', "explicit = true")
        },
        (OURS,),
    ),
    "uv.toml hides pyproject": (
        "uv",
        {
            "work/uv.toml": uv_index(OURS, "default = true"),
            "work/pyproject.toml": uv_index(OTHER, table="tool.uv."),
        },
        (OURS,),
    ),
    "pipenv": ("pipenv", {"work/Pipfile": f'[[source]]\nurl = "{OURS}"\nverify_ssl = true\n'}, (OURS,)),
    "poetry": ("poetry", {"work/pyproject.toml": f'[[tool.poetry.source]]\nname = "x"\nurl = "{OURS}/"\n'}, (OURS,)),
    "pdm": ("pdm", {"work/pyproject.toml": f'[[tool.pdm.source]]\nname = "pypi"\nurl = "{OURS}/"\n'}, (OURS,)),
}

UNSAFE = {
    "pip, two": (
        *("pip", {"etc/pip.conf": f"[global]\nindex-url = {OURS}\n[install]\nextra_index_url = {OTHER}\n"}),
        *((OURS, OTHER), "etc/pip.conf: pip takes the highest version"),
    ),
    "pip, without TLS": (
        *("pip", {"etc/pip.conf": "[global]\nindex-url = http://packages.example/simple\n"}),
        *(("http://packages.example/simple",), "without TLS"),
    ),
    "pip, trusting": (
        *("pip", {"etc/pip.conf": f"[global]\nindex-url = {OURS}\ntrusted-host = packages.example\n"}),
        *((OURS,), "nobody proves to be packages.example"),
    ),
    "uv, no default": ("uv", {"etc/uv/uv.toml": uv_index(OURS)}, (OURS, PUBLIC), "no index is the default"),
    "uv, best match": (
        *(
            "uv",
            {
                "etc/uv/uv.toml": 'index-strategy = "unsafe-best-match"\n'
                + uv_index(OTHER)
                + uv_index(OURS, "default = true")
            },
        ),
        *((OTHER, OURS), "any of 2 indexes can give"),
    ),
    "pipenv, two": (
        *("pipenv", {"work/Pipfile": f'[[source]]\nurl = "{OURS}"\n[[source]]\nurl = "{OTHER}"\n'}),
        *((OURS, OTHER), "2 sources in"),
    ),
    "poetry, supplemental": (
        "poetry",
        {
            "work/pyproject.toml": f'[[tool.poetry.source]]\nname = "x"\nurl = "{OURS}"\n'
            '[[tool.poetry.source]]\nname = "PyPI"\npriority = "supplemental"\n'
        },
        *((OURS, PUBLIC), "what the primary one lacks comes from"),
    ),
    "pdm, beside the public one": (
        *("pdm", {"work/pyproject.toml": f'[[tool.pdm.source]]\nname = "x"\nurl = "{OURS}"\n'}),
        *((PUBLIC, OURS), "any name is looked for in 2 indexes, and the highest version wins"),
    ),
}


@pytest.mark.parametrize("name", SAFE)
def test_what_is_safe(tmp_path: Path, name: str) -> None:
    which, files, indexes = SAFE[name]
    found = client(which, host(tmp_path, files))
    assert (found.indexes, found.dangers) == (indexes, ())


@pytest.mark.parametrize("name", UNSAFE)
def test_where_a_name_can_be_hijacked(tmp_path: Path, name: str) -> None:
    which, files, indexes, why = UNSAFE[name]
    found = client(which, host(tmp_path, files))
    assert found.indexes == indexes
    (danger,) = found.dangers
    assert why in danger.message
    assert danger.remedy


def test_variables_win_over_files(tmp_path: Path) -> None:
    files = {"etc/pip.conf": f"[global]\nindex-url = {OTHER}\n", "etc/uv/uv.toml": uv_index(OTHER, "default = true")}
    at = host(
        tmp_path, files, PIP_INDEX_URL=OURS, PIP_EXTRA_INDEX_URL=OTHER, UV_DEFAULT_INDEX=OURS, UV_INDEX=f"o={OTHER}"
    )
    assert client("pip", at).indexes == (OURS, OTHER)
    assert "PIP_EXTRA_INDEX_URL" in client("pip", at).dangers[0].message
    assert client("uv", at).indexes == (OTHER, OURS)
    assert client("uv", at).dangers == ()


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(FarmError, match=r"Pipfile cannot be read"):
        read_all(host(tmp_path, {"work/Pipfile": "[[source\n"}))


@pytest.fixture
def indexes(tmp_path: Path) -> Iterator[str]:
    """Two indexes, each with versions of ``demo``."""
    for index, versions in {"ours": ("1.0", "1.10"), "other": ("1.9", "99.0")}.items():
        page = "".join(
            f'<a href="../../f/demo-{each}.tar.gz#sha256={sha256(b"").hexdigest()}">x</a>' for each in versions
        )
        for path, text in (("demo/index.html", page), ("index.html", '<a href="demo/">demo</a>')):
            (tmp_path / index / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / index / path).write_text(text)
    with static(tmp_path) as front:
        yield front.url


def picks(report: HostReport) -> dict[tuple[str, str], str]:
    return {(each.client, each.name): each.winner.rpartition("/")[2] for each in report.picks}


def test_from_where_a_name_would_come(tmp_path: Path, indexes: str) -> None:
    files = {
        "etc/pip.conf": f"[global]\nindex-url = {indexes}/ours\nextra-index-url = {indexes}/other\n",
        "etc/uv/uv.toml": uv_index(f"{indexes}/ours") + uv_index(f"{indexes}/other", "default = true"),
    }
    report = judge(host(tmp_path / "host", files), ["Demo", "absent"], PipConfig())
    assert picks(report) == {
        ("pip", "demo"): "other",
        ("uv", "demo"): "ours",
        ("pip", "absent"): "",
        ("uv", "absent"): "",
    }
    assert [each.newest for each in report.picks[0].answers] == ["1.10", "99.0"]
    assert report.clients[0].rule is Rule.BEST
    assert report.exit_code == 1
    lacking = report.servers[f"{indexes}/ours"]
    assert isinstance(lacking, tuple)
    assert "freshness" in {each.name for each in lacking}


def test_the_command_reads_another_machine(tmp_path: Path, indexes: str) -> None:
    machine = tmp_path / "machine"
    home = machine / Path.home().relative_to("/")
    for path, text in {
        machine / "etc" / "pip.conf": f"[global]\nindex-url = {indexes}/ours\n",
        home / ".config" / "uv" / "uv.toml": uv_index(f"{indexes}/ours", "default = true"),
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = CliRunner().invoke(
        cli, ["doctor", "--client", "--root", str(machine), "demo", "--json"], standalone_mode=False
    )
    assert (done.exception, done.return_value) == (None, 0)
    document = json.loads(done.output)
    assert document["hijackable"] is False
    assert {each["client"]: each["from"] for each in document["names"]} == dict.fromkeys(
        ("pip", "uv"), f"{indexes}/ours"
    )
    done = CliRunner().invoke(cli, ["doctor", "--client", "--root", str(machine), "demo"], standalone_mode=False)
    assert f"demo  pip takes it from {indexes}/ours (there is 1.10 at {indexes}/ours)" in done.output
    assert "No name can come from two places on this host." in done.output


def test_another_root_knows_no_variables_of_this_machine(tmp_path: Path) -> None:
    found = host_at(tmp_path, Path("/home/ann"), Path("/src"), Path("/venv"), {"PIP_INDEX_URL": OTHER})
    assert (found.environ, found.prefix, found.home) == ({}, None, tmp_path / "home" / "ann")


def test_names_want_client() -> None:
    done = CliRunner().invoke(cli, ["doctor", "demo"])
    assert done.exit_code == 2
    assert "names and --root go with --client" in done.output
