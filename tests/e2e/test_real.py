"""Projects of the index and tiny ones, from their source to a machine that installs them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import HERE, PROJECTS, Done, Farm

pytestmark = [pytest.mark.host, pytest.mark.network, pytest.mark.slow, pytest.mark.e2e]

REAL = {"markupsafe": "markupsafe._speedups", "msgpack": "msgpack._cmsgpack"}


@pytest.fixture(scope="module")
def real(farm: Farm) -> Done:
    """Two real projects with C extensions, by a requirements file."""
    (farm.folder / "requirements.txt").write_text("# two of them\nMarkupSafe\nmsgpack>=1.1 ; python_version >= '3.9'\n")
    done = farm.build("-r", "requirements.txt")
    assert done.code == 0, done.err
    return done


@pytest.fixture(scope="module")
def index(farm: Farm) -> Iterator[str]:
    """The address of the index ``main``, served by the real server."""
    server = farm.start("serve", "--port", "0")
    assert server.stderr is not None
    address = next(found[0] for line in server.stderr if (found := re.search(r"http://[0-9.:]+", line)))
    yield f"{address}/main/simple/"
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=30)


def install(folder: Path, index: str, *projects: str) -> Path:
    """A new environment with the projects, from that index alone, on a machine without a compiler; its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    consume(python, "-m", "pip", "install", "--quiet", "--isolated", "--no-cache-dir", "--index-url", index, *projects)
    return python


