from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildfarm.model.errors import StepFailed
from buildfarm.model.outcome import Step
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact, Finding, Severity, VerifiedWheel
from buildfarm.verify.claim import Claim
from buildfarm.verify.rules import RULES, check, verify
from buildfarm.verify.wheelfile import read_wheel

Build = Callable[..., bytes]

PURE = "farm-1.0-py3-none-any.whl"
NATIVE = "farm-1.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"
ABI3 = "farm-1.0-cp39-abi3-manylinux_2_17_x86_64.whl"
CLAIM = Claim(project="Farm", version="1.0.0", target=Target.parse("cp311-manylinux_2_17_x86_64"), native_source=False)
NATIVE_CLAIM = replace(CLAIM, native_source=True, extensions_before=1)
FIELD: dict[str, Any] = {
    "defined": ["PyInit_field"],
    "needed": ["libc.so.6"],
    "versions": {"libc.so.6": ["GLIBC_2.17"]},
}


Findings = Callable[..., tuple[Finding, ...]]


@pytest.fixture
def findings(wheel: Build) -> Findings:
    def found(name: str, claim: Claim, files: dict[str, bytes], **options: Any) -> tuple[Finding, ...]:
        return check(read_wheel(name, io.BytesIO(wheel(name, files, **options)), root=claim.root), claim)

    return found


def assert_only(rule: str, message: str, found: tuple[Finding, ...], severity: Severity = Severity.ERROR) -> None:
    """The rule, and no other, has something to say, and the message is part of it."""
    assert {(finding.rule, finding.severity) for finding in found} == {(rule, severity)}
    assert any(message in finding.message for finding in found), [finding.message for finding in found]


def test_a_sound_pure_wheel_has_no_findings(findings: Findings) -> None:
    licence = {"farm.py": b"", "farm-1.0.dist-info/licenses/docs/LICENSE": b"MIT"}
    assert findings(PURE, CLAIM, licence, metadata="License-File: docs/LICENSE\n") == ()


def test_a_sound_native_wheel_has_no_findings(findings: Findings, elf: Build) -> None:
    files = {
        "farm/field.cpython-311-x86_64-linux-gnu.so": elf(
            **FIELD | {"needed": ["libc.so.6", "libsoil.so.1", "ld-linux-x86-64.so.2"]}, rpath="$ORIGIN/../farm.libs"
        ),
        # a library of the wheel may have versions of its own, whatever the policy knows of that prefix
        "farm.libs/libsoil-1234.so.1": elf(
            soname="libsoil.so.1", runpath="$ORIGIN", versions={"libsoil.so.1": ["GCC_99"]}
        ),
    }
    sbom = {"farm-1.0.dist-info/sboms/farm.cdx.json": b'{"components": [{"name": "libsoil-1234.so.1"}]}'}
    assert findings(NATIVE, NATIVE_CLAIM, files | sbom) == ()


def metadata(name: str, version: str) -> dict[str, str]:
    return {"METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"}


@pytest.mark.parametrize(
    ("name", "claim", "options", "message"),
    [
        ("barn-1.0-py3-none-any.whl", CLAIM, {}, "the file name names the project 'barn', not 'Farm'"),
        ("farm-1.0+cpu-py3-none-any.whl", CLAIM, {}, "the file name names the version '1.0+cpu', not '1.0.0'"),
        (
            PURE,
            replace(CLAIM, version="1.0.1"),
            {},
            "the folder farm-1.0.dist-info names the version '1.0', not '1.0.1'",
        ),
        (PURE, CLAIM, metadata("barn", "1.0"), "METADATA names the project 'barn'"),
    ],
)
def test_name_version(findings: Findings, name: str, claim: Claim, options: dict[str, str], message: str) -> None:
    assert_only("name-version", message, findings(name, claim, {"farm.py": b""}, **options))


@pytest.mark.parametrize("version", ["odd", "9" * 5000])
def test_a_version_that_is_none_is_not_the_claimed_one(findings: Findings, version: str) -> None:
    found = findings(PURE, CLAIM, {"farm.py": b""}, **metadata("farm", version))
    assert [finding.rule for finding in found] == ["name-version", "metadata"]


def fields(tag: str, *, purelib: bool = True) -> dict[str, str]:
    return {"WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: {str(purelib).lower()}\nTag: {tag}\n"}


