"""The table of system libraries: every name leads to one row, and every row to packages that a recipe may name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from buildfarm.recipe.texts import PACKAGE
from buildfarm.steps.libraries import (
    LIBRARIES,
    Library,
    for_cmake,
    for_header,
    for_link,
    for_pkg_config,
    for_program,
)


@pytest.mark.parametrize("kind", ["headers", "pkg_config", "links", "programs", "cmake"])
def test_no_name_is_in_two_rows(kind: str) -> None:
    names = Counter(name for each in LIBRARIES for name in getattr(each, kind))
    assert [name for name, count in names.items() if count > 1] == []
    assert len(names) > 20


def test_every_row_is_found_by_something_and_brings_packages() -> None:
    for each in LIBRARIES:
        assert each.headers or each.pkg_config or each.programs, each
        assert each.packages.apt, each
        assert each.packages.dnf, each
        assert each.packages.apk, each


def test_a_recipe_may_name_every_package() -> None:
    managers = ("apt", "dnf", "apk", "brew")
    names = [name for each in LIBRARIES for manager in managers for name in getattr(each.packages, manager)]
    assert [PACKAGE.value(name) for name in names] == names


@pytest.mark.parametrize(
    ("lookup", "name", "apt"),
    [
        (for_header, "ffi.h", "libffi-dev"),
        (for_header, "yaml.h", "libyaml-dev"),
        (for_header, "libpq-fe.h", "libpq-dev"),
        (for_header, "mysql.h", "default-libmysqlclient-dev"),
        (for_header, "openssl/opensslv.h", "libssl-dev"),
        (for_header, "libxml/xmlversion.h", "libxml2-dev"),
        (for_pkg_config, "libffi", "libffi-dev"),
        (for_pkg_config, "libxslt", "libxslt1-dev"),
        (for_link, "pq", "libpq-dev"),
        (for_program, "pg_config", "libpq-dev"),
        (for_program, "cargo", "cargo-web"),
        (for_cmake, "JPEG", "libjpeg-dev"),
        (for_cmake, "zlib", "zlib1g-dev"),
    ],
)
def test_what_a_source_names_is_found(lookup: Callable[[str], Library | None], name: str, apt: str) -> None:
    found = lookup(name)
    assert found is not None
    assert apt in found.packages.apt


@pytest.mark.parametrize("lookup", [for_header, for_pkg_config, for_link, for_program, for_cmake])
@pytest.mark.parametrize("name", ["", "stdio.h", "sys/types.h", "Python.h", "numpy/arrayobject.h", "/"])
def test_what_every_system_has_is_no_library(lookup: Callable[[str], Library | None], name: str) -> None:
    assert lookup(name) is None
