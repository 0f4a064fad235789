"""What a source tells the author of a recipe, from sources made for it."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping

import pytest

from buildfarm.steps.entry import Entry
from buildfarm.steps.survey import Survey, survey
from buildfarm.steps.testing import OwnTests


def surveyed(files: Mapping[str, str]) -> Survey:
    return survey(
        Entry(path=path, kind="file", size=len(text), opener=lambda text=text: io.BytesIO(text.encode()))  # type: ignore[misc]
        for path, text in files.items()
    )


def libraries(files: Mapping[str, str]) -> list[tuple[str, bool]]:
    return [(sign.library.packages.apt[0], sign.sure) for sign in surveyed(files).signs]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"a.c": "#include <ffi.h>\n"}, [("libffi-dev", True)]),
        ({"a.c": '# include "mysql.h"\n'}, [("default-libmysqlclient-dev", True)]),
        ({"a.pyx": 'cdef extern from "yaml.h":\n'}, [("libyaml-dev", True)]),
        ({"a.c": "#include <openssl/ssl.h>\n"}, [("libssl-dev", True)]),
        ({"a.h": "#ifndef A_H\n#define A_H\n#include <zlib.h>\n#endif\n"}, [("zlib1g-dev", True)]),
        ({"a.c": "#ifdef HAVE_JPEG\n#include <jpeglib.h>\n#endif\n"}, [("libjpeg-dev", False)]),
        (
            {"a.c": "#if X\n#else\n#include <jpeglib.h>\n#endif\n#include <png.h>\n"},
            [("libpng-dev", True), ("libjpeg-dev", False)],
        ),
        ({"a.c": "#include <uv.h>\n", "vendor/libuv/include/uv.h": ""}, []),
        ({"a.c": "#include <ffi.h>\n", "libffi_x86_64/ffi.h": ""}, [("libffi-dev", True)]),
        ({"tests/a.c": "#include <ffi.h>\n", "src/win32/b.c": "#include <zlib.h>\n"}, []),
        ({"a.c": "#include <stdio.h>\n#include <Python.h>\n"}, []),
        ({"src/Cargo.toml": ""}, [("cargo-web", True)]),
        ({"src/a.f90": ""}, [("gfortran", True)]),
        ({"meson.build": "x = dependency('libffi', required: false)\n"}, [("libffi-dev", False)]),
        ({"CMakeLists.txt": "find_package(ZLIB REQUIRED)\n"}, [("zlib1g-dev", False)]),
        ({"setup.py": "run(['pg_config', '--libs'])\nExtension('x', libraries=['pq'])\n"}, [("libpq-dev", False)]),
        ({"setup.py": "run('pkg-config')\n"}, []),
        ({"setup.py": "run(['pkg-config', '--cflags', 'libffi'], x)\n"}, [("libffi-dev", False)]),
        ({"CMakeLists.txt": "pkg_check_modules(FFI REQUIRED\n  libffi )\n"}, [("libffi-dev", False)]),
        ({"a.c": "#include <libpq-fe.h>\n", "setup.py": "run(['pg_config'])"}, [("libpq-dev", True)]),
    ],
)
def test_libraries(files: Mapping[str, str], found: list[tuple[str, bool]]) -> None:
    assert libraries(files) == found


def test_languages_and_licence() -> None:
    files = {
        "src/a.pyx": "",
        "src/a.c": "",
        "CMakeLists.txt": "",
        "docs/x.rs": "",
        "PKG-INFO": "License: MIT\nName: x\n",
    }
    found = surveyed(files)
    assert found.languages == ("C", "Cython", "CMake")
    assert found.licence == "MIT"
    assert surveyed({"PKG-INFO": "License-Expression: MIT OR Apache-2.0\n"}).licence == "MIT OR Apache-2.0"
    assert surveyed({"PKG-INFO": "Classifier: License :: OSI Approved :: BSD License\n"}).licence == "BSD License"


TEST = {"tests/test_a.py": "import x\n"}


@pytest.mark.parametrize(
    ("files", "requires", "where"),
    [
        (
            {"pyproject.toml": '[dependency-groups]\ntest = ["pytest>=8", "ruff"]\n'},
            ("pytest>=8",),
            "dependency-groups.test",
        ),
        (
            {"pyproject.toml": '[project.optional-dependencies]\ndev = ["tox", "pytest", "numpy"]\n'},
            ("pytest", "numpy"),
            "optional-dependencies.dev",
        ),
        (
            {"setup.cfg": "[options.extras_require]\ntest =\n  pytest\n  attrs\n"},
            ("pytest", "attrs"),
            "extras_require test",
        ),
        ({"tox.ini": "[testenv]\ndeps =\n  pytest\n  -r x.txt\n"}, ("pytest",), "tox.ini"),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, ("pytest",), "pyproject.toml"),
        ({"tests/sub/conftest.py": ""}, ("pytest",), "conftest.py"),
        ({"pyproject.toml": "not toml [", "setup.cfg": "no ini"}, (), "nothing names pytest"),
    ],
)
def test_own_tests(files: Mapping[str, str], requires: tuple[str, ...], where: str) -> None:
    found = surveyed({**files, **TEST}).tests
    assert isinstance(found, OwnTests)
    assert (found.folder, found.pytest, found.requires) == ("tests", bool(requires), requires)
    assert where in found.where


def test_a_folder_without_tests_is_none() -> None:
    assert surveyed({"tests/data.json": "", "src/x/tests/test_x.py": ""}).tests is None


@pytest.mark.parametrize(
    ("path", "begins", "again"),
    [
        ("CMakeLists.txt", "pkg_check_modules(", "a"),
        ("CMakeLists.txt", "pkg_check_modules(", "a "),
        ("CMakeLists.txt", "", "pkg_check_modules(a "),
        ("setup.py", "'pkg-config ", "a "),
        ("setup.py", "", "pkg-config 'a' "),
        ("setup.py", "'", "a"),
        ("setup.py", "", "libraries = [ "),
        ("a.c", "#include <", "a/"),
        ("a.c", "", " "),
        ("setup.cfg", "[a]\na", " "),
        ("pyproject.toml", "", "a."),
        ("pyproject.toml", "a=", "["),
        ("pyproject.toml", "[dependency-groups]\ntest=['pytest; ", "("),
    ],
)
def test_no_file_takes_long(path: str, begins: str, again: str) -> None:
    text = begins + again * (500_000 // len(again)) + "x']"
    began = time.process_time()
    surveyed({path: text, **TEST})
    assert time.process_time() - began < 1
