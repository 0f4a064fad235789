"""Settings: which source wins, where a value came from, and every mistake with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildfarm.app.options import PORT
from buildfarm.app.settings import _EXAMPLES, NAMES, read_settings, variable
from buildfarm.model.errors import RecipeError


def errors(folder: Path, text: str, environ: dict[str, str] | None = None, **options: object) -> str:
    (folder / "farm.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        read_settings(environ or {}, folder, options)
    return str(caught.value).replace(str(folder), "")


def test_later_sources_win_and_each_value_knows_its_own(tmp_path: Path) -> None:
    file = tmp_path / "farm.yaml"
    file.write_text("# ours\nindex: company/base\njobs: 3\nlease: 30\nglibc: 2.28\n")
    below = tmp_path / "a" / "b"
    found = read_settings({"BUILDFARM_JOBS": "4", "BUILDFARM_LEASE": "20"}, below, {"lease": 10, "index": None})
    assert (found.index, found.jobs, found.lease, found.floor) == ("company/base", 4, 10.0, (2, 28))
    assert dict(found.origins) == {
        **dict.fromkeys(NAMES, "default"),
        "index": f"{file}:2",
        "jobs": "BUILDFARM_JOBS",
        "lease": "--lease",
        "glibc": f"{file}:5",
    }


def test_paths_in_a_file_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "farm.yaml").write_text("home: state\nrecipes: ~/mine\nupstream: ../sdists\nimages: ours\n")
    found = read_settings({}, tmp_path / "below", {})
    assert found.home == tmp_path / "state"
    assert found.recipes == Path.home() / "mine"
    assert found.images == tmp_path / "ours"
    assert found.upstream == str(tmp_path.parent / "sdists")


def test_the_file_may_lie_in_the_home_or_be_empty(tmp_path: Path) -> None:
    (tmp_path / "farm.yaml").write_text("jobs: 7\n")
    assert read_settings({}, Path("/nowhere"), {"home": str(tmp_path)}).jobs == 7
    (tmp_path / "farm.yaml").write_text("# nothing\n")
    assert read_settings({}, tmp_path, {}).jobs == 2


def test_every_example_is_right(tmp_path: Path) -> None:
    assert _EXAMPLES.keys() == set(NAMES)
    (tmp_path / "farm.yaml").write_text("".join(f"{name}: {text}\n" for name, text in _EXAMPLES.items()))
    assert "default" not in read_settings({}, tmp_path, {}).origins.values()


def test_all_errors_come_at_once_with_place_caret_and_advice(tmp_path: Path) -> None:
    text = 'jbos: 3\nglibc: 2.18\njobs: "x"\nisolation: no\nlease:\nupstream: [a]\nindex: simple\nengine: podman\n'
    said = errors(tmp_path, text, {"BUILDFARM_LEASE": "soon"}, jobs=0)
    for expected in (
        "/farm.yaml:1:1: error[unknown-key]: 'jbos' is no key of farm.yaml\n   1 | jbos: 3\n     | ^^^^\n",
        "help: did you mean 'jobs'?",
        "/farm.yaml:2:8: error[setting]: '2.18' is no manylinux floor",
        "/farm.yaml:3:7: error[setting]: 'x' is no whole number from 1 on",
        "did you mean 'none'?",
        "/farm.yaml:5:1: error[no-value]",
        "/farm.yaml:6:11: error[type]: this is a list",
        "'simple' is reserved",
        "'podman' is not auto, none, or the URL of an engine such as unix:///run/docker.sock",
        "\nBUILDFARM_LEASE: 'soon' is no number of seconds above 0",
        "\n--jobs: 0 is no whole number from 1 on",
    ):
        assert expected in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jobs: 3\n\tindex: a\n", ":2:1: error[tab]"),
        ("jobs: 3\njobs: 4\n", ":2:1: error[duplicate-key]"),
        ("- jobs\n", ":1:1: error[type]: this is a list; wanted: settings"),
        ("jobs\n", ":1:1: error[type]"),
        ("jobs: {\n", "error[yaml]"),
    ],
)
def test_what_is_no_settings_file_is_said(tmp_path: Path, text: str, expected: str) -> None:
    assert f"/farm.yaml{expected}" in errors(tmp_path, text) or expected in errors(tmp_path, text)


def test_a_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "farm.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match=r"farm\.yaml: cannot be read"):
        read_settings({}, tmp_path, {})


@pytest.mark.parametrize("url", ["s3://wheels", "s3://wheels/farm/a", "s3://wheels/"])
def test_files_may_be_kept_in_a_bucket(tmp_path: Path, url: str) -> None:
    assert read_settings({"BUILDFARM_STORE": url}, tmp_path, {}).store == url.rstrip("/")


@pytest.mark.parametrize("url", ["s3://", "s3:///a", "https://host/a", "/srv/store", "s3://Wheels", "s3://wheels/a b"])
def test_what_is_no_bucket_is_said(tmp_path: Path, url: str) -> None:
    with pytest.raises(RecipeError, match=r"BUILDFARM_STORE: .* is not s3://BUCKET/PREFIX"):
        read_settings({"BUILDFARM_STORE": url}, tmp_path, {})


def test_variables_are_named_after_settings() -> None:
    assert variable("crash_at") == "BUILDFARM_CRASH_AT"


@pytest.mark.parametrize(("said", "count"), [("1", 1), ("64KiB", 65536), ("2GiB", 2 << 30)])
def test_a_limit_may_have_a_unit(said: str, count: int) -> None:
    assert read_settings({"BUILDFARM_UPLOAD_LIMIT": said}, Path("/nowhere"), {}).upload_limit == count


@pytest.mark.parametrize("said", ["", "0", "-1", "1.5MiB", "1 MB", "much"])
def test_a_limit_is_a_number_of_bytes(tmp_path: Path, said: str) -> None:
    assert errors(tmp_path, "", {"BUILDFARM_UPLOAD_LIMIT": said}).endswith(
        f"{said!r} is no number of bytes above 0, with a unit or without: 512MiB"
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "ftp://a",
        "https://me:secret@a",
        "https://",
        "https://a/b?c",
        "http://[a",
        "http://:80",
        "http://a:b",
    ],
)
def test_a_server_is_a_url_without_credentials(tmp_path: Path, url: str) -> None:
    said = errors(tmp_path, "", {"BUILDFARM_URL": url})
    assert "URL" in said
    assert "secret" not in said


def test_the_port_of_a_server_is_that_of_the_command() -> None:
    assert read_settings({}, Path("/nowhere"), {}).url.endswith(f":{PORT}")


def test_every_setting_is_documented_and_the_example_is_right(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "settings.md").read_text(encoding="utf-8")
    assert [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")] == list(NAMES[:-1])
    assert NAMES[-1] == "crash_at"
    (tmp_path / "farm.yaml").write_text(text.partition("```yaml\n")[2].partition("```")[0])
    assert read_settings({}, tmp_path, {}).url == "https://packages.example"
