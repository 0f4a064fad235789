"""Recipes written by the program: new, pin, fmt, schema; against a folder of sdists, and once against the index."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildfarm.recipe.parse import parse_recipe
from tests.e2e.conftest import Done, Farm

pytestmark = [pytest.mark.host, pytest.mark.e2e]

FFI = {
    "PKG-INFO": "Metadata-Version: 2.4\nName: ffier\nVersion: 1.0\nRequires-Python: >=3.9\nLicense-Expression: MIT\n",
    "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\n\n[dependency-groups]\ntest = ["pytest>=8"]\n',
    "src/ffier.c": "#include <ffi.h>\n#ifdef FAST\n#include <lz4.h>\n#endif\n",
    "tests/test_it.py": "import ffier\n",
}


@pytest.fixture
def author(tmp_path: Path) -> Author:
    return Author(tmp_path)


class Author:
    """Somebody who writes recipes, with a folder of sdists for upstream."""

    def __init__(self, folder: Path) -> None:
        self.farm = Farm(folder / "home", folder / "work")
        self.upstream = folder / "upstream"
        self.upstream.mkdir()
        self.folder = self.farm.folder

    def offer(self, name: str, files: Mapping[str, str]) -> str:
        """Put an sdist there; its hash."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path, text in files.items():
                member = tarfile.TarInfo(f"{name}/{path}")
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
        content = gzip.compress(packed.getvalue(), mtime=0)
        (self.upstream / f"{name}.tar.gz").write_bytes(content)
        return f"sha256:{hashlib.sha256(content).hexdigest()}"

    def run(self, *words: object) -> Done:
        return self.farm.run("recipe", *words, env={"BUILDFARM_UPSTREAM": str(self.upstream)})

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_bytes(text.encode())
        return path


def test_new_writes_the_shortest_recipe_and_what_it_inferred(author: Author) -> None:
    author.offer("ffier-1.0", FFI)
    done = author.run("new", "ffier", "--json")
    assert done.code == 0, done.err
    file = author.folder / "recipes" / "ffier.yaml"
    text = file.read_text()
    assert done.json["recipe"] == text
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        "name: ffier",
        "system: {apt: [libffi-dev], dnf: [libffi-devel]}",
    ]
    assert "# ffier 1.0: C; built by setuptools.build_meta with setuptools; for Python >=3.9; licence MIT" in text
    assert '# Follows the newest release. To keep to this one: versions: ["1.0"]' in text
    assert "src/ffier.c includes lz4.h" in text
    assert "buildfarm recipe check recipes/ffier.yaml" in done.err
    assert author.run("check", "recipes").code == 0
    assert author.run("fmt", "--check", "recipes").code == 0


def test_what_new_proposes_is_right_when_the_marks_are_taken_away(author: Author) -> None:
    author.offer("ffier-1.0", FFI)
    assert author.run("new", "ffier==1.0", "-o", "ffier.yaml").code == 0
    lines = (author.folder / "ffier.yaml").read_text().splitlines()
    begin = lines.index("# tests:")
    wanted = "\n".join([*lines[:begin], *(line.removeprefix("# ") for line in lines[begin:])])
    parsed = parse_recipe(wanted, file="ffier.yaml", folder="/recipes")
    assert parsed.diagnostics == ()
    assert parsed.recipe is not None
    assert (parsed.recipe.tests[1].folder, parsed.recipe.tests[1].requires) == ("tests", ("pytest>=8",))
    assert author.run("check", "--strict", "ffier.yaml").code == 0
    assert "every hash is there" in author.run("pin", "--check", "ffier.yaml").out


def test_new_overwrites_nothing_and_says_what_is_wrong(author: Author) -> None:
    author.offer("ffier-1.0", FFI)
    file = author.write("ffier.yaml", "name: ffier\n")
    done = author.run("new", "ffier", "-o", "ffier.yaml")
    assert (done.code, file.read_text()) == (2, "name: ffier\n")
    assert "is there already" in done.err
    assert author.run("new", "ffier>=1").code == 2
    assert author.run("new", "nothing-here").code == 1
    assert not (author.folder / "recipes").exists()


