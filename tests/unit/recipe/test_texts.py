from __future__ import annotations

import pytest

from buildfarm.recipe import texts
from buildfarm.recipe.fields import Text, Wrong


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (texts.NAME, "My.Project_x", "my-project-x"),
        (texts.VERSION, "1.0-1", "1.0.post1"),
        (texts.VERSION, "v2.10", "2.10"),
        (texts.SPECIFIER, "< 2.4, >=2", "<2.4,>=2"),
        (texts.PYTHON, "<=3.12.99, >=3.11", "<=3.12.99,>=3.11"),
        (texts.REQUIREMENT, "SQLAlchemy >= 2", "SQLAlchemy>=2"),
        (texts.REQUIREMENT, "a[b]; python_version < '3.12'", 'a[b]; python_version < "3.12"'),
        (texts.COMMIT, "a" * 64, "a" * 64),
        (texts.GIT_URL, "ssh://git@example.invalid/a.git", "ssh://git@example.invalid/a.git"),
        (texts.RELATIVE, "tests/", "tests/"),
        (texts.BESIDE, "../project", "../project"),
        (texts.COMMAND, "python -m pytest\n", "python -m pytest"),
        (texts.PACKAGE, "g++-12", "g++-12"),
        (texts.PACKAGE, "openssl@3", "openssl@3"),
        (texts.INDEX, "company/base", "company/base"),
        (texts.INDEX, "simple-things", "simple-things"),
        (texts.SIZE, "1.5GiB", 1610612736),
        (texts.DURATION, "1h30m", 5400.0),
        (texts.DURATION, "90s", 90.0),
        (texts.VALUE, "", ""),
    ],
)
def test_what_is_taken(kind: Text[object], text: str, value: object) -> None:
    assert kind.value(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (texts.NAME, "-six"),
        (texts.NAME, "six\n"),
        (texts.VERSION, "1.0.*"),
        (texts.SPECIFIER, " "),
        (texts.PYTHON, "<=3.12"),
        (texts.PYTHON, "<3.0,>2.99"),
        (texts.REQUIREMENT, "six @ file:///six"),
        (texts.HASH, "sha256:" + "0" * 63),
        (texts.COMMIT, "a" * 41),
        (texts.URL, "file:///etc/passwd"),
        (texts.GIT_URL, "--upload-pack=true"),
        (texts.RELATIVE, "a/../b"),
        (texts.RELATIVE, ""),
        (texts.BESIDE, "/srv/six"),
        (texts.BESIDE, "C:/six"),
        (texts.COMMAND, "a\nb"),
        (texts.COMMAND, 'say "'),
        (texts.PACKAGE, "-y"),
        (texts.PACKAGE, "./a.deb"),
        (texts.INDEX, "simple"),
        (texts.INDEX, "a/simple"),
        (texts.INDEX, "a/b/c"),
        (texts.INDEX, "A"),
        (texts.SIZE, "4"),
        (texts.SIZE, "0GiB"),
        (texts.DURATION, ""),
        (texts.DURATION, "30m1h"),
        (texts.VALUE, "a\0b"),
    ],
)
def test_what_is_refused(kind: Text[object], text: str) -> None:
    with pytest.raises(Wrong):
        kind.value(text)


@pytest.mark.parametrize("name", [name for name in dir(texts) if isinstance(getattr(texts, name), Text)])
def test_examples_are_right(name: str) -> None:
    kind = getattr(texts, name)
    for example in kind.example.split(", "):
        if example:
            kind.value(example)


@pytest.mark.parametrize(
    ("comparison", "meant"),
    [
        (("==", "3", "11"), "==3.11.*"),
        (("!=", "3", "11"), "!=3.11.*"),
        (("<=", "3", "11"), "<3.12"),
        ((">", "3", "11"), ">=3.12"),
        ((">=", "3", "11"), ">=3.11"),
        (("<", "3", "11"), "<3.11"),
    ],
)
def test_comparisons_of_minor_versions(comparison: tuple[str, str, str], meant: str) -> None:
    assert texts.widened(*comparison) == meant
