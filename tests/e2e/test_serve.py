"""Real installers against the server, over a tree of real pages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from buildfarm.adapters.tree import FileTree
from buildfarm.farm.render import render
from buildfarm.model.events import FilePublished
from buildfarm.model.wheel import Artifact
from buildfarm.pages import addresses
from tests.e2e.serving import Served, make_wheel, serving

pytestmark = pytest.mark.slow

INDEX = "company/base"


class Site:
    """The index ``company/base``, and a server of it."""

    def __init__(self, folder: Path, served: Served) -> None:
        self.folder = folder
        self.served = served
        self.tree = FileTree(served.tree, lambda digest: folder / digest)

    @property
    def url(self) -> str:
        return f"{self.served.url}/{INDEX}/simple/"

    def publish(self, name: str, version: str, *requires: str) -> str:
        """Put a wheel on the index; its sha256."""
        wheel, content = make_wheel(name, version, *(f"Requires-Dist: {each}" for each in requires))
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
        artifact = Artifact(name=wheel, size=len(content), sha256=sha256(content).hexdigest())
        self.tree.write(f"{INDEX}/+f/{artifact.sha256}/{wheel}", content)
        self.tree.write(f"{INDEX}/+f/{artifact.sha256}/{wheel}.metadata", metadata.encode())
        payload = FilePublished(
            project=name,
            version=version,
            artifact=artifact,
            metadata_sha256=sha256(metadata.encode()).hexdigest(),
            uploaded="2026-01-02T03:04:05Z",
        )
        self.served.server.ledger.events.append(INDEX, payload)
        farm = self.served.server.serving.site().farm
        render(farm)
        return artifact.sha256

    def run(self, *argv: str) -> str:
        """Run a module of this Python with no configuration but its arguments; its stdout."""
        environment = {"PATH": os.defpath, "HOME": str(self.folder), "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}
        environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CACHE_DIR": str(self.folder / "pip-cache")}
        command = [sys.executable, "-m", *argv]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def asked(self) -> list[str]:
        """``status path`` of every request since the last question."""
        return self.served.asked(INDEX)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path / "home") as served:
        yield Site(tmp_path, served)


@pytest.fixture(params=["html", "json"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The form that installers get; they would rather have JSON."""
    if request.param == "html":
        monkeypatch.setattr(addresses, "FORMS", {addresses.HTML: "index.html"})
    return str(request.param)


Install = Callable[[Site, Path], None]


def pip(site: Site, to: Path) -> None:
    site.run("pip", "install", "--index-url", site.url, "--target", str(to), "tool")


def uv(site: Site, to: Path) -> None:
    cache = str(site.folder / "uv-cache")
    site.run("uv", "pip", "install", "--cache-dir", cache, "--default-index", site.url, "--target", str(to), "tool")


@pytest.mark.parametrize("install", [pip, uv])
def test_an_installer_takes_a_wheel_and_what_it_requires(site: Site, form: str, install: Install) -> None:
    site.publish("tool", "1.0", "part<2")
    kept, left = site.publish("part", "1.5"), site.publish("part", "2.0")
    install(site, site.folder / "target")
    assert (site.folder / "target/tool.py").read_text() == "version = '1.0'\n"
    assert (site.folder / "target/part.py").read_text() == "version = '1.5'\n"
    asked = site.asked()
    assert f"200 +f/{kept}/part-1.5-py3-none-any.whl.metadata" in asked
    assert not [each for each in asked if left in each or not each.startswith("200 ")]


def test_metadata_is_read_in_place_of_wheels(site: Site) -> None:
    """PEP 658: the resolver looks at three versions and fetches the wheel of one."""
    old = site.publish("tool", "1.0", "part<2")
    news = [site.publish("tool", version, "part>=3") for version in ("2.0", "3.0")]
    site.publish("part", "1.5")
    pip(site, site.folder / "target")
    asked = site.asked()
    for version, new in zip(("2.0", "3.0"), news, strict=True):
        assert [each for each in asked if new in each] == [f"200 +f/{new}/tool-{version}-py3-none-any.whl.metadata"]
    assert f"200 +f/{old}/tool-1.0-py3-none-any.whl" in asked


def test_pip_downloads_by_another_spelling(site: Site) -> None:
    digest = site.publish("tool", "1.0")
    site.run("pip", "download", "--index-url", site.url.removesuffix("/"), "--dest", "wheels", "Tool")
    [wheel] = (site.folder / "wheels").iterdir()
    assert sha256(wheel.read_bytes()).hexdigest() == digest


def test_pip_checks_hashes(site: Site, form: str) -> None:
    digest = site.publish("tool", "1.0")
    install = ("pip", "install", "--index-url", site.url, "--require-hashes", "--target", "target", "-r", "lock.txt")
    (site.folder / "lock.txt").write_text(f"tool==1.0 --hash=sha256:{digest}\n")
    site.run(*install)
    (site.folder / "lock.txt").write_text(f"tool==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(AssertionError, match="DO NOT MATCH THE HASHES"):
        site.run(*install, "--upgrade")


def test_pip_asks_a_second_time_for_what_is_new_only(site: Site) -> None:
    site.publish("tool", "1.0", "part")
    site.publish("part", "1.0")
    # Of plain HTTP, pip keeps only what comes from a host that it is told to trust.
    trusting = (
        "pip",
        "download",
        "--index-url",
        site.url,
        "--trusted-host",
        site.served.url.removeprefix("http://"),
        "tool",
    )
    site.run(*trusting)
    assert len(site.asked()) == 6
    site.run(*trusting)
    assert site.asked() == ["304 simple/tool/", "304 simple/part/"]


def test_uv_sees_a_new_version_on_an_old_page_at_once(site: Site) -> None:
    (site.folder / "in.txt").write_text("tool\n")
    cache = str(site.folder / "uv-cache")
    compile_it = ("uv", "pip", "compile", "--no-header", "--no-annotate", "in.txt")
    lock = (*compile_it, "--cache-dir", cache, "--default-index", site.url)
    site.publish("tool", "1.0")
    month = 30 * 24 * 3600
    for page in (site.served.tree / INDEX / "simple/tool").iterdir():
        os.utime(page, (page.stat().st_atime - month, page.stat().st_mtime - month))
    assert [site.run(*lock), site.run(*lock)] == ["tool==1.0\n"] * 2
    assert [each for each in site.asked() if "simple" in each] == ["200 simple/tool/", "304 simple/tool/"]
    site.publish("tool", "2.0")
    assert site.run(*lock) == "tool==2.0\n"
