"""Names of the rules that a wheel is verified by: what a recipe may relax. ``verify.rules`` has a function for each."""

from __future__ import annotations

RULE_NAMES = (
    "name-version",
    "metadata",
    "requires-python",
    "wheel-file",
    "tags",
    "record",
    "licence",
    "purelib",
    "foreign-architecture",
    "libc",
    "policy",
    "no-binaries",
    "lost-extensions",
    "module-suffix",
    "abi3",
    "rpath",
    "executable-stack",
    "text-relocations",
    "writable-code",
    "unneeded-library",
    "unlisted-library",
    "top-level",
    "shadows-stdlib",
    "case-collision",
    "leftovers",
    "scripts",
    "entry-points",
    "build-paths",
)
