"""Whose a name is, through the whole program: owned for good, given up, and what a proxy never asks elsewhere for."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from buildfarm.model.index import IndexClass
from buildfarm.model.wheel import Verdict
from tests.e2e.conftest import Farm
from tests.e2e.fronts import publish
from tests.e2e.serving import Served, make_wheel, serving

pytestmark = pytest.mark.e2e

PIP = (sys.executable, "-m", "pip", "--isolated", "install", "-q", "--no-deps", "--no-cache-dir")
CLIENTS = {
    "pip": PIP,
    "uv": (
        uv.find_uv_bin(),
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-config",
        "--no-cache",
        "--python",
        sys.executable,
    ),
}


@pytest.fixture
def site(tmp_path: Path) -> Farm:
    """An index of ours over a mirror, of which both have had ``demo``."""
    farm = Farm(tmp_path / "home", tmp_path / "work")
    with serving(farm.home) as served:
        served.make_index("third", kind=IndexClass.MIRROR)
        served.make_index("main", bases=("third",), volatile=True, accepts=tuple(Verdict))
        publish(served, "third", "demo", "9.0")
        name, content = make_wheel("demo", "1.0")
        assert served.upload("main", name, content, served.make_token("main")).status_code == 200
    return farm


def shown(farm: Farm, index: str) -> list[str]:
    page = farm.home / "index" / index / "simple/demo/index.json"
    return [each["filename"] for each in json.loads(page.read_text())["files"]]


def test_a_name_is_ours_until_it_is_given_up(site: Farm) -> None:
    assert shown(site, "main") == ["demo-1.0-py3-none-any.whl"]
    done = site.run("disown", "demo", "--index", "main")
    assert (done.code, "main has files of demo: delete them first" in done.err) == (1, True)
    assert site.run("delete", "demo==1.0", "--index", "main").code == 0
    assert shown(site, "main") == []
    assert site.run("index", "set", "main", "--no-volatile").code == 0
    told = site.run("index", "show", "third", "--json").json["foreign"]
    assert told == [{"index": "third", "project": "demo", "owners": ["main"]}]
    verified = site.run("index", "verify")
    assert (verified.code, "demo of third is from a mirror, and the name is main's own" in verified.err) == (0, True)
    assert site.run("disown", "Demo", "--index", "main", "--json").json == {"index": "main", "disowned": ["demo"]}
    assert shown(site, "main") == ["demo-9.0-py3-none-any.whl"]
    assert site.run("index", "show", "main", "--json").json["events"][0]["kind"] == "disowned"
    assert site.run("index", "verify", "--json").json == {"faults": [], "foreign": []}
    assert site.run("disown", "demo", "--index", "main").code == 1


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Served]:
    """What others made: another server."""
    with serving(tmp_path / "outside") as served:
        served.make_index("simple-ones")
        for name in ("strange", "demo"):
            publish(served, "simple-ones", name, "99.0")
        yield served


def test_real_clients_install_through_a_proxy_what_nobody_here_owns(
    site: Farm, outside: Served, tmp_path: Path
) -> None:
    running = site.start("proxy", "--index", "main", "--to", f"{outside.url}/simple-ones/simple/", "--port", "0")
    try:
        assert running.stderr
        assert re.match(r"warning: a proxy\. What main lacks is answered from http", running.stderr.readline())
        index = running.stderr.readline().split()[3]
        for client, words in CLIENTS.items():
            into = tmp_path / client
            subprocess.run([*words, "--target", into, "--index-url", index, "strange", "demo"], check=True)
            versions = sorted(path.name for path in into.glob("*.dist-info"))
            assert versions == ["demo-1.0.dist-info", "strange-99.0.dist-info"], client
        into = tmp_path / "html"
        links = ("--no-index", "--find-links", f"{index}strange/")  # read as HTML, by its links alone
        subprocess.run([*PIP, "--target", into, *links, "strange"], check=True)
        assert (into / "strange.py").exists()
        (told,) = site.run("index", "show", "main", "--json").json["proxies"]
        assert told.startswith(f"process {running.pid}, port ")
    finally:
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=30)
    assert f"strange fell through to {outside.url}/simple-ones/simple/strange/; `buildfarm admit strange==" in said
    assert "demo fell through" not in said
    assert not (site.home / "index/main/simple/strange").exists(), "nothing of it is kept"
    assert site.run("index", "show", "main", "--json").json["proxies"] == []
