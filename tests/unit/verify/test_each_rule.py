"""For each rule a wheel that breaks it and no other."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from buildfarm.model.rules import RULE_NAMES
from buildfarm.model.target import Target
from buildfarm.model.wheel import Severity
from buildfarm.verify.claim import Claim
from buildfarm.verify.rules import RULES, check
from buildfarm.verify.wheelfile import read_wheel

Build = Callable[..., bytes]

PURE = "farm-1.0-py3-none-any.whl"
NATIVE = "farm-1.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"
MUSL = "farm-1.0-cp311-cp311-musllinux_1_2_x86_64.whl"
ABI3 = "farm-1.0-cp39-abi3-manylinux_2_17_x86_64.whl"
DIST = "farm-1.0.dist-info"
CLAIM = Claim(project="farm", version="1.0", target=Target.parse("cp311-manylinux_2_17_x86_64"), native_source=False)
MODULE: dict[str, Any] = {
    "defined": ["PyInit_field"],
    "needed": ["libc.so.6"],
    "versions": {"libc.so.6": ["GLIBC_2.17"]},
}
GNU = "farm/field.cpython-311-x86_64-linux-gnu.so"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A wheel, of files and of ELF files by what is different in them, and what is wrong with it."""

    rule: str
    message: str
    name: str = PURE
    files: dict[str, bytes] = field(default_factory=dict)
    elfs: dict[str, dict[str, Any]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    claim: Claim = CLAIM
    severity: Severity = Severity.ERROR


def module(rule: str, message: str, path: str = GNU, name: str = NATIVE, **options: Any) -> Case:
    return Case(rule=rule, message=message, name=name, elfs={path: options})


def said(rule: str, message: str, *lines: str, **options: Any) -> Case:
    text = "\n".join(("Metadata-Version: 2.4", "Name: farm", "Version: 1.0", *lines, ""))
    return Case(rule=rule, message=message, options={"METADATA": text}, **options)


def wheel_file(rule: str, message: str, *lines: str, **options: Any) -> Case:
    return Case(rule=rule, message=message, options={"WHEEL": "\n".join(("Wheel-Version: 1.0", *lines, ""))}, **options)


def lone(rule: str, message: str, *paths: str, **options: Any) -> Case:
    return Case(rule=rule, message=message, files=dict.fromkeys(paths, b""), **options)


def entry(message: str, value: str, severity: Severity = Severity.ERROR, **options: Any) -> Case:
    files = {"farm/__init__.py": b"", f"{DIST}/entry_points.txt": f"[console_scripts]\nfarm = {value}\n".encode()}
    return Case(rule="entry-points", message=message, files=files, severity=severity, **options)


def script(message: str, line: str, severity: Severity = Severity.ERROR) -> Case:
    files = {"farm-1.0.data/scripts/farm": f"{line}\nimport farm\n".encode()}
    return Case(rule="scripts", message=message, files=files, severity=severity)


GRAFTED: dict[str, dict[str, Any]] = {
    GNU: {"needed": ["libc.so.6", "libsoil-1234.so.1"]},
    "farm.libs/libsoil-1234.so.1": {"defined": []},
}
FILE = {"name": "buildfarm:file", "value": "farm.libs/libsoil-1234.so.1"}
SBOM = {f"{DIST}/sboms/farm.cdx.json": json.dumps({"components": [{"name": "soil", "properties": [FILE]}]}).encode()}
FOREIGN = replace(CLAIM, target=None)
PLUGINS = "/usr/lib/x86_64-linux-gnu/soil3/plugin"

CASES = [
    Case(rule="name-version", message="not 'barn'", claim=replace(CLAIM, project="barn")),
    said("metadata", "'odd?' is invalid", "Requires-Dist: odd?"),
    said("metadata", "METADATA requires URLs: barn", "Requires-Dist: barn @ https://barn.invalid/barn-1.whl"),
    said("metadata", "'>=x' is invalid", "Requires-Python: >=x"),
    said("metadata", "METADATA is not valid", f"Requires-Dist: a; {'(' * 9000}"),
    Case(
        rule="metadata",
        message="METADATA is of version '9.0', and installers know 1.0 to 2.5",
        options={"METADATA": "Metadata-Version: 9.0\nName: farm\nVersion: 1.0\n"},
    ),
    said(
        "metadata",
        "text/odd",
        "Description-Content-Type: text/odd",
        severity=Severity.WARNING,
    ),
    said("metadata", "nobody reads: home-paage", "Home-paage: x", severity=Severity.WARNING),
    said("requires-python", "METADATA requires Python <3.11, and the wheel is for 3.11", "Requires-Python: <3.11"),
    wheel_file("wheel-file", "Root-Is-Purelib: true or false", "Tag: py3-none-any"),
    wheel_file(
        "wheel-file",
        "the file name has the build tag none, and WHEEL 7",
        "Root-Is-Purelib: true",
        "Tag: py3-none-any",
        "Build: 7",
    ),
    wheel_file(
        "wheel-file",
        "the file name has the build tag 7, and WHEEL none",
        "Root-Is-Purelib: true",
        "Tag: py3-none-any",
        name="farm-1.0-7-py3-none-any.whl",
        severity=Severity.WARNING,
    ),
    wheel_file("tags", "and WHEEL says py2-none-any", "Root-Is-Purelib: true", "Tag: py2-none-any"),
    Case(rule="tags", message="do not install on every host", name="farm-1.0-py2-none-any.whl"),
    Case(rule="record", message="3 are not listed", options={"RECORD": f"{DIST}/RECORD,,\n"}),
    said("licence", "licence files that are not under", "License-File: COPYING"),
    Case(rule="licence", message="it has no text of a licence", options={"licensed": False}, severity=Severity.WARNING),
    Case(
        rule="foreign-architecture",
        message="is ELF for aarch64, and the wheel is for manylinux",
        name=NATIVE,
        elfs={GNU: {"machine": 183}},
    ),
    Case(
        rule="foreign-architecture",
        message="begins like an ELF file, but",
        name=NATIVE,
        files={"farm/field.so": b"\x7fELF"},
    ),
    Case(
        rule="purelib",
        message="it is for any platform, and holds compiled code: farm/field.so",
        elfs={"farm/field.so": {}},
    ),
    Case(
        rule="purelib",
        message="it would install compiled code into purelib",
        name=NATIVE,
        elfs={GNU: {}},
        options={"purelib": True},
    ),
    module(
        "libc", "needs libc.musl-x86_64.so.1, and on manylinux the C library is glibc", needed=["libc.musl-x86_64.so.1"]
    ),
    Case(
        rule="libc",
        message="needs libc.so.6, and on musllinux the C library is musl",
        name=MUSL,
        elfs={"farm/field.so": {}},
        claim=FOREIGN,
    ),
    module("policy", "needs GLIBC_2.34", versions={"libc.so.6": ["GLIBC_2.34"]}),
    module("policy", "needs libssl.so.3: neither in the wheel nor", needed=["libssl.so.3"]),
    lone("no-binaries", "it is for manylinux2014_x86_64, manylinux_2_17_x86_64, and has no compiled code", name=NATIVE),
    lone(
        "no-binaries",
        "has no compiled code",
        name="farm-1.0-py3-none-manylinux_2_17_x86_64.whl",
        severity=Severity.WARNING,
    ),
    lone("lost-extensions", "its source has native code", claim=replace(CLAIM, native_source=True)),
    Case(
        rule="lost-extensions",
        message="it has 1 extension modules, and the last good release 2",
        name=NATIVE,
        elfs={GNU: {}},
        claim=replace(CLAIM, extensions_before=2),
    ),
    module(
        "module-suffix", "has a suffix that no Python of cp311 looks for", "farm/field.cpython-312-x86_64-linux-gnu.so"
    ),
    module("module-suffix", "has a suffix that no Python", "farm/field.cpython-311-x86_64-linux-musl.so"),
    module("module-suffix", "has a suffix that no Python", "farm/field.cpython-311-aarch64-linux-gnu.so"),
    module("module-suffix", "has a suffix that no Python", "farm/field.cpython-311t-x86_64-linux-gnu.so"),
    Case(
        rule="module-suffix",
        message="farm/field.cpython-312-x86_64-linux-gnu.so",
        name=NATIVE,
        elfs={GNU: {}, "farm/field.cpython-312-x86_64-linux-gnu.so": {}},
        severity=Severity.WARNING,
    ),
    module(
        "abi3",
        "not in the stable ABI: PyUnicode_New, _PyUnicode_Ready",
        "farm/field.abi3.so",
        ABI3,
        undefined=["PyUnicode_New", "_PyUnicode_Ready", "_Py_Dealloc"],
    ),
    module(
        "abi3",
        "is for Python 3.9 and later, and uses PyType_GetName (new in 3.11)",
        "farm/field.abi3.so",
        ABI3,
        undefined=["PyType_GetName", "PyLong_FromLong"],
    ),
    module(
        "abi3",
        "uses PyStructSequence_UnnamedField (new in 3.11)",
        "farm/field.abi3.so",
        ABI3,
        undefined=["PyStructSequence_UnnamedField"],
    ),
    module("abi3", "has a suffix that one Python alone imports", "farm/field.cpython-39-x86_64-linux-gnu.so", ABI3),
    module("rpath", "looks for libraries in '/buildfarm/work/lib'", rpath="/buildfarm/work/lib"),
    module("rpath", "looks for libraries in ''", runpath="$ORIGIN:"),
    module("rpath", "outside of site-packages, in '$ORIGIN/../..'", rpath="$ORIGIN/../.."),
    module("rpath", "outside of site-packages", "farm-1.0.data/platlib/field.so", runpath="$ORIGIN/../lib"),
    Case(
        rule="run-time-paths",
        message="farm.libs/libsoil-1234.so.1 looks for plug-ins in /usr/lib/x86_64-linux-gnu/soil3/plugin, which",
        name=NATIVE,
        files=SBOM,
        elfs=GRAFTED | {"farm.libs/libsoil-1234.so.1": {"texts": [PLUGINS]}},
    ),
    Case(
        rule="run-time-paths",
        message="farm/plugin/rye.so looks for plug-ins in /opt/soil/lib/drivers/%s.so, which",
        name=NATIVE,
        elfs={GNU: {}, "farm/plugin/rye.so": {"texts": ["/opt/soil/lib/drivers/%s.so"]}},
        claim=replace(CLAIM, included=frozenset({"farm/plugin"})),
    ),
    Case(
        rule="run-time-paths",
        message="looks for plug-ins in",
        name=NATIVE,
        elfs={GNU: {"texts": [PLUGINS]}},  # of the project itself
        severity=Severity.WARNING,
    ),
    Case(
        rule="run-time-paths",
        message="looks for plug-ins in",
        name=NATIVE,
        files=SBOM,
        elfs=GRAFTED | {"farm.libs/libsoil-1234.so.1": {"texts": [PLUGINS]}},
        claim=FOREIGN,
        severity=Severity.WARNING,
    ),
    Case(
        rule="run-time-paths",
        message="looks for CA certificates and settings of OpenSSL in /etc/pki/tls/cert.pem, /usr/lib/ssl",
        name=NATIVE,
        elfs={GNU: {"texts": ["/etc/pki/tls/cert.pem:/usr/lib/ssl"]}},
        severity=Severity.WARNING,
    ),
    module("executable-stack", "glibc 2.41 refuses to load such a library", executable_stack=True),
    module("text-relocations", "it was compiled for a fixed address", text_relocations=True),
    module("writable-code", "both writable and executable", writable_code=True),
    Case(
        rule="unneeded-library",
        message="no binary of the wheel needs farm.libs/libsoil-1234.so.1",
        name=NATIVE,
        files=SBOM,
        elfs=GRAFTED | {GNU: {}},
        severity=Severity.WARNING,
    ),
    Case(
        rule="unlisted-library",
        message=f"no SBOM in {DIST}/sboms lists farm.libs/libsoil-1234.so.1",
        name=NATIVE,
        files={f"{DIST}/sboms/farm.cdx.json": b"[" * 100_000},
        elfs=GRAFTED,
    ),
    Case(
        rule="unlisted-library",
        message="no SBOM",
        name=NATIVE,
        elfs=GRAFTED,
        claim=FOREIGN,
        severity=Severity.WARNING,
    ),
    lone("top-level", "what belongs to nobody: setup.py, tests/", "farm/__init__.py", "tests/__init__.py", "setup.py"),
    lone(
        "shadows-stdlib",
        "the standard library hides json/, types.py",
        "types.py",
        "json/__init__.py",
        severity=Severity.WARNING,
    ),
    lone("case-collision", "farm/Field.py and farm/field.py", "farm/field.py", "farm/Field.py"),
    Case(
        rule="case-collision",
        message="farm/A and farm/a",
        name=NATIVE,
        files={"farm/a": b"", "farm/A": b""},
        elfs={GNU: {}},
        severity=Severity.WARNING,
    ),
    lone(
        "leftovers",
        "farm/.DS_Store, farm/__init__.py~, farm/__pycache__/x.cpython-311.pyc and 1 more",
        *("farm/field.c", "farm/.DS_Store", "farm/__pycache__/x.cpython-311.pyc", "farm/__init__.py~"),
        severity=Severity.WARNING,
    ),
    script("farm-1.0.data/scripts/farm is run by /buildfarm/venv/bin/python3", "#!/buildfarm/venv/bin/python3 -E"),
    script("is run by /usr/bin/env python3, not by", "#!/usr/bin/env python3", Severity.WARNING),
    entry("the program farm is 'farm', not module:function", "farm"),
    entry("the program farm is in farm.cli, which the wheel does not have", "farm.cli:main"),
    entry("the program farm is in barn, which the wheel does not have", "barn:main"),
    entry(
        "the program farm is in barn",
        "barn:main",
        Severity.WARNING,
        options={"metadata": "Requires-Dist: barn\n"},
    ),
    Case(
        rule="build-paths",
        message="1 files hold the path of the build, /build/session: farm.py",
        files={"farm.py": b"/build/session/x"},
        claim=replace(CLAIM, root="/build/session"),
        severity=Severity.WARNING,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.message}"[:60])
def test_only_this_rule_is_broken(wheel: Build, elf: Build, case: Case) -> None:
    files = case.files | {path: elf(**MODULE | options) for path, options in case.elfs.items()}
    content = io.BytesIO(wheel(case.name, files, **case.options))
    found = check(read_wheel(case.name, content, root=case.claim.root), case.claim)
    assert {(finding.rule, finding.severity) for finding in found} == {(case.rule, case.severity)}, found
    assert any(case.message in finding.message for finding in found), found
    assert all(finding.advice or finding.severity is Severity.WARNING for finding in found)


def test_every_rule_has_such_a_wheel() -> None:
    assert [rule for rule in RULES if rule not in {case.rule for case in CASES}] == []


def test_rules_have_the_names_that_recipes_may_relax() -> None:
    assert tuple(RULES) == RULE_NAMES


SOUND: list[tuple[str, dict[str, dict[str, Any]], dict[str, bytes], Claim]] = [
    (NATIVE, GRAFTED, SBOM, CLAIM),
    (NATIVE, {"farm/field.so": {"rpath": ""}, "farm/lib/libx.so": {"runpath": "$ORIGIN/../../barn"}}, {}, CLAIM),
    (NATIVE, {"farm/field.cpython-311.so": {"weak": ["PyFuture_New"]}}, {}, CLAIM),
    (ABI3, {"farm/field.abi3.so": {"undefined": ["PyBool_Type"], "weak": ["PyFuture_New"]}}, {}, CLAIM),
    (ABI3, {"farm/a.abi3.so": {"undefined": ["PyFarm_New"]}, "farm/b.so": {"defined": ["PyFarm_New"]}}, {}, CLAIM),
    (PURE, {}, {"farm/__init__.py": b"", "farm/tests/test_a.py": b"", "README.md": b"", "cgi.py": b""}, CLAIM),
    ("tests-1.0-py3-none-any.whl", {}, {"tests/__init__.py": b""}, replace(CLAIM, project="Tests")),
    (PURE, {}, {"farm-1.0.data/scripts/a": b"#!python\n", "farm-1.0.data/scripts/b": b"#!/bin/sh\n"}, CLAIM),
    (NATIVE, {GNU: {"texts": [PLUGINS]}, "farm/plugin/clay.so": {}}, {}, CLAIM),
    (NATIVE, {GNU: {"texts": ["/lib/modules", "/usr/lib/python3/rye/backends", "%s/lib/plugins"]}}, {}, CLAIM),
    (PURE, {}, {"farm/cli.py": b"", f"{DIST}/entry_points.txt": b"[console_scripts]\nx = farm.cli:main\n"}, CLAIM),
    (
        PURE,
        {},
        {"farm.py": b"", f"{DIST}/entry_points.txt": b"# x\n[x]\ny = ?\n[console_scripts]\nx = farm:a.b [c]\n"},
        CLAIM,
    ),
]


@pytest.mark.parametrize(("name", "elfs", "files", "claim"), SOUND)
def test_what_good_wheels_do_breaks_no_rule(
    wheel: Build, elf: Build, name: str, elfs: dict[str, dict[str, Any]], files: dict[str, bytes], claim: Claim
) -> None:
    whole = files | {path: elf(**MODULE | options) for path, options in elfs.items()}
    assert check(read_wheel(name, io.BytesIO(wheel(name, whole))), claim) == ()


@pytest.mark.parametrize("by", ["name", "digest"])
def test_a_component_stands_for_a_library_by_name_or_digest(wheel: Build, elf: Build, by: str) -> None:
    library = elf()
    digest = {"alg": "SHA-256", "content": hashlib.sha256(library).hexdigest()}
    listed = {"name": "libsoil-1234.so.1"} if by == "name" else {"hashes": ["?", digest]}
    files = {
        GNU: elf(**MODULE | {"needed": ["libsoil-1234.so.1"]}),
        "farm.libs/libsoil-1234.so.1": library,
        f"{DIST}/sboms/x.cdx.json": json.dumps({"components": [{"components": [listed]}]}).encode(),
    }
    assert check(read_wheel(NATIVE, io.BytesIO(wheel(NATIVE, files))), CLAIM) == ()
