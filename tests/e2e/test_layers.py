"""Layers on a real engine: made once, by one of many; collected; what is installed in them is known."""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from buildfarm.adapters import pip_config
from buildfarm.adapters.container.engine import Engine
from buildfarm.adapters.container.layers import Layers, Making, add
from buildfarm.adapters.container.network import of_this_machine
from buildfarm.adapters.container.system import SystemPackages
from buildfarm.adapters.container.tools import Layer
from buildfarm.model.canonical import digest
from buildfarm.model.errors import FarmError, StepFailed, Stopped
from buildfarm.model.image import Image
from buildfarm.ports import Progress

pytestmark = [pytest.mark.engine, pytest.mark.slow]

DEBIAN = Image(name="debian11", manager="apt", python="/opt/python/cp313-cp313/bin/python3")


class News(list[str]):
    def __call__(self, progress: Progress) -> None:
        self.append(progress.message)


@pytest.fixture
def layers(engine: Engine, tmp_path: Path) -> Iterator[Layers]:
    made = Layers(
        engine=engine,
        farm=str(tmp_path),
        folder=tmp_path / "layers",
        report=News(),
        repository=f"test/{uuid.uuid4().hex}",
    )
    yield made
    for image in engine.client.images.list(filters={"reference": f"{made.repository}:*"}):
        for tag in image.tags:
            engine.client.images.remove(tag, force=True)


@pytest.fixture
def base(image: Callable[[str], str]) -> str:
    return image("debian11-test")


def making(base: str, script: str = "cp /given /kept") -> Making:
    return Making(base=base, what="make a test", script=script, fill=lambda tar: add(tar, "/given", b"bytes"))


def packages(layers: Layers) -> SystemPackages:
    config = pip_config.read(os.environ, Path.home(), Path(sys.prefix))
    return SystemPackages(layers=layers, network=of_this_machine(os.environ, config))


def test_of_two_that_race_one_makes_it(layers: Layers, base: str) -> None:
    asked: list[str] = []

    def how() -> Making:
        asked.append("how")
        return making(base, "sleep 1")

    with ThreadPoolExecutor(2) as both:
        one, other = both.map(lambda _: layers.made(digest("race"), how), range(2))
    assert one == other
    assert asked == ["how"]


def test_it_starts_as_its_base_does_and_had_no_network(layers: Layers, base: str, engine: Engine) -> None:
    script = 'test "$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d " ")" = lo; cp /given /kept'
    made = engine.client.images.get(layers.made(digest("plain"), lambda: making(base, script)))
    before = engine.client.images.get(base).attrs["Config"]
    for what in ("Cmd", "Entrypoint", "Env"):
        assert (made.attrs["Config"][what] or None) == (before[what] or None), what
    kept = ["sh", "-c", 'test "$(cat /kept)" = bytes']
    engine.client.containers.run(made, kept, network_mode="none", remove=True, labels={"buildfarm.farm": layers.farm})


def test_a_script_that_fails_leaves_neither_layer_nor_container(layers: Layers, base: str, engine: Engine) -> None:
    with pytest.raises(FarmError, match=r"(?s)could not make a test.*last words"):
        layers.made(digest("bad"), lambda: making(base, "echo last words; exit 3"))
    assert engine.client.images.list(filters={"reference": f"{layers.repository}:*"}) == []
    ours = engine.client.containers.list(all=True, filters={"label": f"buildfarm.farm={layers.farm}"})
    assert ours == []


def test_whoever_waits_for_one_can_stop_it(layers: Layers, base: str, engine: Engine) -> None:
    begun = time.monotonic()
    with pytest.raises(Stopped, match="make a test"):
        layers.made(digest("slow"), lambda: making(base, "sleep 60"), lambda: time.monotonic() - begun > 2)
    assert time.monotonic() - begun < 30
    assert engine.client.containers.list(all=True, filters={"label": f"buildfarm.farm={layers.farm}"}) == []
    assert not engine.client.images.list(filters={"reference": f"{layers.repository}:*"})


def test_whoever_waits_for_anothers_can_stop_too(layers: Layers, base: str) -> None:
    with ThreadPoolExecutor(1) as other:
        began = threading.Event()

        def how() -> Making:
            began.set()
            return making(base, "sleep 5")

        made = other.submit(layers.made, digest("slow"), how)
        began.wait()
        with pytest.raises(Stopped):
            layers.made(digest("slow"), lambda: making(base), lambda: True)
        assert not made.done()
        assert made.result()


