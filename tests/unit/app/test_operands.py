from __future__ import annotations

from pathlib import Path

from buildfarm.app.operands import read_operands
from buildfarm.model.recipe import PathSource, SdistSource

HASH = "sha256:" + "ab" * 32


def test_a_requirement_is_written_over_the_reviewed_recipe_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text('name: demo\nversions: ["1.0"]\nwheel: pure\n')
    wishes = tmp_path / "requirements.txt"
    wishes.write_text(f'demo==2.0; python_version >= "3.11" --hash={HASH}\nother\n')
    read = read_operands((), (str(wishes),), tmp_path)
    demo, other = read.recipes
    assert (demo.wheel, demo.versions, demo.targets.python) == ("pure", ("2.0",), ">=3.11")
    assert demo.source == SdistSource(hashes={"2.0": HASH})
    assert other.name == "other"


def test_a_recipe_alone_keeps_its_versions(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text('name: demo\nversions: ["1.0"]\n')
    (demo,) = read_operands(("demo",), (), tmp_path).recipes
    assert demo.versions == ("1.0",)


def test_a_folder_is_named_by_its_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "Real_Name"\nversion = "1"\n')
    (recipe,) = read_operands((str(tmp_path),), (), tmp_path).recipes
    assert (recipe.name, recipe.source) == ("real-name", PathSource(path=str(tmp_path)))


def test_all_errors_of_all_operands_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: bad\nverions: []\n")
    read = read_operands((str(tmp_path / "bad.yaml"), "not a requirement!", "./absent"), ("absent.txt",), tmp_path)
    assert read.failed
    for words in ("verions", "not a requirement!", "absent: error[file]: does not exist", "absent.txt"):
        assert words in read.messages


def test_two_wishes_for_one_project_become_one(tmp_path: Path) -> None:
    (recipe,) = read_operands(("demo==1.0", "demo==2.0"), (), tmp_path).recipes
    assert recipe.versions == ("1.0", "2.0")
    assert not read_operands(("demo", "demo"), (), tmp_path).failed
    for second in ("demo", "demo>=2"):
        assert "is named twice" in read_operands(("demo==1.0", second), (), tmp_path).messages


def test_hashes_of_several_files_come_together(tmp_path: Path) -> None:
    files = []
    for version in ("1.0", "2.0"):
        files.append(str(tmp_path / f"{version}.txt"))
        Path(files[-1]).write_text(f"demo=={version} --hash={HASH}\n")
    (recipe,) = read_operands((), files, tmp_path).recipes
    assert recipe.source == SdistSource(hashes={"1.0": HASH, "2.0": HASH})
