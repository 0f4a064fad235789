"""The scripts that run inside a session, run for real on this Python, and on the oldest 3 and on 2.7 where they are."""

from __future__ import annotations

import ast
import importlib.machinery
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from buildfarm.steps.inside import hook, imports

OLDEST = "3.9"
SCRIPTS = sorted(Path(hook.__file__).parent.glob("*.py"))


def find_python(version: str) -> str | None:
    pyenv = Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
    for python in (shutil.which(f"python{version}"), *map(str, pyenv)):
        if python and not subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
            return python
    return None


def absent(module: str, python: str) -> str:
    """What an interpreter says of a module that is not there."""
    if "2.7" in python:
        return f"ImportError: No module named {module}"
    return f"ModuleNotFoundError: No module named {module!r}"


@pytest.fixture(scope="module", params=["this", OLDEST, "2.7"])
def python(request: pytest.FixtureRequest) -> str:
    found = sys.executable if request.param == "this" else find_python(request.param)
    return found or pytest.skip(f"there is no Python {request.param} here")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_syntax_is_that_of_python_2_and_3(script: Path) -> None:
    tree = ast.parse(script.read_text(encoding="ascii"), feature_version=(3, 4))
    new = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Nonlocal, ast.Starred, ast.YieldFrom)
    for node in ast.walk(tree):
        assert not isinstance(node, new), f"line {node.lineno}"
        if isinstance(node, ast.FunctionDef):
            arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            assert not node.args.kwonlyargs
            assert not any(each.annotation for each in arguments), f"line {node.lineno}"
            assert node.returns is None, f"line {node.lineno}"
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= {*sys.stdlib_module_names, "imp"}  # of Python 2


# ---------------------------------------------------------------------------------------------- the script of the build

BACKEND = """
import json, os, sys

def note(hook, settings, path):
    with open({notes!r}, "a") as file:
        said = dict(hook=hook, settings=settings, pid=os.getpid(), cwd=os.getcwd(), path=sys.path[0], argv=sys.argv[:1])
        file.write(json.dumps(said) + "\\n")

def get_requires_for_build_wheel(config_settings=None):
    note("get_requires_for_build_wheel", config_settings, sys.path)
    return ["numpy>=2", "wheel"]

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    note("build_wheel", config_settings, sys.path)
    name = "demo-1.0-py3-none-any.whl"
    open(os.path.join(wheel_directory, name), "w").close()
    return name

class api:
    class hooks:
        build_wheel = staticmethod(build_wheel)

class failing:
    @staticmethod
    def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
        raise RuntimeError("no such library")

class leaving:
    @staticmethod
    def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
        sys.exit(3)

class killed:
    @staticmethod
    def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
        os.kill(os.getpid(), 9)

class silent:
    @staticmethod
    def get_requires_for_build_wheel(config_settings=None):
        os._exit(0)
"""


