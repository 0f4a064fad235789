"""Imports what a wheel installed, in the environment of its consumer, and looks for a compiler.

``python imports.py REQUEST`` reads a JSON object: ``project``, ``modules`` (``["auto"]``: every top-level module, and
every extension module), ``compilers`` (names looked for on PATH), ``result``. It writes ``{"imported": [...], "notes":
[...], "failures": [...], "compilers": [...]}`` and exits with 1 when something could not be imported.
"""

from __future__ import print_function

import io
import json
import os
import re
import sys
import traceback

if sys.version_info >= (3,):
    from importlib.machinery import EXTENSION_SUFFIXES, all_suffixes

    SUFFIXES = all_suffixes()
else:
    import imp

    SUFFIXES = [suffix for suffix, _, _ in imp.get_suffixes()]
    EXTENSION_SUFFIXES = [suffix for suffix, _, kind in imp.get_suffixes() if kind == imp.C_EXTENSION]

_IDENTIFIER = re.compile(r"[^\W\d]\w*\Z", re.UNICODE)


def main(request_file):
    """Import everything, each for itself, so that all failures are told at once."""
    with io.open(request_file, encoding="utf-8") as file:
        request = json.load(file)
    sys.path.pop(0)  # this script's folder is not the consumer's
    top, extensions = _modules(request["project"]) if request["modules"] == ["auto"] else (request["modules"], [])
    result = {"imported": [], "notes": [], "failures": []}
    for name in top:
        _try(name, result, _fail)
    for name in extensions:
        _try(name, result, _judge_extension)
    result["compilers"] = [path for path in map(_which, request["compilers"]) if path]
    with open(request["result"], "w") as file:  # JSON is written in ASCII
        json.dump(result, file)
    print("imported", ", ".join(result["imported"]) or "nothing")
    return 1 if result["failures"] else 0


def _modules(project):
    """Top-level modules and extension modules that the project's RECORD lists.

    Importing a namespace package (PEP 420) runs nothing: the packages in it count as top-level ones.
    """
    names = []
    packages = set()
    extensions = []
    for path in _files(project):
        first = path.partition("/")[0]
        if path.endswith(".pth") or first.endswith((".dist-info", ".data", ".libs")) or first in ("..", "__pycache__"):
            continue
        suffix = next((each for each in SUFFIXES if path.endswith(each)), None)
        if suffix is None:
            continue
        name = tuple(path[: -len(suffix)].split("/"))
        if not all(map(_IDENTIFIER.match, name)):
            continue
        if len(name) > 1 and name[-1] == "__init__":
            packages.add(name[:-1])
        elif len(name) > 1 and suffix in EXTENSION_SUFFIXES:
            extensions.append(".".join(name))
        names.append(name)
    top = {next((name[:n] for n in range(1, len(name)) if name[:n] in packages), name[:1]) for name in names}
    return sorted(map(".".join, top)), sorted(extensions)


def _files(project):
    """The paths in the RECORD of an installed project, without the rare ones that are quoted: those name no module."""
    for folder in filter(os.path.isdir, sys.path):
        for name in os.listdir(folder):
            if name.endswith(".dist-info") and _normal(name.partition("-")[0]) == _normal(project):
                with io.open(os.path.join(folder, name, "RECORD"), encoding="utf-8") as record:
                    return [line.partition(",")[0] for line in record]
    raise LookupError("%s is not installed" % project)


def _normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def _which(program):
    paths = (os.path.join(folder, program) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep))
    return next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), None)


def _try(name, result, judge):
    try:
        __import__(name)  # whose traceback has no lines of importlib
    except BaseException as error:  # noqa: BLE001 - a module may raise anything, SystemExit too
        judge(name, error, result)
    else:
        result["imported"].append(name)


def _fail(name, error, result):
    traceback.print_exc()
    result["failures"].append("%s: %s: %s" % (name, type(error).__name__, error))


def _judge_extension(name, error, result):
    """An inner extension may need what is not required, or be no Python module at all: noted, not failed."""
    said = str(error)
    absent = type(error).__name__ == "ModuleNotFoundError" or said.startswith("No module named")
    if absent or re.search(r"does not define (module export|init) function", said):
        result["notes"].append("%s: %s" % (name, error))
    else:
        _fail(name, error, result)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
