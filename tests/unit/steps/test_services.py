"""Servers beside a test, before any of them is started."""

from __future__ import annotations

import subprocess
from pathlib import Path

from buildfarm.model.image import Image, Server
from buildfarm.model.recipe import Service
from buildfarm.model.session import Endpoint, Fallen
from buildfarm.steps.services import ASK, ended, fallen, said, servings, too_late

SERVER = Server(port=3306, start="exec d", ready="c", env={"USER_NAME": "test", "PASSWORD": ""}, seconds=7)
IMAGES = {
    "db": Image(name="db", server=SERVER),
    "next": Image(name="next", server=Server(port=3307, start="d", ready="c")),
}


def test_two_servers_of_one_image_listen_side_by_side() -> None:
    wanted = {"b": Service(image="db"), "a": Service(image="db"), "c": Service(image="next"), "d": Service(image="db")}
    found = servings(wanted, IMAGES)
    assert {each.name: each.endpoint for each in found} == {
        name: Endpoint(host="127.0.0.1", port=port) for name, port in zip("abcd", range(3306, 3310), strict=True)
    }


def test_a_recipes_variables_lie_over_those_of_the_image() -> None:
    (serving,) = servings({"a": Service(image="db", env={"PASSWORD": "p"})}, IMAGES)
    assert serving.variables("/s") == {"USER_NAME": "test", "PASSWORD": "p", "PORT": "3306", "SCRATCH": "/s"}


def test_how_a_server_failed_is_worded() -> None:
    (serving,) = servings({"a": Service(image="db")}, IMAGES)
    assert ended(serving, 1) == "the service a (db) ended with exit code 1"
    assert ended(serving, -9) == "the service a (db) was killed by signal 9"
    assert ended(serving, -9, out_of_memory=True).endswith("signal 9, for it needed more than limits.memory")
    assert too_late(serving, "") == "the service a (db) was not ready after 7 s"
    assert too_late(serving, "x\nrefused\n\n") == "the service a (db) was not ready after 7 s: refused"
    both = (Fallen(service="a", message="a ended", tail=("x",)), Fallen(service="b", message="b ended", tail=("y",)))
    reason = fallen(both)
    assert reason
    assert (reason.message, reason.tail) == ("while the tests ran, a ended; b ended", ("x", "y"))
    assert said(both) == b"== a ended; its log ends:\nx\n== b ended; its log ends:\ny\n"
    assert fallen(()) is None


def test_a_question_is_asked_until_the_answer_is_yes(tmp_path: Path) -> None:
    ready = 'echo "asked $$"; [ -e once ] && exit; : >once; exit 3'
    done = subprocess.run(["/bin/sh", "-c", ASK, ready, "said"], cwd=tmp_path, timeout=10, check=False)
    assert done.returncode == 0
    assert (tmp_path / "once").exists()
    assert (tmp_path / "said").read_text().startswith("asked ")
