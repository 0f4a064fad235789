from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from buildfarm.app.image_files import read_images, shipped
from buildfarm.model.canonical import from_plain, to_plain
from buildfarm.model.errors import RecipeError
from buildfarm.model.image import Cpython, Image, Making, Server
from buildfarm.recipe.edits import with_reference
from buildfarm.recipe.image_parse import ParsedImage, judge_together, parse_image
from buildfarm.recipe.image_table import image_schema

ROOT = Path(__file__).parents[3]
SCHEMA = jsonschema.Draft202012Validator(image_schema())
SHIPPED = sorted((ROOT / "images").glob("*.yaml"))
DIGEST = "0" * 63 + "1"
MADE = """\
name: old
platform: manylinux_2_31_x86_64
manager: apt
test: old-test
python: /opt/python/cp313-cp313/bin/python
interpreters: {cp313: /opt/python/cp313-cp313/bin/python, cp27mu: /usr/bin/python2.7}
compilers: [system]
make:
  base: bullseye
  packages: [gcc]
  sources: [trixie]
  pythons: {cp313-cp313t: {source: python3.13, configure: [--disable-gil]}}
  tools: [Pip == 26.3]
  run: ["true", "true"]
  absent: [g++]
"""
SERVER = """\
name: db
tag: registry.example.com:5000/db:1.2
server: {port: 3306, start: exec serve, ready: "true", user: db, env: {USER: me}, scratch: [/run/db], seconds: 5,
  programs: [serve]}
"""


def parsed(text: str, name: str = "old") -> ParsedImage:
    return parse_image(text, file=f"images/{name}.yaml")


def codes(text: str, name: str = "old") -> list[tuple[str, int, int]]:
    return [(each.code, each.span.line, each.span.column) for each in parsed(text, name).diagnostics]


def test_whatever_can_be_said_of_an_image_arrives() -> None:
    path = "/opt/python/cp313-cp313/bin/python"
    assert parsed(MADE).image == Image(
        name="old",
        platform="manylinux_2_31_x86_64",
        manager="apt",
        test="old-test",
        python=path,
        interpreters={"cp313": path, "cp27mu": "/usr/bin/python2.7"},
        compilers=("system",),
        making=Making(
            base="bullseye",
            packages=("gcc",),
            sources=("trixie",),
            pythons={"cp313-cp313t": Cpython(source="python3.13", configure=("--disable-gil",))},
            tools=("Pip==26.3",),
            run=("true", "true"),
            absent=("g++",),
        ),
    )
    served = parsed(SERVER, "db").image
    assert served is not None
    assert served.server == Server(
        port=3306,
        start="exec serve",
        ready="true",
        user="db",
        env={"USER": "me"},
        scratch=("/run/db",),
        seconds=5,
        programs=("serve",),
    )
    assert from_plain(Image, to_plain(served)) == served


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_image_that_comes_with_us_is_right_for_parser_and_schema(path: Path) -> None:
    SCHEMA.validate(yaml.safe_load(path.read_text()))
    assert parse_image(path.read_text(), file=str(path)).diagnostics == ()


def test_images_that_come_with_us_name_each_other() -> None:
    images = read_images(shipped())
    assert set(images) == {path.stem for path in SHIPPED}
    assert images["debian11"].test == "debian11-test"


