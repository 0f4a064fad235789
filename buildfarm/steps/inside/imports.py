"""Imports what a wheel installed, in the environment of its consumer, and looks for a compiler.

``python imports.py REQUEST`` reads a JSON object: ``project``, ``modules`` (``["auto"]``: every top-level module, and
every extension module), ``compilers`` (names looked for on PATH), ``result``. It writes ``{"imported": […], "notes":
[…], "failures": […], "compilers": […]}`` and exits with 1 when something could not be imported.
"""

import importlib
import importlib.machinery
import importlib.metadata
import json
import shutil
import sys
import traceback
from collections.abc import Callable
from typing import Any


def main(request_file: str) -> int:
    """Import everything, each for itself, so that all failures are told at once."""
    with open(request_file, encoding="utf-8") as file:
        request = json.load(file)
    sys.path.pop(0)  # this script's folder is not the consumer's
    top, extensions = _modules(request["project"]) if request["modules"] == ["auto"] else (request["modules"], [])
    result: dict[str, list[str]] = {"imported": [], "notes": [], "failures": []}
    for name in top:
        _try(name, result, _fail)
    for name in extensions:
        _try(name, result, _judge_extension)
    result["compilers"] = [path for path in map(shutil.which, request["compilers"]) if path]
    with open(request["result"], "w", encoding="utf-8") as file:
        json.dump(result, file)
    print("imported", ", ".join(result["imported"]) or "nothing")
    return 1 if result["failures"] else 0


def _modules(project: str) -> tuple[list[str], list[str]]:
    """Top-level modules and extension modules that the project's RECORD lists.

    Importing a namespace package (PEP 420) runs nothing: the packages in it count as top-level ones.
    """
    suffixes = importlib.machinery.all_suffixes()
    names: list[tuple[str, ...]] = []
    packages: set[tuple[str, ...]] = set()
    extensions: list[str] = []
    for path in importlib.metadata.distribution(project).files or ():
        first = path.parts[0]
        if path.suffix == ".pth" or first.endswith((".dist-info", ".data", ".libs")) or first in ("..", "__pycache__"):
            continue
        suffix = next((each for each in suffixes if path.name.endswith(each)), None)
        if suffix is None:
            continue
        parts = (*path.parts[:-1], path.name[: -len(suffix)])
        if not all(part.isidentifier() for part in parts):
            continue
        if len(parts) > 1 and parts[-1] == "__init__":
            packages.add(parts[:-1])
        elif len(parts) > 1 and suffix in importlib.machinery.EXTENSION_SUFFIXES:
            extensions.append(".".join(parts))
        names.append(parts)
    top = {next((name[:n] for n in range(1, len(name)) if name[:n] in packages), name[:1]) for name in names}
    return sorted(map(".".join, top)), sorted(extensions)


def _try(name: str, result: dict[str, list[str]], judge: Callable[[str, BaseException, Any], None]) -> None:
    try:
        __import__(name)  # whose traceback has no lines of importlib
    except BaseException as error:  # noqa: BLE001 - a module may raise anything, SystemExit too
        judge(name, error, result)
    else:
        result["imported"].append(name)


def _fail(name: str, error: BaseException, result: dict[str, list[str]]) -> None:
    traceback.print_exception(type(error), error, error.__traceback__)
    result["failures"].append("%s: %s: %s" % (name, type(error).__name__, error))


def _judge_extension(name: str, error: BaseException, result: dict[str, list[str]]) -> None:
    """An inner extension may need what is not required, or be no Python module at all: noted, not failed."""
    if isinstance(error, ModuleNotFoundError) or "does not define module export function" in str(error):
        result["notes"].append("%s: %s" % (name, error))
    else:
        _fail(name, error, result)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