@pytest.mark.parametrize(
    ("name", "claim", "options", "message"),
    [
        (PURE, CLAIM, fields("py2-none-any"), "the file name says py3-none-any, and WHEEL says py2-none-any"),
        (PURE, CLAIM, fields("py3-none-any\nTag: nonsense"), "WHEEL has a Tag that is none: 'nonsense'"),
        ("farm-1.0-py2-none-any.whl", CLAIM, {}, "do not install on every host of cp311-manylinux_2_17_x86_64"),
        ("farm-1.0-py3-none-manylinux_2_28_x86_64.whl", CLAIM, {}, "do not install on every host of"),
        ("farm-1.0-py3-none-linux_x86_64.whl", CLAIM, {}, "do not install on every host of"),
        ("farm-1.0-py3-none-manylinux_2_17_x86_64.whl", replace(CLAIM, wheel_kind="pure"), {}, "says wheel: pure"),
        (PURE, replace(CLAIM, wheel_kind="platform"), {}, "the recipe says wheel: platform, and it is for any"),
    ],
)
def test_tags(findings: Findings, name: str, claim: Claim, options: dict[str, str], message: str) -> None:
    found = findings(name, claim, {"farm.py": b""}, **options)
    assert_only("tags", message, tuple(finding for finding in found if finding.rule != "no-binaries"))


def test_tags_multiply_no_further_than_a_line_may_be_long(findings: Findings) -> None:
    numbers = ".".join(f"t{number}" for number in range(2000))
    assert_only("tags", "WHEEL has a Tag that is none", findings(PURE, CLAIM, {}, **fields("-".join([numbers] * 3))))


@pytest.mark.parametrize(
    ("platform", "options", "message"),
    [
        ("manylinux_2_17_x86_64", {"machine": 183}, "is ELF for aarch64, and the wheel is for manylinux_2_17_x86_64"),
        ("macosx_11_0_arm64", {"machine": 183}, "is ELF for aarch64, and the wheel is for macosx_11_0_arm64"),
        ("win_amd64", {"machine": 62}, "is ELF for x86_64, and the wheel is for win_amd64"),
    ],
)
def test_binaries_are_for_the_platform_of_the_tags(
    findings: Findings, elf: Build, platform: str, options: dict[str, int], message: str
) -> None:
    name = f"farm-1.0-py3-none-{platform}.whl"
    found = findings(name, replace(CLAIM, target=None), {"farm/libsoil.so": elf(**options)})
    assert_only("foreign-architecture", message, found)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x7fELF", "farm/field.so begins like an ELF file, but it ends in the middle of a table, or before it"),
        (b"\xcf\xfa\xed\xfe" + bytes(28), "farm/field.so is Mach-O, and the wheel is for manylinux"),
    ],
)
def test_binaries_of_other_formats(findings: Findings, content: bytes, message: str) -> None:
    assert_only("foreign-architecture", message, findings(NATIVE, CLAIM, {"farm/field.so": content}))


def test_windows_launchers_may_be_in_a_pure_wheel(findings: Findings) -> None:
    launcher = b"MZ" + bytes(58) + b"\x40\0\0\0" + b"PE\0\0" + bytes(18) + b"\x22\0"
    assert findings(PURE, CLAIM, {"farm/launcher.exe": launcher}) == ()


@pytest.mark.parametrize("path", ["farm/field.so", "farm-1.0.data/purelib/field.so"])
def test_compiled_code_belongs_into_platlib(findings: Findings, elf: Build, path: str) -> None:
    found = findings(NATIVE, CLAIM, {path: elf(**FIELD)}, purelib=path == "farm/field.so")
    assert_only("purelib", f"it would install compiled code into purelib: {path}", found)


def test_platlib_in_a_wheel_for_any_platform_is_a_warning(findings: Findings) -> None:
    found = findings(PURE, CLAIM, {"farm.py": b""}, purelib=False)
    assert_only("wheel-file", "WHEEL says Root-Is-Purelib: false", found, Severity.WARNING)


EMPTY = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0"


