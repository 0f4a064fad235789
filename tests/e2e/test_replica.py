"""Replicas of a running server, by the real command line: followed, killed, promoted, fenced off; reads that go on."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from tests.e2e.conftest import Farm
from tests.e2e.fronts import SHIPPED, Front, free_port, nginx, publish, replaced
from tests.e2e.serving import Served, serving

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def primary(served: Served) -> Served:
    """A server of some wheels on three indexes, one of them private."""
    served.make_index("main")
    served.make_index("company/dev", bases=("main",), private=True)
    for number in range(4):
        publish(served, "main", "demo", f"1.{number}")
    publish(served, "company/dev", "secret", "1.0")
    return served


@pytest.fixture
def replica(tmp_path: Path, primary: Served) -> Farm:
    """An empty home with a token of the primary."""
    farm = Farm(tmp_path / "replica", tmp_path / "folder")
    farm.environ = {**farm.environ, "TOKEN": primary.make_token("*", "read")}
    return farm


def tree(home: Path) -> dict[str, bytes]:
    folder = home / "index"
    found = (path for path in folder.rglob("*") if path.is_file() and ".tmp" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def broken(home: Path) -> Iterator[str]:
    """Every link of every page that leads to no file, or to other bytes, or to a wheel without its metadata."""
    folder = home / "index"
    for page in folder.rglob("index.json"):
        for file in json.loads(page.read_bytes()).get("files", ()):
            path = (page.parent / unquote(urldefrag(file["url"]).url)).resolve()
            digests = {path: file["hashes"]["sha256"]}
            if metadata := file.get("core-metadata"):
                digests[Path(f"{path}.metadata")] = metadata["sha256"]
            for each, digest in digests.items():
                if not each.is_file() or sha256(each.read_bytes()).hexdigest() != digest:
                    yield f"{page}: {each}"


def follow(replica: Farm, primary: Served, *more: str) -> tuple[str, ...]:
    return ("replica", "--from", primary.url, "--token-env", "TOKEN", "--home", str(replica.home), "--once", *more)


def test_a_replica_is_the_primary_byte_for_byte_and_reads_only(primary: Served, replica: Farm) -> None:
    done = replica.run(*follow(replica, primary, "--json"))
    assert done.code == 0, done.err
    standing = primary.get("/+api/v1/status").json()
    assert done.json == {"epoch": 1, "primary": primary.url, "serial": standing["serial"]}
    assert tree(replica.home) == tree(primary.home)
    with serving(replica.home) as second:
        assert second.server.ledger.tokens.all()[0] == ()  # no secret is replicated
        assert second.get("/+api/v1/status").json() == {**standing, "primary": primary.url}
        for secret in ("", replica.environ["TOKEN"], second.make_token("main")):
            answer = second.upload("main", "demo-2.0-py3-none-any.whl", b"", secret)
            assert (answer.status_code, primary.url in answer.text) == (503, True)
        assert second.get("/company/dev/simple/secret/").status_code == 401
        assert second.get("/company/dev/simple/secret/", replica.environ["TOKEN"]).status_code == 401
        assert second.get("/company/dev/simple/secret/", second.make_token("*", "read")).status_code == 200
    done = replica.run("replica", "--home", str(replica.home))
    assert done.out == f"a replica of {primary.url}, up to serial {standing['serial']} (epoch 1)\n"


def test_whoever_may_not_read_everything_is_told_so(primary: Served, replica: Farm) -> None:
    done = replica.run("replica", "--from", primary.url, "--once")
    assert (done.code, "401" in done.err, "--token-env VAR" in done.err) == (3, True, True)
    replica.environ["TOKEN"] = primary.make_token("company/dev", "read")
    done = replica.run(*follow(replica, primary))
    assert (done.code, "403" in done.err, "may read every index" in done.err) == (3, True, True)
    done = replica.run("replica", "--from", primary.url, "--token-env", "NONE", "--once")
    assert (done.code, done.err) == (2, "--token-env NONE: that variable is not set, or empty\n")
    done = replica.run("replica", "--from", "main", "--once")
    assert done.code == 2
    assert "the URL of a `buildfarm serve` is wanted" in done.err


def test_after_a_kill_at_any_point_every_link_leads_to_its_file(primary: Served, replica: Farm, tmp_path: Path) -> None:
    listed = replica.run(*follow(replica, primary), env={"BUILDFARM_CRASH_AT": "list"})
    lines = [line for line in listed.err.splitlines() if line.startswith("crash point ")]
    points = list(dict.fromkeys(line.removeprefix("crash point ") for line in lines))
    assert {"take:before", "take:after", "store.put:renamed", "tree.link:linked", "pages:before"} <= set(points)
    environ = replica.environ
    for number, point in enumerate(points):
        each = Farm(tmp_path / f"home-{number}", tmp_path / "folder")
        each.environ = {**environ, "BUILDFARM_HOME": str(each.home)}
        done = each.run(*follow(each, primary), env={"BUILDFARM_CRASH_AT": point})
        assert done.code == -signal.SIGKILL, (point, done.err)
        assert list(broken(each.home)) == [], point
        if number % 3 == 0 or point.startswith(("take", "pages")):
            assert each.run(*follow(each, primary)).code == 0
            assert tree(each.home) == tree(primary.home), point


def test_killed_at_random_while_the_primary_goes_on(primary: Served, replica: Farm) -> None:
    chance = random.Random(6)
    for number in range(6):
        running = replica.start(*follow(replica, primary)[:-1], "--every", "0.1s")
        publish(primary, "main", "demo", f"2.{number}")
        time.sleep(chance.uniform(0.3, 2.5))
        running.kill()
        running.communicate()
        assert list(broken(replica.home)) == []
    assert replica.run(*follow(replica, primary)).code == 0
    assert tree(replica.home) == tree(primary.home)


def test_reads_go_on_and_writes_are_taken_over(primary: Served, replica: Farm, tmp_path: Path) -> None:
    assert replica.run(*follow(replica, primary)).code == 0
    with serving(replica.home) as second:
        port = free_port()
        text = replaced(
            (SHIPPED / "failover.conf").read_text(),
            {
                "127.0.0.1:8421": primary.url.removeprefix("http://"),
                "127.0.0.1:8422": second.url.removeprefix("http://"),
                "listen 8420;": f"listen 127.0.0.1:{port};",
            },
        )
        with nginx(tmp_path / "front", text, port) as log:
            front = Front(kind="failover", url=f"http://127.0.0.1:{port}", log=log)
            before = front.get("/main/simple/demo/")
            assert front.get("/+api/v1/status").json()["primary"] == ""
            assert front.get("/main/", "POST").status_code == 401
            primary.server.stop()
            wait_for_the_end_of(primary)
            after = front.get("/main/simple/demo/")
            assert (after.status_code, after.content) == (200, before.content)
            assert after.headers["etag"] == before.headers["etag"]
            assert front.get("/+api/v1/status").json()["primary"] == primary.url
            assert front.get("/main/", "POST").status_code == 502  # never to the replica
        assert second.get("/main/", method="POST").status_code == 503
        done = replica.run("replica", "promote", "--home", str(replica.home), "--json")
        assert (done.code, done.json["epoch"], done.json["primary"]) == (0, 2, "")
        assert second.get("/main/", method="POST").status_code == 401
        publish(second, "main", "demo", "3.0")

        # The old primary comes back, and asks before it serves.
        old = Farm(primary.home, tmp_path / "folder")
        old.environ = {**replica.environ, "BUILDFARM_HOME": str(primary.home), "TOKEN": second.make_token("*", "read")}
        done = old.run(*follow(old, second))
        assert done.code == 0, done.err
        assert done.out == f"a replica of {second.url}, up to serial {done.out.split()[-3]} (epoch 2)\n"
        assert tree(primary.home) == tree(second.home)
    with serving(primary.home) as back:
        assert back.get("/main/", method="POST").status_code == 503


def wait_for_the_end_of(served: Served) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            served.get("/+health")
        except OSError:
            return
        except Exception:  # noqa: BLE001 - whatever the client makes of a connection that ends
            return
        time.sleep(0.05)
    raise AssertionError
