from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from buildfarm.adapters.sdists import sdist_version
from buildfarm.app.checking import check_paths, summary
from buildfarm.app.commands.authoring import schema
from buildfarm.app.commands.recipes import check
from buildfarm.app.operands import read_operands
from buildfarm.model.errors import RecipeError, Unavailable
from buildfarm.model.session import ARCHIVES
from buildfarm.steps.archive import entries

HASH = "sha256:" + "ab" * 32
PINNED = f'name: {{}}\nversions: ["1.0"]\nsource: {{{{sdist: {{{{"1.0": "{HASH}"}}}}}}}}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str | bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def codes(*paths: str, stdin: bytes = b"", strict: bool = False) -> list[str]:
    return [each.code for each in check_paths(paths, io.BytesIO(stdin), strict=strict).diagnostics]


def run(*words: str, stdin: str = "") -> Result:
    made: Result = CliRunner().invoke(check, words, input=stdin, standalone_mode=False)
    return made


def test_a_folder_gives_the_recipes_in_it_but_no_folders_and_nothing_hidden(folder: Path) -> None:
    write(folder / "recipes" / "six.yml", "name: six\n")
    write(folder / "recipes" / "dir.yaml" / "seven.yaml", "name: seven\n")
    write(folder / "recipes" / ".hidden.yaml", "on: push\n")
    checked = check_paths(("recipes", "recipes/six.yml"), io.BytesIO(), strict=False)
    assert (checked.files, checked.diagnostics) == (1, ())
    assert summary(checked) == "checked 1 recipe in recipes, recipes/six.yml: 0 errors, 0 warnings"


def test_a_project_may_have_a_recipe_in_each_folder_but_not_in_one_build(folder: Path) -> None:
    write(folder / "recipes" / "six.yaml", "name: six\n")
    write(folder / "recipes" / "old" / "six.yaml", "name: six\n")
    both = ("recipes", "recipes/old")
    assert codes(*both) == []
    assert [each.code for each, _ in read_operands(both, (), folder).diagnostics] == ["duplicate"]


def test_a_path_that_holds_no_recipe_is_an_error(folder: Path) -> None:
    (folder / "empty").mkdir()
    assert codes("empty") == ["file"]
    assert run("empty").return_value == 2
    assert "absent.yaml: error[file]: does not exist" in run("absent.yaml").stdout


@pytest.mark.parametrize("suffix", ARCHIVES)
def test_every_archive_that_can_be_unpacked_may_be_a_local_source(folder: Path, suffix: str) -> None:
    write(folder / f"six-1.0{suffix}", "")
    write(folder / "six.yaml", f"name: six\nsource: {{path: six-1.0{suffix}}}\n")
    assert codes("six.yaml") == []
    (recipe,) = read_operands((f"six-1.0{suffix}",), (), folder).recipes
    assert (recipe.name, sdist_version(f"six-1.0{suffix}", "six")) == ("six", "1.0")
    with pytest.raises(Unavailable, match="is damaged"):
        list(entries(f"six-1.0{suffix}", io.BytesIO(b"no archive")))


def test_a_folder_named_like_a_recipe_is_a_folder(folder: Path) -> None:
    write(folder / "x.yaml" / "six.yaml", "name: six\n")
    assert codes("x.yaml") == []
    assert [each.name for each in read_operands(("x.yaml",), (), folder).recipes] == ["six"]


def test_the_first_byte_that_is_no_utf_8_has_its_place(folder: Path) -> None:
    said = run(write(folder / "six.yaml", b"name: six\nowners: [caf\xe9]\n")).stdout
    assert "six.yaml:2:13: error[encoding]: the byte 0xe9 is no UTF-8" in said
    assert "UTF-16" in run(write(folder / "wide.yaml", "name: six\n".encode("utf-16"))).stdout


def test_a_file_that_may_not_be_read_says_so(folder: Path) -> None:
    (folder / "loop.yaml").symlink_to("loop.yaml")
    assert "cannot be read" in run("loop.yaml").stdout


def test_a_recipe_comes_on_stdin(folder: Path) -> None:
    assert codes("-", stdin=b"name: six\n") == []
    assert codes("-", stdin=b"") == ["no-value"]
    assert "stdin:1:1: error[unknown-key]" in run("-", stdin="nome: six\n").stdout


def test_a_requirements_file_is_checked_too(folder: Path) -> None:
    assert codes(write(folder / "all.txt", "six==1.0\n-r other.txt\n")) == ["option"]