class Project:
    """A source with a backend of its own in ``tools``, and a session's folders around it."""

    def __init__(self, root: Path, python: str) -> None:
        self.root, self.python = root / "söurce dir", python
        self.notes_file = root / "notes"
        for folder in ("source/tools", "dist", "scripts"):
            (self.root / folder).mkdir(parents=True)
        backend = BACKEND.replace("{notes!r}", repr(str(self.notes_file)))
        (self.root / "source" / "tools" / "backend.py").write_text(backend, encoding="utf-8")
        shutil.copy(hook.__file__, self.root / "scripts")

    def run(self, **request: object) -> subprocess.CompletedProcess[str]:
        asked = {
            "source": str(self.root / "source"),
            "dist": str(self.root / "dist"),
            "backend": "backend",
            "backend_path": ["tools"],
            "granted": ["numpy>=2", "wheel", "setuptools"],
            "config_settings": {},
            "result": str(self.root / "hook.json"),
            **request,
        }
        (self.root / "request.json").write_text(json.dumps(asked), encoding="utf-8")
        return subprocess.run(
            [self.python, str(self.root / "scripts" / "hook.py"), str(self.root / "request.json")],
            cwd=self.root / "source",
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def answer(self) -> Any:
        return json.loads((self.root / "hook.json").read_text(encoding="utf-8"))

    @property
    def notes(self) -> list[Any]:
        return [json.loads(line) for line in self.notes_file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def project(tmp_path: Path, python: str) -> Project:
    return Project(tmp_path, python)


def test_a_wheel_is_built_each_hook_in_an_interpreter_of_its_own(project: Project) -> None:
    done = project.run(config_settings={"setup-args": "-Dü=1"})
    assert done.returncode == 0, done.stderr
    assert project.answer == {"wheel": "demo-1.0-py3-none-any.whl"}
    assert [path.name for path in (project.root / "dist").iterdir()] == ["demo-1.0-py3-none-any.whl"]
    asked, built = project.notes
    assert (asked["hook"], built["hook"]) == ("get_requires_for_build_wheel", "build_wheel")
    assert asked["pid"] != built["pid"]
    for note in (asked, built):
        assert note["settings"] == {"setup-args": "-Dü=1"}
        assert note["cwd"] == str(project.root / "source")
        assert note["path"] == str(project.root / "source" / "tools")


def test_what_is_wanted_beyond_what_is_granted_is_the_answer_and_nothing_is_built(project: Project) -> None:
    done = project.run(granted=["wheel"])
    assert done.returncode == 0, done.stderr
    assert project.answer == {"wants": ["numpy>=2"]}
    assert [note["hook"] for note in project.notes] == ["get_requires_for_build_wheel"]


def test_a_backend_may_be_an_object_and_lack_the_hook_for_requirements(project: Project) -> None:
    done = project.run(backend="backend:api.hooks", granted=[])
    assert done.returncode == 0, done.stderr
    assert project.answer == {"wheel": "demo-1.0-py3-none-any.whl"}


def test_the_source_is_not_importable_unless_the_backend_path_says_so(project: Project) -> None:
    """PEP 517: the working directory is the source, and it is not on sys.path."""
    (project.root / "source" / "backend.py").write_text("", encoding="utf-8")
    done = project.run(backend_path=[])
    assert done.returncode == 1
    assert absent("backend", project.python) in done.stderr


@pytest.mark.parametrize(("backend", "code"), [("failing", 1), ("leaving", 3)])
def test_a_failing_backend_ends_with_its_own_code_and_words(project: Project, backend: str, code: int) -> None:
    done = project.run(backend=f"backend:{backend}")
    assert done.returncode == code
    assert backend != "failing" or "RuntimeError: no such library" in done.stderr
    assert not list((project.root / "dist").iterdir())


def test_a_backend_that_is_killed_is_no_success(project: Project) -> None:
    assert project.run(backend="backend:killed").returncode != 0


def test_a_backend_that_ends_the_interpreter_with_0_is_no_success(project: Project) -> None:
    assert project.run(backend="backend:silent").returncode == 1


def test_the_legacy_backend_of_setuptools(tmp_path: Path) -> None:
    """It puts the source on sys.path itself: setup.py files without a pyproject.toml count on that."""
    try:
        modern = Version(metadata.version("setuptools")) >= Version("70.1")
    except metadata.PackageNotFoundError:
        modern = False
    if not modern:
        pytest.skip("there is no setuptools here that makes wheels by itself")
    project = Project(tmp_path, sys.executable)
    source = project.root / "source"
    (source / "version.py").write_text("VERSION = '1.0'\n", encoding="utf-8")
    (source / "setup.py").write_text(
        "from setuptools import setup; import version\n"
        "setup(name='demo', version=version.VERSION, py_modules=['version'])\n",
        encoding="utf-8",
    )
    done = project.run(backend="setuptools.build_meta:__legacy__", backend_path=[])
    assert done.returncode == 0, done.stderr
    assert project.answer == {"wheel": "demo-1.0-py3-none-any.whl"}


# ----------------------------------------------------------------------------------------------- the script of the test


class Installed:
    """A place where the files of a project are installed, with their RECORD."""

    def __init__(self, root: Path, python: str) -> None:
        self.root, self.python = root, python
        (root / "scripts").mkdir()
        (root / "bin").mkdir()
        shutil.copy(imports.__file__, root / "scripts")
        (root / "scripts" / "decoy.py").write_text("", encoding="utf-8")

    def install(self, files: Mapping[str, str | Path]) -> None:
        for name, content in files.items():
            path = self.root / "site" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copy(content, path)
            else:
                path.write_text(content, encoding="utf-8")
        info = self.root / "site" / "demo-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n", encoding="utf-8")
        rows = [*files, "../../bin/demo", "demo-1.0.dist-info/METADATA", "demo-1.0.dist-info/RECORD"]
        (info / "RECORD").write_text("".join(f"{row},,\n" for row in rows), encoding="utf-8")

    def run(self, *modules: str, project: str = "demo") -> subprocess.CompletedProcess[str]:
        request = {
            "project": project,
            "modules": list(modules) or ["auto"],
            "compilers": ["cc", "gcc"],
            "result": str(self.root / "imports.json"),
        }
        (self.root / "request.json").write_text(json.dumps(request), encoding="utf-8")
        return subprocess.run(
            [self.python, str(self.root / "scripts" / "imports.py"), str(self.root / "request.json")],
            cwd=self.root,
            env={"PYTHONPATH": str(self.root / "site"), "PATH": str(self.root / "bin")},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def answer(self) -> Any:
        return json.loads((self.root / "imports.json").read_text(encoding="utf-8"))


@pytest.fixture
def installed(tmp_path: Path, python: str) -> Installed:
    return Installed(tmp_path, python)


def test_every_top_level_module_is_imported_and_nothing_beside(installed: Installed) -> None:
    installed.install(
        {
            "demo/__init__.py": "",
            "demo/inner.py": "raise SystemExit('not asked for')",
            "_demo_single.py": "",
            "demo.libs/helper.py": "raise SystemExit('of the repair tool')",
            "demo-1.0.data/scripts/run.py": "raise SystemExit('a script')",
            "demo-nspkg.pth": "",
            "__pycache__/_demo_single.cpython-39.pyc": "",
            "not-a-module.py": "raise SystemExit('no identifier')",
            "demo/data.json": "",
        }
    )
    done = installed.run()
    assert done.returncode == 0, done.stderr
    assert installed.answer == {"imported": ["_demo_single", "demo"], "notes": [], "failures": [], "compilers": []}
    assert done.stdout == "imported _demo_single, demo\n"


def test_all_failures_are_told_at_once_whatever_is_raised(installed: Installed) -> None:
    installed.install(
        {"a.py": "import absent", "b.py": "raise SystemExit(0)", "c.py": "", "d.py": "raise KeyboardInterrupt"}
    )
    done = installed.run()
    assert done.returncode == 1
    assert installed.answer["imported"] == ["c"]
    assert installed.answer["failures"] == [
        f"a: {absent('absent', installed.python)}",
        "b: SystemExit: 0",
        "d: KeyboardInterrupt: ",
    ]
    assert "Traceback (most recent call last)" in done.stderr


def test_what_lies_in_a_namespace_package_is_really_imported(installed: Installed) -> None:
    if "2.7" in installed.python:
        pytest.skip("Python 2 has no such packages")
    installed.install(
        {
            "company/tool/__init__.py": "import absent",
            "company/tool/inner/__init__.py": "",
            "company/other/__init__.py": "",
            "company/loose.py": "",
        }
    )
    assert installed.run().returncode == 1
    assert installed.answer["imported"] == ["company", "company.other"]
    assert installed.answer["failures"] == ["company.tool: ModuleNotFoundError: No module named 'absent'"]


def test_modules_that_the_recipe_names(installed: Installed) -> None:
    installed.install({"demo/__init__.py": "", "demo/inner.py": ""})
    assert installed.run("demo.inner", "demo.absent", "decoy").returncode == 1
    assert installed.answer["imported"] == ["demo.inner"]
    assert [text.partition(":")[0] for text in installed.answer["failures"]] == ["demo.absent", "decoy"]


def test_a_wheel_of_data_alone_imports_nothing(installed: Installed) -> None:
    installed.install({"share/demo.json": "{}"})
    done = installed.run()
    assert (done.returncode, done.stdout) == (0, "imported nothing\n")


def test_a_project_that_is_not_installed_is_no_success(installed: Installed) -> None:
    assert installed.run(project="absent").returncode == 1
    assert not (installed.root / "imports.json").exists()


def test_a_module_that_ends_the_interpreter_leaves_no_answer(installed: Installed) -> None:
    installed.install({"demo.py": "import os; os._exit(0)"})
    installed.run()
    assert not (installed.root / "imports.json").exists()


def test_compilers_on_the_path_are_told(installed: Installed) -> None:
    installed.install({"demo.py": ""})
    compiler = installed.root / "bin" / "gcc"
    compiler.write_text("#!/bin/sh\n", encoding="utf-8")
    compiler.chmod(0o755)
    assert installed.run().returncode == 0
    assert installed.answer["compilers"] == [str(compiler)]


SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]


def extension(name: str) -> Path:
    """An extension module of the standard library, to play one of the project."""
    path = Path(sysconfig.get_config_var("DESTSHARED") or os.devnull) / f"{name}{SUFFIX}"
    return path if path.exists() else pytest.skip(f"{name} is built into this interpreter")


def test_extensions_inside_the_package_are_imported_too(tmp_path: Path) -> None:
    installed = Installed(tmp_path, sys.executable)
    bisect, decimal = extension("_bisect"), extension("_decimal")
    installed.install(
        {
            "demo/__init__.py": "import sys; sys.modules['numbers'] = None",
            f"demo/_bisect{SUFFIX}": bisect,
            f"demo/_decimal{SUFFIX}": decimal,
            "demo/plugin.so": bisect,
            "demo/lib/broken.so": "no shared object",
        }
    )
    assert installed.run().returncode == 1
    assert installed.answer["imported"] == ["demo", "demo._bisect"]
    needs, no_module = installed.answer["notes"]
    assert needs.startswith("demo._decimal: ")
    assert "numbers" in needs
    assert no_module.startswith("demo.plugin: dynamic module does not define module export function")
    (failure,) = installed.answer["failures"]
    assert failure.startswith("demo.lib.broken: ImportError: ")