def test_pin_writes_hashes_into_all_files_or_none(author: Author) -> None:
    first, second = author.offer("one-1.0", FFI), author.offer("two-2.0", {"PKG-INFO": "Name: two\n"})
    one = author.write("one.yaml", "name: one  # 1\r\nversions: ['1.0']\r\n\r\n# end")
    two = author.write("two.yaml", f'name: two\nversions: ["2.0"]\nsource: {{sdist: {{"2.0": sha256:{"0" * 64}}}}}\n')
    before = one.read_bytes(), two.read_bytes()
    done = author.run("pin", "one.yaml", "two.yaml")
    assert done.code == 2
    assert "0" * 64 in done.err
    assert second.removeprefix("sha256:") in done.err
    assert "two.yaml:3:25: " in done.err
    assert 'as the recipe says at source.sdist."2.0"' in done.err
    assert (one.read_bytes(), two.read_bytes()) == before
    assert author.run("pin", "--check", "one.yaml").code == 1
    assert author.run("pin", "one.yaml").code == 0
    assert one.read_bytes().decode() == (
        f'name: one  # 1\r\nversions: [\'1.0\']\r\nsource: {{sdist: {{"1.0": "{first}"}}}}\r\n\r\n# end'
    )
    assert author.run("pin", "--check", "one.yaml").code == 0


def test_pin_says_that_a_tracking_recipe_pins_nothing(author: Author) -> None:
    author.offer("one-1.0", FFI)
    author.write("one.yaml", "name: one\n")
    done = author.run("pin", "one.yaml", "--json")
    assert done.code == 0
    assert done.json["files"][0]["hashes"] == {}
    assert "ledger" in done.json["files"][0]["note"]
    assert 'write versions: ["1.0"], and pin again' in done.json["files"][0]["note"]
    author.write("two.yaml", "name: two\n")
    lost = author.run("pin", "two.yaml")
    assert lost.code == 2
    assert "two.yaml: upstream knows no project two. Is the name right?" in lost.err


def test_fmt_changes_shows_and_refuses(author: Author) -> None:
    file = author.write("one.yaml", "versions: ['1.0']\nname:   one # it\n")
    assert author.run("fmt", "--check", "one.yaml").code == 1
    done = author.run("fmt", "--diff", "one.yaml")
    assert done.code == 1
    assert "+name: one  # it" in done.out
    assert [each["file"] for each in author.run("fmt", "--check", "--json", ".").json["changed"]] == ["one.yaml"]
    assert author.run("fmt", ".").code == 0
    assert file.read_text() == 'name: one  # it\nversions: ["1.0"]\n'
    author.write("bad.yaml", "nmae: bad\n")
    other = author.write("other.yaml", "name:  other\n")
    done = author.run("fmt", ".")
    assert done.code == 2
    assert "bad.yaml:1:1" in done.err
    assert other.read_text() == "name:  other\n"


def test_schema_is_the_committed_one(author: Author) -> None:
    committed = Path(__file__).parents[2] / "docs" / "recipe.schema.json"
    assert json.loads(author.run("schema").out) == json.loads(committed.read_text())


@pytest.mark.network
@pytest.mark.slow
def test_new_on_projects_of_the_index(tmp_path: Path) -> None:
    farm = Farm(tmp_path / "home", tmp_path / "work")
    rust = ["cargo-web", "rustc-web"]
    wanted = {"markupsafe": [], "cffi": ["libffi-dev"], "psycopg2": ["libpq-dev"], "rpds-py": rust}
    for name, packages in wanted.items():
        done = farm.run("recipe", "new", name, "--json")
        assert done.code == 0, done.err
        sure = [each["apt"] for each in done.json["libraries"] if each["sure"]]
        assert [package for each in sure for package in each] == packages
    assert farm.run("recipe", "check", "recipes").code == 0