def rows(*lines: str) -> str:
    """A RECORD, with its own row; the two other files of dist-info are left out of the wheels below."""
    return "".join(f"{line}\n" for line in (*lines, "farm-1.0.dist-info/RECORD,,"))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (rows(f"farm.py,{EMPTY}", f"farm.py,{EMPTY}"), "of the files in RECORD 1 are listed twice: farm.py"),
        (
            rows(),
            "of the files in RECORD 3 are not listed: farm-1.0.dist-info/METADATA, farm-1.0.dist-info/WHEEL, farm.py",
        ),
        (rows("gone.py,,"), "of the files in RECORD 1 are listed and not there: gone.py"),
        (rows("farm.py,md5=x,0"), "of the files in RECORD 1 have no sha256: farm.py"),
        (rows("farm.py,,"), "of the files in RECORD 1 have no sha256: farm.py"),
        (rows("farm.py,sha256=x,0"), "of the files in RECORD 1 have another sha256: farm.py"),
        (rows(f"farm.py,{EMPTY}0"), "of the files in RECORD 1 have another size: farm.py"),
    ],
)
def test_record(findings: Findings, record: str, message: str) -> None:
    found = findings(PURE, CLAIM, {"farm.py": b""}, RECORD=record, licensed=False)
    assert_only("record", message, tuple(finding for finding in found if finding.rule != "licence"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"versions": {"libc.so.6": ["GLIBC_2.34"]}},
            "field.so needs GLIBC_2.34, and manylinux_2_17_x86_64 ends at GLIBC_2.17",
        ),
        ({"versions": {"libstdc++.so.6": ["GLIBCXX_3.4.30"]}}, "ends at GLIBCXX_3.4.19"),
        (
            {"needed": ["libssl.so.3", "libc.so.6"]},
            "field.so needs libssl.so.3: neither in the wheel nor on every system",
        ),
        ({"needed": ["libpython3.11.so.1.0"]}, "field.so needs libpython3.11.so.1.0"),
    ],
)
def test_policy(findings: Findings, elf: Build, options: dict[str, Any], message: str) -> None:
    assert_only("policy", message, findings(NATIVE, NATIVE_CLAIM, {"farm/field.so": elf(**FIELD | options)}))


def test_policy_is_known(findings: Findings, elf: Build) -> None:
    name = "farm-1.0-py3-none-manylinux_2_5_aarch64.whl"
    found = findings(name, replace(CLAIM, target=None), {"farm/libsoil.so": elf(machine=183)})
    assert_only("policy", "there is no policy for manylinux_2_5_aarch64", found)


def test_what_the_recipe_leaves_outside_is_a_warning(findings: Findings, elf: Build) -> None:
    files = {"farm/field.so": elf(**FIELD | {"needed": ["libcuda.so.1"]})}
    found = findings(NATIVE, replace(NATIVE_CLAIM, external=("libcuda.so.*",)), files)
    assert_only("policy", "needs libcuda.so.1, left outside by repair.exclude", found, Severity.WARNING)


def test_lost_extensions(findings: Findings, elf: Build) -> None:
    pure = {"farm.py": b""}
    message = "its source has native code, and the wheel has no compiled code"
    assert_only("lost-extensions", message, findings(PURE, NATIVE_CLAIM, pure))
    assert findings(PURE, replace(NATIVE_CLAIM, wheel_kind="pure"), pure) == ()
    fewer = findings(NATIVE, replace(NATIVE_CLAIM, extensions_before=2), {"farm/field.so": elf(**FIELD)})
    assert_only("lost-extensions", "it has 1 extension modules, and the last good release 2", fewer)


def test_abi3_that_the_recipe_asks_for_is_in_the_tags(findings: Findings, elf: Build) -> None:
    claim = replace(NATIVE_CLAIM, wheel_kind="abi3")
    sound = {"farm/field.abi3.so": elf(**FIELD, undefined=["_Py_NoneStruct", "PyLong_FromLong"])}
    assert findings(ABI3, claim, sound) == ()
    assert_only("abi3", "the recipe says wheel: abi3, and its tags do not", findings(NATIVE, claim, sound))


@pytest.mark.parametrize(
    ("version", "severity"), [("2.4", Severity.ERROR), ("2.5", Severity.ERROR), ("2.1", Severity.WARNING)]
)
def test_licence(findings: Findings, version: str, severity: Severity) -> None:
    text = f"Metadata-Version: {version}\nName: farm\nVersion: 1.0\nLicense-File: LICENSE\n"
    assert_only("licence", "LICENSE", findings(PURE, CLAIM, {"farm.py": b""}, METADATA=text, licensed=False), severity)


def test_older_metadata_may_have_its_licence_beside_it(findings: Findings) -> None:
    text = "Metadata-Version: 2.1\nName: farm\nVersion: 1.0\nLicense-File: docs/LICENSE\n"
    assert findings(PURE, CLAIM, {"farm-1.0.dist-info/LICENSE": b"MIT"}, METADATA=text, licensed=False) == ()


