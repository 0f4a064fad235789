"""Calls the hooks of a PEP 517 build backend, each in a fresh interpreter, as a front end must.

``python hook.py REQUEST`` reads a JSON object: ``source``, ``dist``, ``backend``, ``backend_path``, ``granted``
(requirements that are installed), ``config_settings``, ``result``. It writes to ``result`` either ``{"wants":
[requirement…]}`` or ``{"wheel": file name}`` and exits with 0; anything else is a failure whose output is the
backend's own.
"""

import json
import os
import subprocess
import sys
from typing import Any


def main(request_file: str) -> int:
    """Ask for more requirements; where none are missing, build."""
    with open(request_file, encoding="utf-8") as file:
        request = json.load(file)
    code = _in_fresh_interpreter("get_requires_for_build_wheel", request_file)
    if code:
        return code
    wants = [text for text in _answer(request) if text not in request["granted"]]
    if wants:
        return _write(request, {"wants": wants})
    code = _in_fresh_interpreter("build_wheel", request_file)
    return code or _write(request, {"wheel": _answer(request)})


def call(hook: str, request_file: str) -> int:
    """Call one hook in this interpreter and write what it answers."""
    with open(request_file, encoding="utf-8") as file:
        request = json.load(file)
    os.chdir(request["source"])
    sys.path[0:1] = [os.path.join(request["source"], folder) for folder in request["backend_path"]]
    module, _, attribute = request["backend"].partition(":")
    __import__(module)  # whose traceback has no lines of importlib
    backend = sys.modules[module]
    for name in attribute.split(".") if attribute else ():
        backend = getattr(backend, name)
    settings = request["config_settings"]
    if hook == "build_wheel":
        return _write(request, backend.build_wheel(request["dist"], settings))
    ask = getattr(backend, hook, None)
    return _write(request, ask(settings) if ask else [])


def _in_fresh_interpreter(hook: str, request_file: str) -> int:
    return subprocess.call([sys.executable, __file__, hook, request_file])


def _answer(request: Any) -> Any:
    with open(request["result"], encoding="utf-8") as file:
        return json.load(file)


def _write(request: Any, answer: object) -> int:
    with open(request["result"], "w", encoding="utf-8") as file:
        json.dump(answer, file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else call(sys.argv[1], sys.argv[2]))