def test_one_without_end_is_ended(layers: Layers, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildfarm.adapters.container.committed._PATIENCE", 1)
    with pytest.raises(FarmError, match=r"(?s)could not make a test: no end after 1 s; it said last:\nwaiting"):
        layers.made(digest("endless"), lambda: making(base, "echo waiting; sleep 60"))


def test_what_lost_its_tag_goes_after_an_hour(
    layers: Layers, base: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two homes that race make the same; the first to end is nobody's then."""
    lost = layers.made(digest("raced"), lambda: making(base, "echo 1 >/kept"))
    made = layers.made(digest("other"), lambda: making(base, "echo 2 >/kept"))
    engine.client.images.get(made).tag(layers.repository, digest("raced")[:32])
    assert lost not in layers.collect()
    ago = {lost: datetime.now(UTC) - timedelta(hours=2)}
    monkeypatch.setattr("buildfarm.adapters.container.layers._used", lambda each: ago.get(each.id, datetime.now(UTC)))
    assert lost in layers.collect()


def test_one_made_anew_says_what_is_in_it_now(layers: Layers, base: str, engine: Engine) -> None:
    """As when the archive has a newer package: the key is the same, and the image another."""
    asked = packages(layers)
    tools = Layer(key=digest("tools"), image=base)
    one = asked.on(tools, DEBIAN, ())
    before = {each.package.name for each in asked.seen(one)}
    assert "libssl1.1" in before
    engine.client.images.remove(one.image, force=True)
    without = layers.made(digest("less"), lambda: making(base, "dpkg --purge --force-depends libssl1.1"))
    other = asked.on(Layer(key=tools.key, image=without), DEBIAN, ())
    assert other.key == one.key
    assert {each.package.name for each in asked.seen(other)} == before - {"libssl1.1"}


def test_the_one_used_longest_ago_goes_unless_a_container_uses_it(layers: Layers, base: str, engine: Engine) -> None:
    layers = replace(layers, most=1, spared=timedelta(0))

    def mine(gone: tuple[str, ...]) -> list[str]:
        return [each for each in gone if each.startswith(layers.repository)]

    layers.made(digest("first"), lambda: making(base, "echo 1 >/kept"))
    container = engine.client.containers.create(
        f"{layers.repository}:{digest('first')[:32]}", ["true"], labels={"buildfarm.farm": layers.farm}
    )
    try:
        replace(layers, most=2).made(digest("second"), lambda: making(base, "echo 2 >/kept"))
        assert not mine(layers.collect())
    finally:
        container.remove()
    assert mine(layers.collect()) == [f"{layers.repository}:{digest('first')[:32]}"]
    assert not mine(layers.collect())


@pytest.mark.network
def test_packages_and_their_licences_are_known_and_the_second_time_costs_nothing(
    layers: Layers, image: Callable[[str], str]
) -> None:
    tools = Layer(key=digest("tools"), image=image("debian11"))
    layer = packages(layers).on(tools, DEBIAN, ("default-libmysqlclient-dev", "pkg-config"))
    seen = {each.package.name: each for each in packages(layers).seen(layer)}
    assert "libmariadb.so.3" in seen["libmariadb3"].libraries
    assert {"libssl.so.1.1", "libcrypto.so.1.1"} <= seen["libssl1.1"].libraries.keys()  # it was there before
    assert seen["libcom-err2"].libraries, "dpkg knows it under /lib"
    assert "LGPL" in seen["libmariadb3"].licence
    assert "OpenSSL" in seen["libssl1.1"].licence
    assert seen["libmariadb3"].package.source.startswith("mariadb")

    news = News()
    again = replace(layers, report=news)
    assert packages(again).on(tools, DEBIAN, ("pkg-config", "default-libmysqlclient-dev")) == layer
    assert news == []


@pytest.mark.network
def test_a_name_that_no_archive_has_is_the_authors_affair(layers: Layers, image: Callable[[str], str]) -> None:
    asked = packages(layers)
    for _ in range(2):
        with pytest.raises(StepFailed, match="Unable to locate package libnix-dev") as failed:
            asked.on(Layer(key=digest("tools"), image=image("debian11")), DEBIAN, ("libnix-dev",))
        assert failed.value.reason.code == "packages"
    assert isinstance(layers.report, News)
    assert len(layers.report) == 1, "the second time the answer is remembered"
