"""Recipes whose tests log in to real servers, on this machine and in containers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import HERE, Farm

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.e2e]

LOGINS = """
import os, sys, unittest

import psycopg, pymysql, redis


class Logins(unittest.TestCase):
    def setUp(self):
        self.password = os.environ["PASSWORD"]

    def test_mariadb(self):
        with pymysql.connect(
            host=os.environ["SQL_HOST"],
            port=int(os.environ["SQL_PORT"]),
            user="me",
            password=self.password,
            database="mine",
        ) as server, server.cursor() as cursor:
            cursor.execute("create table kept (word text)")
            cursor.execute("insert into kept values ('ü')")
            cursor.execute("select word, @@character_set_database from kept")
            self.assertEqual(cursor.fetchone(), ("ü", "utf8mb4"))

    def test_postgresql(self):
        with open("pg.txt") as file, psycopg.connect(file.read(), user="me", password=self.password) as server:
            server.execute("create table kept (word text)")
            server.execute("insert into kept values ('ü')")
            self.assertEqual(server.execute("select word from kept").fetchone(), ("ü",))

    def test_redis(self):
        server = redis.Redis(host=os.environ["CACHE_HOST"], port=int(os.environ["CACHE_PORT"]), password=self.password)
        server.set("word", "ü")
        self.assertEqual(server.get("word").decode(), "ü")

    def test_wrong_passwords_are_refused(self):
        self.password = "wrong"
        for log_in, error in (
            (self.test_mariadb, pymysql.err.OperationalError),
            (self.test_postgresql, psycopg.OperationalError),
            (self.test_redis, redis.AuthenticationError),
        ):
            with self.subTest(str(log_in)), self.assertRaises(error):
                log_in()


unittest.main()
"""

DYING = """
import os, socket, time, unittest


class Shutdown(unittest.TestCase):
    def test_goes_on(self):
        with socket.create_connection((os.environ["CACHE_HOST"], int(os.environ["CACHE_PORT"]))) as server:
            server.sendall(b"SHUTDOWN NOSAVE\\r\\n")
            time.sleep(1)
        try:
            socket.create_connection((os.environ["CACHE_HOST"], int(os.environ["CACHE_PORT"]))).close()
        except OSError as error:
            self.skipTest(repr(error))


unittest.main()
"""
ALL = """
tests:
  - run: python logins.py -v
    requires: ["psycopg[binary]", pymysql, redis]
    env: {PASSWORD: geheim}
    files:
      logins.py: LOGINS
      pg.txt: host={pg.host} port={pg.port} dbname=mine
    services:
      sql: {image: mariadb, env: {MARIADB_DATABASE: mine, MARIADB_USER: me, MARIADB_PASSWORD: geheim}}
      pg: {image: postgresql, env: {POSTGRES_DB: mine, POSTGRES_USER: me, POSTGRES_PASSWORD: geheim}}
      cache: {image: redis, env: {REDIS_PASSWORD: geheim}}
"""
SERVED = ("debian11", "debian11-test", "mariadb", "postgresql", "redis")


def braced(script: str) -> str:
    """As a text of YAML in which no brace is a placeholder."""
    return json.dumps(script.replace("{", "{{").replace("}", "}}"))


def dying(farm: Farm, name: str) -> Path:
    lines = (
        "tests:",
        "  - run: python dying.py",
        f"    files: {{dying.py: {braced(DYING)}}}",
        "    services: {cache: {image: redis}}",
    )
    return farm.project("tinyc", name, recipe=lines)


def told(farm: Farm, recipe: Path, targets: str) -> None:
    done = farm.build(recipe, targets=targets)
    assert done.code == 1, done.err
    job = done.job(recipe.stem, "test")
    assert (job["step"], job["code"]) == ("test", "service")
    assert job["reason"] == "while the tests ran, the service cache (redis) ended with exit code 0"
    log = Path(job["log"]).read_text()
    assert "OK (skipped=1)" in log  # whoever skips what it cannot reach has tested nothing
    said = log.partition("== the service cache (redis) ended with exit code 0; its log ends:\n")[2]
    assert "bye bye" in said


@pytest.mark.host
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="apt-get install redis-server")
def test_a_server_of_this_machine_that_dies_is_told(farm: Farm) -> None:
    told(farm, dying(farm, "dyinghere"), f"{HERE}-*")


@pytest.mark.engine
def test_a_server_in_a_container_that_dies_is_told(container_farm: Farm, image: Callable[[str], str]) -> None:
    for name in SERVED:
        image(name)
    told(container_farm, dying(container_farm, "dyinginside"), "cp311-manylinux*")


@pytest.mark.engine
def test_logins_to_three_servers(container_farm: Farm, image: Callable[[str], str]) -> None:
    for name in SERVED:
        image(name)
    recipe = container_farm.project("tinyc", "loggedin", recipe=ALL.replace("LOGINS", braced(LOGINS)).splitlines())
    done = container_farm.build(recipe, targets="cp311-manylinux*")
    assert done.code == 0, done.err
    job = done.job("loggedin", "test")
    assert "Ran 4 tests" in Path(job["log"]).read_text()


@pytest.mark.engine
def test_the_log_of_a_test_that_failed_has_what_its_server_said(
    container_farm: Farm, image: Callable[[str], str]
) -> None:
    for name in SERVED:
        image(name)
    lines = ("tests:", "  - run: python -c 'raise SystemExit(3)'", "    services: {cache: {image: redis}}")
    done = container_farm.build(container_farm.project("tinyc", "failing", recipe=lines), targets="cp311-manylinux*")
    assert done.code == 1
    job = done.job("failing", "test")
    assert job["code"] == "exit-code"
    said = Path(job["log"]).read_text().partition("== the service cache still runs; its log ends:\n")[2]
    assert "Ready to accept connections" in said


@pytest.mark.engine
def test_a_variable_that_no_image_takes_is_told(container_farm: Farm, image: Callable[[str], str]) -> None:
    for name in SERVED:
        image(name)
    lines = ("tests:", "  - run: python -V", "    services: {db: {image: mariadb, env: {MARIADB_DB: mine}}}")
    done = container_farm.build(container_farm.project("tinyc", "misnamed", recipe=lines), targets="cp311-manylinux*")
    assert done.code == 1
    (out,) = done.json["left_out"]
    assert "MARIADB_DB, which its image mariadb does not take" in out["reason"]
