"""What a server tells of names and serials, and what those who ask from outside make of it."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from buildfarm.adapters.pip_config import PipConfig
from buildfarm.app.doctor.client import judge
from buildfarm.app.outside import serial
from buildfarm.app.outside.server import Observation, Server
from buildfarm.model.events import FilePublished
from buildfarm.model.wheel import Artifact
from tests.unit.app.server.conftest import Ask, House
from tests.unit.app.test_doctor_client import host

SHA = "0" * 64


def own(house: House, project: str, index: str = "company/base") -> None:
    artifact = Artifact(name=f"{project}-1-py3-none-any.whl", size=1, sha256=SHA)
    event = FilePublished(project=project, version="1", artifact=artifact, metadata_sha256="", uploaded="")
    house.server.ledger.events.append(index, event)


def test_owners_of_a_name_are_told_as_far_as_they_may_be_named(house: House, ask: Ask) -> None:
    house.make_index("secret/base", private=True)
    for index in ("company/base", "secret/base"):
        own(house, "told", index)
    assert json.loads(ask("/+api/v1/names/Told").body) == {"owners": ["company/base"]}
    assert json.loads(ask("/+api/v1/names/nobodys").body) == {"owners": []}


def test_the_doctor_of_a_client_says_where_a_mirror_stands_in_for_ours(house: House, tmp_path: Path) -> None:
    own(house, "ours")
    for project, index in (("ours", "third"), ("theirs", "third"), ("told", "company/base")):
        file = {"filename": f"{project}-9.tar.gz", "url": f"../../../{index}/+f/{SHA}/{project}-9.tar.gz", "hashes": {}}
        page = house.tree / f"main/simple/{project}/index.json"
        page.parent.mkdir()
        page.write_text(json.dumps({"meta": {"api-version": "1.4"}, "files": [file]}))
    files = {"etc/pip.conf": f"[global]\nindex-url = {house.server.url}/main/simple/\n"}
    report = judge(host(tmp_path, files), ["ours", "theirs", "told"], PipConfig())
    told = {each.name: each.owners for each in report.picks if each.client == "pip"}
    assert told == {"ours": ("company/base",), "theirs": (), "told": ()}
    assert report.exit_code == 1


def test_the_serial_is_answered_as_the_file_that_it_is(house: House, ask: Ask) -> None:
    assert ask("/+serial").status == 404
    (house.tree / "+serial").write_bytes(b"7\n")
    answer = ask("/+serial")
    assert (answer.status, answer.body) == (200, b"7\n")
    assert answer.headers["cache-control"] == "max-age=0, must-revalidate"


@pytest.mark.parametrize("index", ["main", "company/base"])
def test_how_far_pages_lag_behind_the_events_is_seen_from_outside(house: House, index: str) -> None:
    last = house.server.ledger.replication.standing().serial

    def look() -> tuple[Observation, ...]:
        with httpx.Client(trust_env=False) as client:
            return tuple(serial.look(Server(client=client, root=f"{house.server.url}/{index}/simple/")))

    assert look() == ()
    (house.tree / "+serial").write_bytes(b"%d\n" % last)
    assert [(each.ok, each.seen) for each in look()] == [(True, f"pages follow the events up to {last}")]
    (house.tree / "+serial").write_bytes(b"%d\n" % (last - 2))
    assert [(each.ok, each.seen) for each in look()] == [
        (False, f"pages follow the events up to {last - 2}, 2 less than its ledger")
    ]
    (house.tree / "+serial").write_bytes(b"<html>")
    assert look() == ()


@pytest.mark.parametrize(("theirs", "behind"), [(b"9\n", ", 4 less than its primary"), (b"5\n", "")])
def test_a_replica_is_held_against_its_primary(theirs: bytes, behind: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "primary.example":
            return httpx.Response(200, content=theirs)
        if request.url.path == "/+api/v1/status":
            return httpx.Response(200, json={"serial": 5, "epoch": 1, "primary": "https://primary.example"})
        return httpx.Response(200, content=b"5\n") if request.url.path == "/+serial" else httpx.Response(404)

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        (seen,) = serial.look(Server(client=client, root="https://replica.example/main/simple/"))
    assert seen.seen == f"pages follow the events up to 5{behind}"
