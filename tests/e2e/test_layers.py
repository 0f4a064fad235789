"""Layers on a real engine: made once, by one of many; collected; what is installed in them is known."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from buildfarm.adapters import pip_config
from buildfarm.adapters.container.engine import Engine
from buildfarm.adapters.container.layers import Layers, Making, add
from buildfarm.adapters.container.network import of_this_machine
from buildfarm.adapters.container.system import SystemPackages
from buildfarm.adapters.container.tools import Layer
from buildfarm.model.canonical import digest
from buildfarm.model.errors import FarmError, StepFailed
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


def test_the_one_used_longest_ago_goes_unless_a_container_uses_it(layers: Layers, base: str, engine: Engine) -> None:
    layers = replace(layers, most=1, spared=timedelta(0))
    layers.made(digest("first"), lambda: making(base, "echo 1 >/kept"))
    container = engine.client.containers.create(
        f"{layers.repository}:{digest('first')[:32]}", ["true"], labels={"buildfarm.farm": layers.farm}
    )
    try:
        replace(layers, most=2).made(digest("second"), lambda: making(base, "echo 2 >/kept"))
        assert layers.collect() == ()
    finally:
        container.remove()
    assert layers.collect() == (f"{layers.repository}:{digest('first')[:32]}",)
    assert layers.collect() == ()


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