def test_the_documents_show_an_image_and_describe_every_key_of_its_making() -> None:
    page = (ROOT / "docs" / "images.md").read_text()
    (example,) = re.findall("^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert parsed(example, "manylinux_2_28_x86_64").diagnostics == ()
    rows = page.partition("| `make:` |")[2].partition("\n\n")[0].splitlines()[2:]
    described = {key for row in rows for key in re.findall("`([a-z_]+)`", row.split("|")[1])}
    assert described == set(image_schema()["properties"]["make"]["properties"])


def test_the_schema_in_the_documents_is_the_one_that_the_program_prints() -> None:
    assert jsonschema.Draft202012Validator.check_schema(image_schema()) is None
    assert yaml.safe_load((ROOT / "docs" / "image.schema.json").read_text()) == image_schema()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("no-value", 1, 1)]),
        ("name: old\n", [("missing-key", 1, 1)]),
        ("name: other\ntag: a:1\n", [("spelling", 1, 7)]),
        ("name: old\ntag: a:1\nmake: {base: bullseye}\n", [("conflict", 1, 1)]),
        ("name: old\nmake: {}\n", [("missing-key", 2, 7)]),
        ("name: old\nmake: {base: bullseye, pakages: [gcc]}\n", [("unknown-key", 2, 24)]),
        ("name: old\nmake: {base: b, pythons: {cp313-cp313: {source: python3.13}}}\n", [("missing-key", 2, 8)]),
        ("name: old\nmake: {base: b, tools: [pip]}\n", [("value", 2, 25)]),
        ("name: old\ntag: no-tag\n", [("value", 2, 6)]),
        ("name: old\nreference: a@sha256:12\n", [("value", 2, 12)]),
        (f"name: old\ntag: a:1\nreference: b@sha256:{DIGEST}\n", [("conflict", 3, 12)]),
        ("name: old\ntag: a:1\nplatform: manylinux2014_x86_64\n", [("value", 3, 11), *[("missing-key", 1, 1)] * 2]),
        (SERVER.replace("3306", "65536").replace("db", "old", 1), [("value", 3, 16)]),
        ("name: [old\n", [("yaml", 1, 7)]),
        ("- old\n", [("type", 1, 1)]),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(text: str, expected: list[tuple[str, int, int]]) -> None:
    assert codes(text) == expected
    assert parsed(text).image is None


def test_names_of_other_images_are_held_against_all_of_them() -> None:
    texts = {
        "old": MADE,
        "one": "name: one\nmake: {base: two}\n",
        "two": "name: two\nmake: {base: one, interpreters_of: odl}\n",
        "three": "name: three\nmake: {base: two}\n",
        "four": "name: four\nmake: {base: bullseye, interpreters_of: four}\n",
    }
    found = judge_together(parsed(text, name) for name, text in texts.items())
    said = [(each.file.partition("/")[2], each.span.line, each.code, each.message) for each in found]
    assert said == [
        ("old.yaml", 4, "unknown-image", "there is no image 'old-test'"),
        ("one.yaml", 2, "circle", "'one' is made of itself: one of two of one"),
        ("two.yaml", 2, "unknown-image", "there is no image 'odl'"),
        ("two.yaml", 2, "circle", "'two' is made of itself: two of one of two"),
        ("four.yaml", 2, "circle", "'four' is made of itself: four of four"),
    ]
    assert found[2].help == "did you mean 'old'?"


def test_a_broken_file_is_no_unknown_image_for_those_who_name_it(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(MADE)
    (tmp_path / "old-test.yaml").write_text("name: old-test\nmakes: {}\n")
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(RecipeError) as caught:
        read_images(tmp_path)
    message = str(caught.value)
    assert "did you mean 'make'?" in message
    assert "latin.yaml: cannot be read" in message
    assert "unknown-image" not in message


def test_no_folder_is_no_image(tmp_path: Path) -> None:
    assert read_images(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# why\nname: db\ntag: a/b:1 # x\nport: 1\n", "# why\nname: db\ntag: a/b:1 # x\nreference: NEW\nport: 1\n"),
        ("name: db\r\ntag: a/b:1\r\n", "name: db\r\ntag: a/b:1\r\nreference: NEW\r\n"),
        ("{name: db, tag: 'a/b:1'}", "{name: db, tag: 'a/b:1', reference: NEW}"),
        ("name: db\ntag: a/b:1\nreference: 'old' # pinned\n", "name: db\ntag: a/b:1\nreference: 'NEW' # pinned\n"),
    ],
)  # fmt: skip
def test_pinning_changes_the_reference_and_no_other_byte(text: str, expected: str) -> None:
    new = f"a/b@sha256:{DIGEST}"
    after = with_reference(text, new)
    assert after == expected.replace("NEW", new)
    assert with_reference(after, new) == after


def test_an_image_of_a_registry_is_defined_by_its_digest_alone() -> None:
    one = parsed(f"name: old\ntag: a:1\nreference: a@sha256:{DIGEST}\n").image
    other = parsed(f"name: old\ntag: a:2\nreference: a@sha256:{DIGEST}\nmanager: apk\n").image
    assert one is not None
    assert other is not None
    assert one.definition == other.definition
    assert re.fullmatch("[0-9a-f]{64}", one.definition)
