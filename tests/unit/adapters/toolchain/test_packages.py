"""Debian packages made here, by dpkg-deb: pinned from what lists say, unpacked into a prefix."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildfarm.adapters.host import debs, prefix
from buildfarm.adapters.host.apt import Apt
from buildfarm.adapters.host.packages import AptPackages, _linked, _names
from buildfarm.adapters.store import LocalStore
from buildfarm.model.errors import FarmError, Unavailable
from buildfarm.model.system import SystemPackage
from buildfarm.ports import no_report

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no Debian here")
MULTIARCH = "usr/lib/x86_64-linux-gnu"


def deb(
    tmp_path: Path, store: LocalStore, name: str, files: Mapping[str, str], links: Mapping[str, str]
) -> SystemPackage:
    tree = tmp_path / name
    (tree / "DEBIAN").mkdir(parents=True)
    said = f"Package: {name}\nVersion: 1.0-1\nArchitecture: amd64\nMaintainer: me\nDescription: -\n"
    (tree / "DEBIAN/control").write_text(said)
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
        (tree / path).chmod(0o755 if "/bin/" in path else 0o644)
    for path, target in links.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).symlink_to(target)
    file = tmp_path / f"{name}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, file], check=True, capture_output=True)
    with file.open("rb") as content:
        artifact = store.put(file.name, content)
    return SystemPackage(
        manager="apt",
        name=name,
        version="1.0-1",
        architecture="amd64",
        source=name,
        artifact=artifact,
        origin=str(file),
    )


@pytest.fixture
def made(tmp_path: Path) -> prefix.Prefix:
    """A library of an old package, in /lib, and what its developers get; unpacked."""
    store = LocalStore(tmp_path / "store")
    library = deb(
        tmp_path,
        store,
        "libone1",
        {
            "lib/x86_64-linux-gnu/libone.so.1.0": "bytes",
            "usr/share/doc/libone1/copyright": "MIT",
            "usr/share/man/x": "",
            "etc/x": "",
        },
        {"lib/x86_64-linux-gnu/libone.so.1": "libone.so.1.0"},
    )
    headers = deb(
        tmp_path,
        store,
        "libone-dev",
        {
            "usr/include/one.h": "",
            f"{MULTIARCH}/pkgconfig/one.pc": "prefix=/usr\nlibdir=/usr/lib/x86_64-linux-gnu\nnote=/usr/local\n",
            "usr/bin/one-config": '#!/bin/sh\necho -I/usr/include/one -L/usr/lib\n[ "$1" != fail ]\n',
        },
        {
            f"{MULTIARCH}/libone.so": "/lib/x86_64-linux-gnu/libone.so.1.0",
            "usr/share/doc/libone-dev": "libone1",
        },
    )
    return prefix.provide((headers, library), "x86_64", tmp_path / "system", store, no_report)


@needs_dpkg
class TestPrefix:
    def test_links_lead_to_the_library_wherever_the_package_had_it(self, made: prefix.Prefix) -> None:
        assert (made.root / MULTIARCH / "libone.so").read_text() == "bytes"
        assert (made.root / MULTIARCH / "libone.so.1").read_text() == "bytes"

    def test_what_no_build_reads_is_left_out(self, made: prefix.Prefix) -> None:
        assert not (made.root / "etc").exists()
        assert not (made.root / "usr/share/man").exists()

    def test_pkg_config_hears_of_the_prefix(self, made: prefix.Prefix) -> None:
        said = (made.root / MULTIARCH / "pkgconfig/one.pc").read_text()
        assert said == f"prefix={made.root}/usr\nlibdir={made.root}/usr/lib/x86_64-linux-gnu\nnote=/usr/local\n"

    def test_a_config_program_answers_with_the_prefix_and_its_own_exit_code(self, made: prefix.Prefix) -> None:
        program = made.root / "config/one-config"
        assert str(program.parent) == made.path[0]
        said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
        assert said == f"-I{made.root}/usr/include/one -L{made.root}/usr/lib\n"
        assert subprocess.run([program, "fail"], capture_output=True, check=False).returncode == 1

    def test_it_knows_libraries_and_licences(self, made: prefix.Prefix) -> None:
        headers, library = made.packages
        assert library.libraries == {"libone.so.1.0": hashlib.sha256(b"bytes").hexdigest()}
        assert (headers.libraries, headers.licence, library.licence) == ({}, "MIT", "MIT")

    def test_it_is_made_once(self, made: prefix.Prefix, tmp_path: Path) -> None:
        (made.root / "mark").touch()
        packages = tuple(each.package for each in made.packages)
        again = prefix.provide(packages, "x86_64", tmp_path / "system", LocalStore(tmp_path / "none"), no_report)
        assert again == made
        assert (again.root / "mark").exists()


def test_a_path_that_leads_out_is_refused() -> None:
    with pytest.raises(FarmError, match="has the path"):
        debs.place("./usr/../../etc")


@pytest.mark.parametrize(
    ("version", "floor"),
    [
        ("GLIBC_2.2.5", (2, 2)),
        ("GLIBC_2.34", (2, 34)),
        ("GLIBC_ABI_DT_RELR", (2, 36)),
        ("GLIBCXX_3.4", (2, 17)),
        ("GLIBCXX_3.4.30", (2, 35)),
        ("GLIBCXX_3.4.99", (2, 99)),
        ("OPENSSL_3.0.0", (0, 0)),
    ],
)
def test_a_symbol_version_tells_the_floor(version: str, floor: tuple[int, int]) -> None:
    assert debs._of_symbol(version) == floor


def test_a_real_library_tells_its_floor(tmp_path: Path) -> None:
    library = next(Path("/usr/lib").glob("*-linux-gnu/libz.so.1"), None)
    if library is None:
        pytest.skip("no libz")
    assert (2, 2) <= debs._floor(io.BytesIO(library.read_bytes())) < (2, 99)
    assert debs._floor(io.BytesIO(b"/* GNU ld script */")) == (0, 0)


def test_only_libraries_of_what_developers_asked_for_are_linked() -> None:
    def stanza(depends: str = "", provides: str = "", architecture: str = "amd64") -> dict[str, str]:
        return {"Depends": depends, "Provides": provides, "Architecture": architecture}

    closure = {
        "libpq-dev": stanza("libpq5 (= 15), libssl-dev"),
        "libssl-dev": stanza("libssl3 (= 3)"),
        "libpq5": stanza("libc6 (>= 2.33), libldap | libssl-api, pq-common"),
        "libssl3": stanza(provides="libssl-api (= 3)"),
        "pq-common": stanza(architecture="all"),
        "rustc": stanza("libllvm"),
        "libllvm": stanza(),
    }
    assert _linked(("libpq-dev", "rustc"), closure) == {"libpq5", "libssl3"}
    assert _names("liba1, libb (>= 1:2) | libc++") == ["liba1", "libb", "libc++"]


def test_a_name_that_is_none_never_reaches_apt(tmp_path: Path) -> None:
    apt = Apt(home=tmp_path / "apt", environ={}, report=no_report)
    for name in ("-o=x", "libssl3-", "a=1", "A", ""):
        with pytest.raises(Unavailable, match="no name of a Debian package"):
            apt.closure((name,))


@pytest.mark.network
@pytest.mark.host
@pytest.mark.slow
@needs_dpkg
def test_apt_pins_a_closure_from_nothing_and_says_what_it_does_not_know(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    apt = Apt(home=tmp_path / "apt", environ=dict(os.environ), report=no_report)
    packages = AptPackages(apt=apt, store=store)
    found = {each.name: each for each in packages.lock(["libyaml-dev"])}
    assert {"libyaml-dev", "libyaml-0-2", "pkgconf"} <= found.keys()
    assert "libc6" not in found
    assert (0, 0) < found["libyaml-0-2"].floor <= (2, 17)
    with pytest.raises(Unavailable) as unknown:
        packages.lock(["libyml-dev"])
    assert unknown.value.reason.code == "packages"
    assert "libyaml-dev" in unknown.value.reason.advice