def test_two_recipes_of_one_project_name_both_places(folder: Path) -> None:
    write(folder / "a" / "six.yaml", "name: six\n")
    write(folder / "a" / "zix.yml", 'versions: ["1.0"]\nname: Six\nwheel: abi\n')
    checked = check_paths(("a",), io.BytesIO(), strict=False)
    (error,) = [each for each in checked.diagnostics if each.code == "duplicate"]
    assert (error.file, error.span.line, error.span.column) == ("a/zix.yml", 2, 7)
    assert error.message == "six has a recipe already, at a/six.yaml:1:7"
    write(folder / "a" / "zix.yml", 'name: six\nversions: ["1.0"]\n')
    assert [each.code for each, _ in read_operands(("a",), (), folder).diagnostics] == ["duplicate"]
    (folder / "a" / "zix.yml").unlink()
    assert not read_operands(("a", "a/six.yaml"), (), folder).failed


def test_what_a_recipe_names_and_the_disk_lacks(folder: Path) -> None:
    recipe = folder / "six.yaml"
    write(folder / "fix-build.patch", "")
    (folder / "plain").mkdir()
    write(recipe, "name: six\npatches: [{file: fix-built.patch}, {file: fix-build.patch}, {file: plain}]\nwheel: abi\n")
    said = run(str(recipe)).stdout
    assert "six.yaml:2:18: error[missing]: there is no 'fix-built.patch'" in said
    assert "did you mean 'fix-build.patch'?" in said
    assert "'plain' is a folder" in said
    assert "error[value]: 'abi'" in said
    for path, words in (("gone", "there is no 'gone'"), ("plain", "neither pyproject.toml nor setup.py")):
        write(recipe, f"name: six\nsource: {{path: {path}}}\n")
        assert words in run(str(recipe)).stdout
    write(folder / "six-1.0.rar", "")
    write(recipe, "name: six\nsource: {path: six-1.0.rar}\n")
    assert "is no sdist" in run(str(recipe)).stdout
    write(folder / "plain" / "setup.py", "")
    write(recipe, "name: six\nsource: {path: plain}\n")
    assert codes(str(recipe)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (PINNED.format("six"), []),
        ("name: six\n", ["no-versions"]),
        ("name: six\nversions: {track: latest}\n", []),
        ('name: six\nversions: ["1.0", "2.0"]\n', ["no-hash", "no-hash"]),
        (PINNED.format("six") + 'verify: {relax: {rpath: ours, licence: "its sdist forgets it"}}\n', ["no-reason"]),
        (PINNED.format("six") + 'overrides: [{select: "*-win_*", verify: {relax: {rpath: ours}}}]\n', ["no-reason"]),
    ],
)
def test_strict_demands(folder: Path, text: str, found: list[str]) -> None:
    path = write(folder / "six.yaml", text)
    assert codes(path, strict=True) == found
    assert codes(path) == []


def test_warnings_fail_under_strict_alone(folder: Path) -> None:
    path = write(folder / "six.yaml", PINNED.format("Six"))
    assert run(path).return_value == 0
    strictly = run(path, "--strict")
    assert strictly.return_value == 2
    assert "strictly checked 1 recipe" in strictly.stderr
    assert "1 warning (which fails" in strictly.stderr


def test_json_and_sarif_are_one_document_on_stdout(folder: Path) -> None:
    path = write(folder / "sub" / "six.yaml", "name: six\nwheel: abi\n")
    for words in (("--json",), ("--format", "json")):
        found = json.loads(run(path, *words).stdout)
        assert (found["files"], found["strict"]) == (1, False)
        assert [(each["code"], each["line"], each["column"]) for each in found["diagnostics"]] == [("value", 2, 8)]
    (sarif,) = json.loads(run(path, "--format", "sarif").stdout)["runs"]
    (location,) = sarif["results"][0]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "sub/six.yaml"
    assert (
        json.loads(run(write(folder / "fine.yaml", "name: six\n"), "--format", "sarif").stdout)["runs"][0]["results"]
        == []
    )


def test_a_schema_that_cannot_be_written_is_said_in_a_sentence(folder: Path) -> None:
    write(folder / "file", "")
    for output in ("file/schema.json", "."):
        done = CliRunner().invoke(schema, ["-o", output], standalone_mode=False)
        assert isinstance(done.exception, RecipeError)
        assert "cannot be written: " in str(done.exception)
    assert CliRunner().invoke(schema, ["-o", "new/schema.json"], standalone_mode=False).exit_code == 0
    assert json.loads((folder / "new/schema.json").read_text())["type"] == "object"