def consume(python: Path, *words: str) -> str:
    """Run Python with nothing but itself on PATH."""
    environ = {"PATH": str(python.parent), "HOME": str(python.parent), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run([python, *words], env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wheel(farm: Farm, done: Done, name: str) -> bytes:
    """Bytes of the wheel on the index."""
    found = done.job(name)["wheel"]
    path = farm.home / "index/main/+f" / str(found["sha256"]) / str(found["filename"])
    return path.read_bytes()


def test_a_machine_without_a_compiler_installs_from_the_index_alone(real: Done, index: str, tmp_path: Path) -> None:
    python = install(tmp_path, index, *REAL)
    for module in REAL.values():
        assert consume(python, "-c", f"import {module} as it; print(it.__file__)").strip().endswith(".so")


def test_every_wheel_is_for_an_old_glibc_and_was_tested_without_a_compiler(real: Done) -> None:
    for name, module in REAL.items():
        assert f"{HERE}-{HERE}-manylinux_2_17_" in " ".join(real.job(name)["wheel"]["tags"])
        test = real.job(name, "test")
        assert test["outcome"] == "succeeded"
        assert test["isolation"].startswith("bubblewrap (no network), ")
        assert module in Path(test["log"]).read_text()


def test_the_same_again_does_nothing(farm: Farm, real: Done) -> None:
    done = farm.build("-r", "requirements.txt")
    assert done.code == 0
    assert all(job["cached"] for job in done.json["jobs"])
    assert "Nothing to do" in done.err


@pytest.mark.parametrize("operand", ["markupsafe", str(PROJECTS / "tinyc")])
def test_another_home_makes_the_same_bytes(farm: Farm, elsewhere: Farm, operand: str) -> None:
    name = Path(operand).name
    assert wheel(farm, farm.build(operand), name) == wheel(elsewhere, elsewhere.build(operand), name)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Farm:
    """A home from nothing, with a path of another length."""
    folder = tmp_path_factory.mktemp("another-home-from-nothing")
    return Farm(folder / "home", folder / "projects")


def test_without_isolation_the_result_is_the_same_and_everybody_is_told(
    farm: Farm, equipped: Callable[[Path], Path], tmp_path: Path
) -> None:
    recipe = farm.project("tinyc", "open")
    inside = farm.build(recipe)
    bare = Farm(equipped(tmp_path / "home"), farm.folder)
    done = bare.run("--isolation", "none", "build", recipe, "--targets", f"{HERE}-*", "--json")
    assert done.code == 0, done.err
    assert wheel(bare, done, "open") == wheel(farm, inside, "open")
    assert done.job("open", "test")["isolation"].startswith("none (network open), ")
    assert "none (network open)" in done.err
    for kind in ("build", "test"):
        assert "none (network open)" in Path(done.job("open", kind)["log"]).read_text()


def interpreters(farm: Farm) -> list[str]:
    """ABIs that this machine can build for."""
    plan = farm.run("plan", PROJECTS / "tinypure", "--json").json
    return sorted({each["target"].partition("-")[0] for each in (*plan["jobs"], *plan["later"])})


@pytest.mark.parametrize("base", ["tinyabi3", "tinypure"])
def test_one_wheel_for_all_interpreters_is_built_once_and_tested_on_each(farm: Farm, base: str) -> None:
    here = interpreters(farm)
    if len(here) < 3 and not os.environ.get("CI"):
        pytest.skip(f"needs three interpreters, this machine has {', '.join(here)}")
    done = farm.build(farm.project(base, base.replace("tiny", "once")), targets="*")
    assert done.code == 0, done.err
    jobs = done.json["jobs"]
    assert [job["kind"] for job in jobs].count("build") == 1
    assert sorted(job["target"].partition("-")[0] for job in jobs if job["kind"] == "test") == here
    assert len({job["wheel"]["filename"] for job in jobs}) == 1


def test_a_build_requirement_of_the_same_call_is_built_and_published_first(farm: Farm) -> None:
    tool = farm.project("tinypure", "tool")
    needs = farm.project(
        "tinypure",
        "needs",
        {
            "pyproject.toml": ("requires = []", 'requires = ["tool"]'),
            "backend.py": ("    info = f", "    import tool; assert tool.ANSWER == 42\n    info = f"),
        },
    )
    done = farm.build(needs, tool)
    assert done.code == 0, done.err
    assert done.err.index("tool-1.0-py3-none-any.whl  published") < done.err.index("build      needs")
    why = farm.run("why", "needs-1.0-py3-none-any.whl", "--json").json["wheels"][0]
    assert why["needs"] == {"tool": done.job("tool")["key"]}


def test_a_backend_may_ask_for_more(farm: Farm) -> None:
    farm.build(farm.project("tinypure", "more"))
    asks = 'def get_requires_for_build_wheel(config_settings=None):\n    return ["more"]\n\n\n'
    edit = (
        "def build_wheel(folder, config_settings=None, metadata_directory=None):\n",
        f"{asks}def build_wheel(folder, config_settings=None, metadata_directory=None):\n    import more\n",
    )
    done = farm.build(farm.project("tinypure", "asks", {"backend.py": edit}))
    assert done.code == 0, done.err
    assert "locking more" in done.err


def test_a_rebuild_with_other_bytes_gets_a_build_tag_and_one_with_the_same_does_not(
    farm: Farm, index: str, tmp_path: Path
) -> None:
    edits = {"tinyc/_answer.c": ("FromLong(42)", "FromLong(ANSWER)")}

    def build(answer: int, more: str = "") -> Done:
        env = f"build: {{env: {{CFLAGS: -DANSWER={answer}{more}}}}}"
        done = farm.build(farm.project("tinyc", "again", edits, [env]))
        assert done.code == 0, done.err
        return done

    assert build(41).job("again")["wheel"]["filename"].startswith(f"again-1.0-{HERE}-")
    build(41, " -DUNUSED")  # another key, the same bytes: nothing new is published
    assert "again-1.0-1-" not in farm.page("again")
    assert build(42).job("again")["wheel"]["filename"].startswith(f"again-1.0-1-{HERE}-")
    assert build(42).job("again")["cached"]
    assert f"again-1.0-1-{HERE}" in farm.page("again")
    python = install(tmp_path, index, "again")
    assert consume(python, "-c", "import again; print(again.answer())") == "42\n"


def test_a_project_folder_and_an_sdist_are_operands(farm: Farm) -> None:
    farm.project("tinypure", "folder")
    assert farm.build("./folder").job("folder")["outcome"] == "succeeded"
    farm.project("tinypure", "packed")
    archive = shutil.make_archive(str(farm.folder / "packed-1.0"), "gztar", farm.folder, "packed")
    assert farm.build(archive).job("packed")["outcome"] == "succeeded"