def test_a_relaxed_error_is_a_warning_that_carries_the_reason(findings: Findings) -> None:
    claim = replace(NATIVE_CLAIM, relax={"lost-extensions": "it speeds nothing up"})
    found = findings(PURE, claim, {"farm.py": b""})
    message = "the wheel has no compiled code (relaxed by the recipe: it speeds nothing up)"
    assert_only("lost-extensions", message, found, Severity.WARNING)
    assert found[0].relaxed == "it speeds nothing up"


def test_a_rule_that_is_none_cannot_be_relaxed(findings: Findings) -> None:
    found = findings(PURE, replace(CLAIM, relax={"polizy": "why not"}), {"farm.py": b""})
    assert_only("relax", "the recipe relaxes 'polizy', which is no rule", found)
    assert found[0].advice == f"the rules are {', '.join(RULES)}"


def artifact(name: str, content: bytes) -> Artifact:
    return Artifact(name=name, size=len(content), sha256="0" * 64)


def test_a_verified_wheel_keeps_its_warnings(wheel: Build, elf: Build) -> None:
    content = wheel(NATIVE, {"farm/field.so": elf(**FIELD, executable_stack=True)})
    claim = replace(NATIVE_CLAIM, relax={"executable-stack": "a closure of C, on our hosts alone"})
    verified = verify(artifact(NATIVE, content), io.BytesIO(content), claim)
    assert verified == VerifiedWheel(
        artifact=artifact(NATIVE, content), content=verified.content, extensions=1, warnings=verified.warnings
    )
    assert [finding.rule for finding in verified.warnings] == ["executable-stack"]
    assert verified.warnings[0].message.endswith("(relaxed by the recipe: a closure of C, on our hosts alone)")


def test_a_failure_names_every_rule_that_was_broken_and_what_to_do(wheel: Build, elf: Build) -> None:
    content = wheel(NATIVE, {"farm/field.so": elf(**FIELD | {"needed": ["libssl.so.3"]}, rpath="/opt/ssl/lib")})
    with pytest.raises(StepFailed) as caught:
        verify(artifact(NATIVE, content), io.BytesIO(content), replace(NATIVE_CLAIM, extensions_before=2))
    reason = caught.value.reason
    assert (caught.value.step, reason.code) == (Step.VERIFY, "policy")
    assert reason.message == (
        "farm-1.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl:\n"
        "  policy: farm/field.so needs libssl.so.3: neither in the wheel nor on every system of manylinux_2_17_x86_64\n"
        "  lost-extensions: it has 1 extension modules, and the last good release 2\n"
        "  rpath: farm/field.so looks for libraries in '/opt/ssl/lib'"
    )
    assert reason.advice.splitlines() == [
        "the repair puts libraries in that it finds: name their folder under repair.search",
        "look in the log of the build for a compiler error that ended in exit code 0; or say wheel: pure",
        "build without -rpath, or remove it with `patchelf --remove-rpath` before the repair",
    ]


def test_what_is_not_a_wheel_fails_the_step() -> None:
    with pytest.raises(StepFailed, match="is not a wheel: it is no sound zip file") as caught:
        verify(artifact(PURE, b"?"), io.BytesIO(b"?"), CLAIM)
    assert caught.value.reason.code == "not-a-wheel"


texts = st.text(max_size=80)
lines = st.lists(
    st.one_of(texts, st.sampled_from(["Tag: a-b-c", "Name: farm", "Version: 1", "Wheel-Version: 1.0", "a,,"]))
)


@settings(max_examples=200)
@given(st.data())
def test_hostile_wheels_fail_the_step_and_nothing_else(wheel: Build, elf: Build, data: st.DataObject) -> None:
    module = bytearray(elf(**FIELD, rpath="$ORIGIN", undefined=["PyLong_FromLong"]))
    for place, byte in data.draw(st.lists(st.tuples(st.integers(4, len(module) - 1), st.integers(0, 255)), max_size=4)):
        module[place] = byte
    names = st.sets(st.sampled_from(["METADATA", "WHEEL", "RECORD"]), max_size=1)
    whole = {name: "\n".join(data.draw(lines)) for name in data.draw(names)}
    content = bytearray(wheel(NATIVE, {"farm/field.so": bytes(module)}, **whole))
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=2)
    ):
        content[place] = byte
    with suppress(StepFailed):
        verify(artifact(NATIVE, bytes(content)), io.BytesIO(bytes(content)), NATIVE_CLAIM)
