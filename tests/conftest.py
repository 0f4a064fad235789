"""The container engine of this machine and the images that are made on it, for the tests marked ``engine``."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from buildfarm.adapters.container.engine import Engine


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell does it for what it starts in the background; who is tested here must hear Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

if os.environ.get("CI") != "true":  # people wait; where a test says how many examples it takes, that many
    settings.register_profile("quick", max_examples=20)
    settings.load_profile("quick")


# Thousands of collected tests are no garbage; looking through them again and again is a tenth of the fast tests' time.
gc.set_threshold(50_000, 20, 100)


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine that the program itself would use here."""
    from buildfarm.adapters.container.engine import find  # noqa: PLC0415 - the SDK is slow to load, and few want it

    found = find(os.environ)
    return found if found is not None else cannot("no container engine answers here (apt-get install docker.io)")


@pytest.fixture(scope="session")
def image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Gives the id of an image of `images/*.yaml`, by name, as it was made on this engine before."""
    from buildfarm.adapters.memory import MemoryStore  # noqa: PLC0415
    from buildfarm.app.containers import images_on  # noqa: PLC0415
    from buildfarm.app.settings import Settings  # noqa: PLC0415

    home = tmp_path_factory.mktemp("images")
    images = images_on(engine, Settings(home=home), MemoryStore(), lambda _: None)

    def made(name: str) -> str:
        return images.present(name) or cannot(f"the image {name} is not made here: buildfarm image build {name}")

    return made


def cannot(why: str) -> NoReturn:
    """Skip the test; under CI=true, where all must run, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)
