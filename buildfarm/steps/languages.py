"""What is compiled, by the suffix of its file."""

from __future__ import annotations

LANGUAGES = {
    ".c": "C",
    ".cc": "C++",
    ".cpp": "C++",
    ".cxx": "C++",
    ".c++": "C++",
    ".pyx": "Cython",
    ".pxd": "Cython",
    ".rs": "Rust",
    ".f": "Fortran",
    ".for": "Fortran",
    ".f77": "Fortran",
    ".f90": "Fortran",
    ".f95": "Fortran",
    ".f03": "Fortran",
    ".m": "Objective-C",
    ".mm": "Objective-C++",
}
"""Suffix → language, in the order of telling."""

CXX = frozenset(suffix for suffix, language in LANGUAGES.items() if language.endswith("C++"))
"""Suffixes of what takes a C++ compiler."""
