from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from buildfarm.adapters.directory_target import DirectoryTarget
from buildfarm.adapters.legacy_upload import LegacyIndex
from buildfarm.adapters.peer import Login, Peer
from buildfarm.adapters.pip_config import PipConfig
from buildfarm.app.exchange import folder_pages
from buildfarm.model.distribution import Outgoing
from buildfarm.model.errors import Refused
from buildfarm.model.wheel import Artifact, Verdict
from buildfarm.ports import Outlet
from buildfarm.verify.wheelfile import read_wheel
from tests.e2e.serving import make_wheel, serving

NAME, CONTENT = make_wheel("demo", "1.0")


def outgoing(content: bytes = CONTENT, name: str = NAME) -> Outgoing:
    artifact = Artifact(name=name, size=len(content), sha256=sha256(content).hexdigest())
    metadata = read_wheel(name, io.BytesIO(content)).metadata.raw
    return Outgoing(project="demo", version=name.split("-")[1], artifact=artifact, metadata=metadata)


@pytest.fixture(params=["folder", "folder with pages", "server"])
def outlet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outlet]:
    if request.param != "server":
        yield DirectoryTarget(tmp_path / "out", folder_pages if "pages" in request.param else None)
        return
    with serving(tmp_path / "home") as served:
        served.make_index("open", accepts=tuple(Verdict))
        with closing(Peer(f"{served.url}/open/", PipConfig())) as peer:
            login = Login(user="__token__", password=served.make_token("open"))
            peer.allow({"Authorization": f"Basic {login.basic}"})
            yield LegacyIndex(peer, peer.url, f"{peer.url}simple/")


def test_what_is_put_is_there_once_and_is_never_replaced(outlet: Outlet) -> None:
    assert outlet.has("demo") == {}
    for _ in range(2):
        outlet.put(outgoing(), io.BytesIO(CONTENT))
        assert outlet.has("demo") == {NAME: outgoing().artifact.sha256}
    other = make_wheel("demo", "1.0", "Summary: other")[1]
    with pytest.raises(Refused) as refused:
        outlet.put(outgoing(other), io.BytesIO(other))
    assert refused.value.status == 409
    assert outlet.has("demo") == {NAME: outgoing().artifact.sha256}
    second, content = make_wheel("demo", "2.0")
    outlet.put(outgoing(content, second), io.BytesIO(content))
    assert set(outlet.has("demo")) == {NAME, second}
    assert outlet.has("else") == {}


def test_a_folder_has_what_installers_look_for(tmp_path: Path) -> None:
    made = DirectoryTarget(tmp_path, folder_pages)
    made.put(outgoing(), io.BytesIO(CONTENT))
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert (tmp_path / f"{NAME}.metadata").read_bytes() == outgoing().metadata
    page = (tmp_path / "simple" / "demo" / "index.html").read_text()
    assert f'href="../../{NAME}#sha256={outgoing().artifact.sha256}"' in page
    assert f'data-core-metadata="sha256={sha256(outgoing().metadata).hexdigest()}"' in page
    assert '<a href="demo/">demo</a>' in (tmp_path / "simple" / "index.html").read_text()
