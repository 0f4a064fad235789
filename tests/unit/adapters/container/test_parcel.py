"""What goes into a session in one archive."""

from __future__ import annotations

import io
import tarfile
from pathlib import PurePosixPath
from typing import cast

import pytest

from buildfarm.adapters.container.engine import Engine
from buildfarm.adapters.container.parcel import Parcel
from buildfarm.model.errors import FarmError

EPOCH = 1_000_000_000


class Answer:
    """What an engine answers."""

    def __init__(self, text: str) -> None:
        self.ok, self.text = not text, text


class Api:
    """Takes what is sent, as the client of an engine."""

    base_url, api_version, timeout = "http://engine", "1.41", 1

    def __init__(self, refusal: str = "") -> None:
        self.refusal, self.sent, self.params = refusal, b"", dict[str, str]()
        self.client, self.api = self, self

    def put(self, url: str, *, params: dict[str, str], data: io.BytesIO, timeout: float) -> Answer:
        assert url == "http://engine/v1.41/containers/c0ffee/archive"
        self.sent, self.params = data.read(), params
        return Answer(self.refusal)


def sent(parcel: Parcel) -> list[tarfile.TarInfo]:
    api = Api()
    parcel.send(cast("Engine", api), "c0ffee", "/buildfarm")
    assert api.params == {"path": "/buildfarm", "noOverwriteDirNonDir": "1"}
    with tarfile.open(fileobj=io.BytesIO(api.sent)) as archive:
        return archive.getmembers()


def test_every_folder_above_comes_first_and_once_and_all_belongs_to_the_session() -> None:
    parcel = Parcel(EPOCH)
    parcel.text(PurePosixPath("b/work/one"), b"1")
    parcel.file(PurePosixPath("b/work/two"), io.BytesIO(b"22"), 2, mtime=5, mode=0o755)
    members = sent(parcel)
    assert [(each.name, each.isdir(), each.mode, each.mtime, each.size) for each in members] == [
        ("b", True, 0o755, EPOCH, 0),
        ("b/work", True, 0o755, EPOCH, 0),
        ("b/work/one", False, 0o644, EPOCH, 1),
        ("b/work/two", False, 0o755, 5, 2),
    ]
    assert {(each.uid, each.gid) for each in members} == {(1000, 1000)}


def test_a_folder_that_is_said_twice_has_the_later_time() -> None:
    parcel = Parcel(EPOCH)
    parcel.folder(PurePosixPath("b/source"))
    parcel.folder(PurePosixPath("b/source"), 7)
    assert [(each.name, each.mtime) for each in sent(parcel)][-1] == ("b/source", 7)


def test_a_refusal_is_told_in_the_engines_words() -> None:
    with pytest.raises(FarmError, match='cannot overwrite non-directory "away"'):
        Parcel(EPOCH).send(cast("Engine", Api('cannot overwrite non-directory "away"')), "c0ffee", "/")
