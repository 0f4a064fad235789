"""A recipe is mended: whoever installs gets what was wished last, whatever build tags would say."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import Done, Farm

pytestmark = [pytest.mark.host, pytest.mark.network, pytest.mark.slow, pytest.mark.e2e]

PLAIN = "swapped-1.0-py3-none-any.whl"
SECOND = "swapped-1.0-1-py3-none-any.whl"


def wish(farm: Farm, *recipe: str) -> Done:
    """Build one and the same source by another recipe."""
    written = farm.folder / "swapped.yaml"
    written.write_text("".join(f"{line}\n" for line in ("name: swapped", "source: {path: swapped}", *recipe)))
    done = farm.build(written)
    assert done.code == 0, done.err
    return done


def consumed(farm: Farm, name: str) -> str:
    """What pip takes from the pages, by name alone and by version: the marks in its module."""
    marks = set()
    for wanted in ("swapped", "swapped==1.0"):
        to: Path = farm.folder / f"{name}-{wanted}"
        index = (farm.home / "index/main/simple").as_uri()
        command = ("-m", "pip", "download", "--isolated", "--no-cache-dir", "--no-deps", "--index-url", index)
        subprocess.run([sys.executable, *command, "--dest", to, wanted], check=True, capture_output=True)
        (wheel,) = to.iterdir()
        module = zipfile.ZipFile(wheel).read("swapped.py").decode()
        marks.add("mistaken" if "mistaken" in module else "good")
    (mark,) = marks
    return mark


def test_pip_gets_what_was_wished_last(farm: Farm) -> None:
    farm.project("tinypure", "swapped")
    mistaken = "build: {before: [\"sed -i '$ a mistaken = 1' swapped.py\"]}"
    wish(farm)
    assert consumed(farm, "first") == "good"
    done = wish(farm, mistaken)
    assert "swapped 1.0 was published before with other content: this one is build 1" in done.err
    assert consumed(farm, "second") == "mistaken"
    done = wish(farm)
    assert f"{SECOND} is yanked: superseded by {PLAIN}" in done.err
    assert [each["filename"] for each in done.json["yanks"]] == [SECOND]
    assert consumed(farm, "third") == "good"
    assert "yanked: superseded by" in farm.run("why", SECOND).out
    assert "no longer yanked" in wish(farm, mistaken).err
    assert consumed(farm, "fourth") == "mistaken"
