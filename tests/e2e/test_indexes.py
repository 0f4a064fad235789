"""Indexes from the command line, and uploads from their arrival until they are let through, with real sessions."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Done, Farm
from tests.e2e.serving import Served, make_wheel, serving

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.e2e]

ME = getpass.getuser()
GOOD = make_wheel("good", "1.0", files={"good.py": "answer = 42\n"})
BAD = make_wheel("bad", "1.0", files={"bad.py": "import nothing_of_the_kind\n"})


class Ground:
    """A home with indexes, the command line on it, and a server that takes uploads and leaves their tests to others."""

    def __init__(self, farm: Farm, served: Served) -> None:
        self.farm = farm
        self.served = served
        self.secrets: dict[str, str] = {}

    def run(self, *words: object, code: int = 0) -> Done:
        """The command line, which ends with that exit code."""
        done = self.farm.run(*words)
        assert done.code == code, f"{words}: {done.out}{done.err}"
        return done

    def upload(self, index: str, wheel: tuple[str, bytes]) -> str:
        if index not in self.secrets:
            done = self.run("token", "create", "--index", index, "--right", "upload", "--note", "tests")
            self.secrets[index] = done.out.strip()
            self.served.forget()
        answer = self.served.upload(index, *wheel, self.secrets[index])
        assert answer.status_code == 200, answer.text
        return answer.text

    def shown(self, index: str) -> dict[str, Any]:
        return self.run("index", "show", index, "--json").json

    def page(self, index: str, project: str) -> dict[str, Any]:
        page = self.farm.home / "index" / index / "simple" / project / "index.json"
        return {file["filename"]: file for file in json.loads(page.read_text())["files"]} if page.exists() else {}


@pytest.fixture(scope="module")
def ground(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    own = Farm(tmp_path_factory.mktemp("indexes"), tmp_path_factory.mktemp("projects"))
    (own.home / "cache").symlink_to(home / "cache", target_is_directory=True)  # tools and interpreters are the same
    (home / "cache").mkdir(exist_ok=True)
    with serving(own.home) as served:
        made = Ground(own, served)
        made.run("index", "create", "company/base", "--reserve", "company-*")
        made.run("index", "create", "company/dev", "--base", "company/base", "--volatile")
        made.run("index", "create", "company/qa", "--base", "company/base")
        made.run("index", "create", "sandbox", "--base", "company/dev", "--accepts", "passed,not-run", "--private")
        yield made


def test_an_index_is_made_shown_and_changed(ground: Ground) -> None:
    shown = ground.shown("sandbox")
    assert (shown["bases"], shown["closure"]) == (["company/dev"], ["sandbox", "company/dev", "company/base"])
    assert (shown["accepts"], shown["private"], shown["volatile"]) == (["passed", "not run"], True, False)
    (event,) = shown["events"]
    assert (event["who"], event["kind"]) == (ME, "configured")
    ground.run("index", "set", "sandbox", "--no-bases", "--no-private")
    shown = ground.shown("sandbox")
    assert (shown["bases"], shown["private"], shown["accepts"]) == ([], False, ["passed", "not run"])
    assert shown["open"] == []
    ground.run("index", "set", "company/base", "--private")
    opened = "sandbox is not private and inherits from company/base, so everybody may read the files of company/base"
    done = ground.run("index", "set", "sandbox", "--base", "company/base")
    assert f"warning: {opened}: `buildfarm index set sandbox --private`" in done.err
    assert f"open: {opened}" in ground.run("index", "show", "sandbox").out
    ground.run("index", "set", "sandbox", "--no-bases")
    ground.run("index", "set", "company/base", "--no-private")
    names = [each["name"] for each in ground.run("index", "list", "--json").json["indexes"]]
    assert names == ["company/base", "company/dev", "company/qa", "sandbox"]
    assert "company/dev" in ground.run("index", "list").out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("create", "company/base"), 1, "there is an index company/base already"),
        (("create", "a/b/c", "--base", "no"), 1, "'a/b/c' is no index name"),
        (("create", "new", "--accepts", "passed,failed"), 2, "failed: one of passed, skipped, not-run"),
        (("set", "company/base", "--base", "company/dev"), 1, "that would be a circle"),
        (("set", "company/base"), 2, "name what to change"),
        (("set", "nowhere", "--volatile"), 1, "there is no index 'nowhere'"),
        (("show", "nowhere"), 1, "there is no index 'nowhere'"),
        (("delete", "company/base"), 1, "company/base has heirs: company/dev, company/qa"),
        (("verify", "nowhere"), 1, "there is no index 'nowhere'"),
        (("gc", "--older-than", "soon"), 2, "'soon' is no length of time"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(ground: Ground, words: tuple[str, ...], code: int, said: str) -> None:
    done = ground.run("index", *words, code=code)
    assert said in done.err
    assert not done.out


def test_an_upload_is_tested_here_and_promoted_with_its_results(ground: Ground) -> None:
    assert "waits on company/dev/+pending" in ground.upload("company/dev", GOOD)
    (waits,) = ground.shown("company/dev")["pending"]
    assert waits["filename"] == GOOD[0]
    assert "tests" in waits["who"]
    assert "buildfarm index settle" in waits["reason"]
    assert ground.page("company/dev", "good") == {}
    (settled,) = ground.run("index", "settle", "--json").json["uploads"]
    assert (settled["filename"], settled["published"]) == (GOOD[0], True)
    results = ground.page("company/dev", "good")[GOOD[0]]["_tests"]
    assert set(results.values()) == {"passed"}
    ground.run("promote", "good==1.0", "--from", "company/dev", "--to", "company/qa")
    assert ground.page("company/qa", "good")[GOOD[0]]["_tests"] == results
    (promoted, _) = ground.shown("company/qa")["events"]
    assert (promoted["who"], promoted["kind"]) == (ME, "promoted")
    assert "from company/dev" in promoted["said"]


def test_an_upload_whose_test_fails_waits_with_the_reason_and_its_log(ground: Ground) -> None:
    ground.upload("company/dev", BAD)
    done = ground.run("index", "settle", code=1)
    assert f"company/dev: {BAD[0]} waits: the test for" in done.out
    (waits,) = ground.shown("company/dev/+pending")["pending"]
    assert "failed" in waits["reason"]
    assert "nothing_of_the_kind" in ground.run("logs", "bad").out
    assert waits["reason"] in ground.run("index", "show", "company/dev").out
    (retried,) = ground.run("index", "retry", "company/dev", BAD[0], "--json", code=1).json["uploads"]
    assert not retried["published"]
    ground.run("index", "retry", "company/dev", "other.whl", code=1)
    mended = make_wheel("bad", "1.0", files={"bad.py": "answer = 42\n"})
    ground.upload("company/dev", mended)
    ground.run("index", "settle")
    assert set(ground.page("company/dev", "bad")) == {BAD[0]}


def test_yanked_quarantined_and_deleted(ground: Ground) -> None:
    wheel = make_wheel("fleeting", "1.0")
    ground.run("index", "create", "scratch", "--volatile", "--accepts", "passed,skipped,not-run")
    ground.upload("scratch", wheel)
    changed = {"index": "scratch", "what": "yanked", "changed": [wheel[0]]}
    assert ground.run("yank", "fleeting==1", "--index", "scratch", "--reason", "why", "--json").json == changed
    assert ground.page("scratch", "fleeting")[wheel[0]]["yanked"] == "why"
    done = ground.run("promote", "fleeting==1", "--from", "scratch", "--to", "company/qa", code=1)
    assert "is yanked on scratch: why" in done.err
    assert "company/qa takes what was passed or skipped" in done.err
    ground.run("unyank", wheel[0], "--index", "scratch")
    ground.run("quarantine", "fleeting", "--index", "scratch", "--reason", "malware")
    assert ground.page("scratch", "fleeting") == {}
    ground.run("unquarantine", "fleeting", "--index", "scratch")
    ground.run("mark", "fleeting", "--status", "archived", "--index", "scratch")
    assert set(ground.page("scratch", "fleeting")) == {wheel[0]}
    assert "was archived before" in ground.run("mark", "fleeting", "--status", "archived", "--index", "scratch").err
    ground.run("delete", "fleeting==1.0", "--index", "scratch")
    ground.run("delete", "good==1.0", "--index", "company/qa", code=1)
    assert ground.run("index", "gc").out == ""
    gone = ground.run("index", "gc", "--older-than", "0s", "--json").json["removed"]
    assert ("scratch", wheel[0]) in {(each["index"], each["filename"]) for each in gone}
    assert {each["index"] for each in gone} <= {"scratch", "company/dev/+pending"}
    ground.run("index", "delete", "scratch", "--force")


def test_drift_is_found_and_mended(ground: Ground) -> None:
    ground.run("index", "verify")
    page = ground.farm.home / "index/company/dev/simple/good/index.html"
    page.unlink()
    page.write_text("<a href='https://evil.example/good-9.whl'>")
    (file,) = (ground.farm.home / "index/company/qa/+f").glob("*/good-*.whl")
    file.unlink()
    faults = ground.run("index", "verify", "--json", code=1).json["faults"]
    assert {(each["path"].rpartition("/")[2], each["what"]) for each in faults} == {
        ("index.html", "differs"),
        (GOOD[0], "missing"),
    }
    assert "differs" in ground.run("index", "verify", "company/dev", code=1).out
    assert "2 faults were mended" in ground.run("index", "rebuild").err
    assert "all is well" in ground.run("index", "verify").err
