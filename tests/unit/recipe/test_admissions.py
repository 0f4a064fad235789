from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildfarm.model.admission import Admissions
from buildfarm.model.distribution import Named
from buildfarm.recipe.admissions import parse_admissions, release, write_admissions
from buildfarm.recipe.diagnostic import render
from buildfarm.recipe.fields import Wrong

WRONG = """\
index: Company
admit:
  Demo==1.0.0:
    demo-1.0-py3-none-any.whl: sha256:{hash}
    six-1.0-py3-none-any.whl: sha256:946d
    notes.txt: sha256:{hash}
  demo>=2: {{}}
  seven==2: {{}}
propsed: {{}}
""".format(hash="a" * 64)

TOLD = """\
a.yaml:1:8: error[value]: 'Company' is not an index name (one or two segments)
   1 | index: Company
     |        ^^^^^^^
help: did you mean 'company'?
a.yaml:5:5: error[conflict]: six-1.0-py3-none-any.whl is a file of six==1.0, not of demo==1.0.0
   5 |     six-1.0-py3-none-any.whl: sha256:946d
     |     ^^^^^^^^^^^^^^^^^^^^^^^^
a.yaml:5:38: error[value]: this hash has 4 hex digits; a sha256 has 64
   5 |     six-1.0-py3-none-any.whl: sha256:946d
     |                                      ^^^^
help: `sha256sum FILE` tells it
a.yaml:6:5: error[value]: 'notes.txt' is the name of neither a wheel nor an sdist
   6 |     notes.txt: sha256:HASH
     |     ^^^^^^^^^
help: for example: idna-3.10-py3-none-any.whl
a.yaml:7:3: error[value]: 'demo>=2' is not one release
   7 |   demo>=2: {}
     |   ^^^^^^^
help: for example: idna==3.10
a.yaml:8:3: error[no-value]: seven==2 has no files
   8 |   seven==2: {}
     |   ^^^^^^^^
help: name each with its hash: FILE: sha256:…
a.yaml:9:1: error[unknown-key]: 'propsed' is no key of admissions
   9 | propsed: {}
     | ^^^^^^^
help: did you mean 'proposed'? keys here: index, admit, proposed""".replace("HASH", "a" * 64)


def test_every_error_is_told_with_its_place() -> None:
    parsed = parse_admissions(WRONG, file="a.yaml")
    assert parsed.admissions is None
    assert "\n".join(render(each, WRONG) for each in parsed.diagnostics) == TOLD


@pytest.mark.parametrize("text", ["", "null", "- x", "admit: []", "admit: {x: 1}", "admit: {x==1: [a]}", "{", "&a"])
def test_what_is_no_such_file_is_told(text: str) -> None:
    parsed = parse_admissions(text, file="a.yaml")
    assert parsed.admissions is None
    assert parsed.diagnostics


def test_a_release_is_one_exact_version() -> None:
    assert release("Demo_Tools == 1.0") == "demo-tools==1.0"
    for text in ("demo", "demo>=1", "demo==1.*", "demo==1,==2", "demo[x]==1", "demo==1; python_version>'3'", "=="):
        with pytest.raises(Wrong):
            release(text)


RELEASES = st.dictionaries(
    st.builds(
        Named,
        project=st.from_regex("[a-z0-9]([a-z0-9-]?[a-z0-9]){0,8}", fullmatch=True),
        version=st.from_regex("(0|[1-9][0-9]{0,2})(\\.(0|[1-9][0-9]{0,2})){0,2}", fullmatch=True),
    ),
    st.from_regex("[0-9a-f]{64}", fullmatch=True),
    max_size=4,
)


def files(releases: dict[Named, str]) -> dict[Named, dict[str, str]]:
    return {
        name: {f"{name.project.replace('-', '_')}-{name.version}-py3-none-any.whl": digest}
        for name, digest in releases.items()
    }


@settings(max_examples=20)
@given(RELEASES, RELEASES, st.sampled_from(["", "company/third"]))
def test_what_is_written_is_read_again(admit: dict[Named, str], proposed: dict[Named, str], index: str) -> None:
    admissions = Admissions(index=index, admit=files(admit), proposed=files(proposed))
    text = write_admissions(admissions)
    parsed = parse_admissions(text, file="a.yaml")
    assert parsed.diagnostics == ()
    assert parsed.admissions == admissions
    assert write_admissions(parsed.admissions) == text
