"""``buildfarm verify``: which files, which exit code, and what is said of them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner, Result
from rich.console import Console

from buildfarm.app.commands.verifying import verify
from buildfarm.app.verification import Held, print_held
from buildfarm.model.errors import RecipeError
from buildfarm.model.wheel import Finding, Severity

NAME = "farm-1.0-py3-none-any.whl"
DIST = "farm-1.0.dist-info"
GOOD = {
    "farm.py": "",
    f"{DIST}/METADATA": "Metadata-Version: 2.4\nName: farm\nVersion: 1.0\nLicense-File: LICENSE\n",
    f"{DIST}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{DIST}/licenses/LICENSE": "MIT",
}


def write(folder: Path, name: str = NAME, more: Mapping[str, str] | None = None) -> Path:
    """A wheel of that name: the good one, with more files."""
    files = {path: text.encode() for path, text in {**GOOD, **(more or {})}.items()}
    rows = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b'=').decode()},{len(body)}"
        for path, body in files.items()
    ]
    files[f"{DIST}/RECORD"] = "\n".join([*rows, f"{DIST}/RECORD,,"]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as archive:
        for path, body in files.items():
            archive.writestr(path, body)
    return folder / name


def call(*words: object) -> Result:
    return CliRunner().invoke(verify, [str(word) for word in words], standalone_mode=False)


def test_a_folder_means_every_wheel_in_it(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "a"), write(tmp_path / "b", more={"tests/__init__.py": ""})
    (tmp_path / "readme.txt").touch()
    done = call(tmp_path, good)
    assert done.return_value == 1
    assert done.stdout.splitlines() == [
        f"good  {good}",
        f"bad   {bad}  1 error",
        "  error[top-level]: it would install into site-packages what belongs to nobody: tests/",
        "    help: exclude it where the source lists its packages (setuptools: packages.find.exclude = ['tests*'])",
    ]
    assert done.stderr == "not applicable without a build: lost-extensions, build-paths\n"


def test_a_warning_is_a_failure_only_when_it_shall_be(tmp_path: Path) -> None:
    path = write(tmp_path, more={"farm.c": ""})
    assert call(path).return_value == 0
    strict = call(path, "--strict")
    assert strict.return_value == 1
    assert strict.output.startswith("bad (strict)  ")


def test_what_is_no_wheel_stops_no_other(tmp_path: Path) -> None:
    broken, good = tmp_path / "barn-1.0-py3-none-any.whl", write(tmp_path)
    broken.write_bytes(b"no zip")
    done = call(broken, good, "--json")
    assert done.return_value == 2
    document = json.loads(done.stdout)
    assert [(each["good"], each["problem"]) for each in document["wheels"]] == [
        (False, "it is no sound zip file: File is not a zip file"),
        (True, None),
    ]
    assert set(document["not_applicable"]) == {"lost-extensions", "build-paths"}
    assert "record" in document["rules"]


def test_the_target_and_the_recipe_are_held_against(tmp_path: Path) -> None:
    path = write(tmp_path, more={"tests/__init__.py": "", "setup.py": ""})
    recipe = tmp_path / "farm.yaml"
    recipe.write_text("name: farm\nverify: {relax: {top-level: its tests are its purpose}}\n")
    assert call(path, "--recipe", recipe).return_value == 0
    found = json.loads(call(path, "--recipe", recipe, "--target", "cp311-win_amd64", "--json").stdout)["wheels"]
    assert found[0]["findings"][0]["message"].endswith("(relaxed by the recipe: its tests are its purpose)")
    recipe.write_text("name: barn\n")
    assert call(path, "--recipe", recipe).return_value == 1
    assert "error[tags]" in call(write(tmp_path, "farm-1.0-py2-none-any.whl"), "--target", "cp311-win_amd64").stdout


def test_a_wrong_call_is_told(tmp_path: Path) -> None:
    assert type(call(write(tmp_path), "--target", "cp3").exception).__name__ == "UsageError"
    done = call(write(tmp_path), "--recipe", "none.yaml")
    assert done.return_value == 2
    assert "none.yaml: error[file]: does not exist" in done.stderr


def test_a_folder_without_wheels_is_a_wrong_call(tmp_path: Path) -> None:
    done = call(tmp_path)
    assert isinstance(done.exception, RecipeError)
    assert str(done.exception).startswith(f"{tmp_path} is no file and no folder with wheels")


def test_nothing_that_a_wheel_says_commands_the_terminal() -> None:
    finding = Finding(rule="metadata", severity=Severity.ERROR, message="\x1b[2J\x07 it\n is gone")
    console = Console(file=io.StringIO(), force_terminal=False)
    print_held(Held(path=Path("x.whl"), findings=(finding,)), console, frozenset({Severity.ERROR}))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "bad   x.whl  1 error\n  error[metadata]:   it  is gone\n"
