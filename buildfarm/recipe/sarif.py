"""Diagnostics as SARIF 2.1.0 (OASIS), which code hosts and editors show at the line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from buildfarm.recipe.codes import CODES
from buildfarm.recipe.diagnostic import Diagnostic

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def to_sarif(diagnostics: Iterable[Diagnostic], *, root: str, version: str) -> dict[str, Any]:
    """One run of the tool. Places of files below ``root`` (absolute) are relative to it, as code hosts want them.

    Columns count characters from 1; ``endColumn`` is the first one after the token.
    """
    found = list(diagnostics)
    codes = sorted({each.code for each in found})
    driver = {
        "name": "buildfarm recipe check",
        "version": version,
        "rules": [
            {
                "id": code,
                "shortDescription": {"text": CODES[code]},
                "help": {"text": "Each code is described in the documentation of recipes, under Diagnostics."},
            }
            for code in codes
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, codes.index(each.code), root) for each in found],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(diagnostic: Diagnostic, rule: int, root: str) -> dict[str, Any]:
    span = diagnostic.span
    text = f"{diagnostic.message}\n{diagnostic.help}" if diagnostic.help else diagnostic.message
    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.line,
        "endColumn": span.column + span.length,
    }
    place = {"artifactLocation": {"uri": _uri(diagnostic.file, root)}, "region": region}
    return {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": str(diagnostic.severity),
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
    }


def _uri(file: str, root: str) -> str:
    path = PurePath(file)
    if path.is_absolute() and not path.is_relative_to(root):
        return path.as_uri()
    return quote((path.relative_to(root) if path.is_absolute() else path).as_posix())
