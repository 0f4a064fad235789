"""Uploads that are tested here: where, and where not."""

from __future__ import annotations

import io
import os
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from buildfarm.adapters.host import bubblewrap
from buildfarm.app.settings import read_settings
from buildfarm.app.uploads import settle_uploads
from buildfarm.app.wiring import open_site
from buildfarm.farm.receive import Incoming, receive
from buildfarm.model.events import IndexConfigured
from buildfarm.model.index import Index
from tests.e2e.serving import make_wheel


def test_no_upload_is_tested_on_the_machine_itself_without_a_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "find", lambda path: None)
    given = {**os.environ, "BUILDFARM_HOME": str(tmp_path / "home"), "BUILDFARM_ENGINE": "none"}
    name, content = make_wheel("demo", "1.0", files={"demo.py": f"open({str(tmp_path / 'proof')!r}, 'w')"})
    with open_site(read_settings(given, tmp_path, {}), given) as site:
        site.farm.events.append("main", IndexConfigured(index=Index(name="main")))
        digest = sha256(content).hexdigest()
        file = io.BytesIO(content)
        receive(site.farm, Incoming(index="main", filename=name, content=file, size=len(content), sha256=digest))
        (settled,) = settle_uploads(site, 1)
    assert "no upload is tested on this machine itself without a sandbox" in settled.judgement.withheld
    assert not (tmp_path / "proof").exists()


def test_the_ledger_is_for_its_owner_alone(tmp_path: Path) -> None:
    given = {"BUILDFARM_HOME": str(tmp_path / "home")}
    with open_site(read_settings(given, tmp_path, {}), {**os.environ, **given}) as site:
        site.farm.events.append("main", IndexConfigured(index=Index(name="main")))
        files = tuple((tmp_path / "home").glob("ledger.db*"))
        assert len(files) == 3
        assert [stat.filemode(each.stat().st_mode) for each in files] == ["-rw-------"] * 3
