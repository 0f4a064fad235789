"""Commands, files and answers of a test for a fixed layout."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from buildfarm.model.errors import StepFailed
from buildfarm.model.job import Environment, TestJob
from buildfarm.model.outcome import Step
from buildfarm.model.recipe import Service, Test
from buildfarm.model.session import Completed, Ended, Endpoint, Layout
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact
from buildfarm.steps.hearing import Hearing
from buildfarm.steps.test import (
    call_imports,
    commands,
    files,
    import_failure,
    imports_request,
    imports_script,
    read_imports,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "commands" / "test.txt"
ROOT = "/home of/s"
LAYOUT = Layout.at(ROOT, python="/usr/bin/python3.11", tools={})
TEST = Test(
    run=("python -m pytest --rootdir {work} -k 'a or {{b}}'", "./smoke.sh"),
    folder="tests",
    env={"CONFIG": "{work}/tests/default.cnf"},
    files={"tests/default.cnf": "[tests]\npath={work}\nbrace={{}}\n"},
)
TARGET = Target.parse("cp311-manylinux_2_17_x86_64")
JOB = TestJob(
    project="demo",
    version="1.0",
    target=TARGET,
    wheel=Artifact(name="demo-1.0-py3-none-any.whl", size=1, sha256="0" * 64),
    environment=Environment(name="host", lane="host", target=TARGET, definition={}, test_definition={}),
    tests=(TEST,),
    index="main",
)


def test_commands_are_the_golden_ones() -> None:
    text = "\n".join(
        f"# {each.what}, in {each.cwd}\n"
        + "".join(f"{name}={shlex.quote(value)}\n" for name, value in each.env.items())
        + f"{shlex.join(each.argv)}\n"
        for each in (call_imports(LAYOUT), *commands(TEST, LAYOUT, {}), *commands(Test(run=("true",)), LAYOUT, {}))
    )
    if os.environ.get("BUILDFARM_REGOLD"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_files_are_written_below_the_tests_with_their_placeholders_filled() -> None:
    assert files(TEST, LAYOUT, {}) == {
        f"{ROOT}/work/tests/tests/default.cnf": f"[tests]\npath={ROOT}/work/tests\nbrace={{}}\n".encode()
    }


def test_the_request_of_the_import_script() -> None:
    request = json.loads(imports_request(JOB, Test(imports=("demo", "demo.fast")), LAYOUT))
    assert (request["project"], request["modules"]) == ("demo", ["demo", "demo.fast"])
    assert request["result"] == f"{ROOT}/work/imports.json"
    assert {"cc", "gcc", "zig", "rustc"} <= set(request["compilers"])


def test_the_script_is_the_one_in_the_package() -> None:
    assert imports_script().startswith(b'"""Imports what a wheel installed')


ANSWER = {"imported": ["demo"], "notes": ["demo.x: no"], "failures": [], "compilers": ["/usr/bin/cc"]}


def test_answers_of_the_import_script() -> None:
    answer = read_imports(json.dumps(ANSWER).encode())
    assert (answer.imported, answer.notes) == (("demo",), ("demo.x: no",))
    assert (answer.failures, answer.compilers) == ((), ("/usr/bin/cc",))


@pytest.mark.parametrize(
    "content",
    [b"", b"5", b"{}", b'{"imported": []}', json.dumps({**ANSWER, "failures": 0}).encode()],
    ids=lambda content: content[:20].decode(),
)
def test_an_answer_that_the_package_wrote_over_is_a_failed_test(content: bytes) -> None:
    with pytest.raises(StepFailed) as caught:
        read_imports(content)
    assert (caught.value.step, caught.value.reason.code) == (Step.TEST, "no-answer")


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        ("demo: ModuleNotFoundError: No module named 'numpy'", "`requires: [numpy]`"),
        ("demo._x: ImportError: demo/_x.so: undefined symbol: farm_add", "the build's log"),
        ("demo: ZeroDivisionError: division by zero", "the traceback is in the log"),
    ],
)
def test_the_advice_for_a_failed_import_follows_its_kind(failure: str, advice: str) -> None:
    done = Completed(command=call_imports(LAYOUT), ended=Ended.EXITED, exit_code=1, seconds=1, tail=("Traceback",))
    failed = StepFailed(Step.TEST, import_failure(("demo.a: SystemExit: 0", failure), done))
    reason = Hearing(lambda _: None).explain(failed)
    assert (reason.code, reason.command, reason.tail) == ("import", done.command.argv, done.tail)
    assert reason.message.endswith(f"demo.a: SystemExit: 0; {failure}")
    assert advice in reason.advice


def test_services_are_told_by_placeholders_and_by_variables() -> None:
    test = Test(
        run=("client {db.host}:{db.port}",),
        files={"a.cnf": "port={db.port} in {work}"},
        env={"URL": "db://{db.host}:{db.port}/test", "CACHE_HOST": "localhost"},
        services={"db": Service(image="mariadb"), "cache": Service(image="redis")},
    )
    places = {name: Endpoint(host="127.0.0.1", port=port) for name, port in (("db", 3306), ("cache", 6379), ("x", 1))}
    (command,) = commands(test, LAYOUT, places)
    assert command.argv == ("client", "127.0.0.1:3306")
    assert command.env == {
        "URL": "db://127.0.0.1:3306/test",
        "DB_HOST": "127.0.0.1",
        "DB_PORT": "3306",
        "CACHE_HOST": "localhost",  # the recipe's own word counts
        "CACHE_PORT": "6379",
    }
    assert files(test, LAYOUT, places) == {f"{ROOT}/work/tests/a.cnf": f"port=3306 in {ROOT}/work/tests".encode()}
