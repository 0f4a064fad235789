"""Calls the hooks of a PEP 517 build backend, each in a fresh interpreter, as a front end must.

``python hook.py REQUEST`` reads a JSON object: ``source``, ``dist``, ``backend``, ``backend_path``, ``granted``
(requirements that are installed), ``config_settings``, ``result``. It writes to ``result`` either ``{"wants":
[requirement, ...]}`` or ``{"wheel": file name}`` and exits with 0; anything else is a failure whose output is the
backend's own.
"""

import io
import json
import os
import subprocess
import sys


def main(request_file):
    """Ask for more requirements; where none are missing, build."""
    request = _read(request_file)
    code = _in_fresh_interpreter("get_requires_for_build_wheel", request_file)
    if code:
        return code
    wants = [text for text in _read(request["result"]) if text not in request["granted"]]
    if wants:
        return _write(request, {"wants": wants})
    code = _in_fresh_interpreter("build_wheel", request_file)
    return code or _write(request, {"wheel": _read(request["result"])})


def call(hook, request_file):
    """Call one hook in this interpreter and write what it answers."""
    request = _read(request_file)
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


def _in_fresh_interpreter(hook, request_file):
    return subprocess.call([sys.executable, __file__, hook, request_file])


def _read(path):
    with io.open(path, encoding="utf-8") as file:
        return _native(json.load(file))


def _native(value):
    """The same in texts of type str: JSON gives Python 2 others, which its distutils refuses."""
    if isinstance(value, dict):
        return {_native(key): _native(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_native(each) for each in value]
    return value.encode("utf-8") if sys.version_info < (3,) and hasattr(value, "encode") else value


def _write(request, answer):
    with open(request["result"], "w") as file:  # JSON is written in ASCII
        json.dump(answer, file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else call(sys.argv[1], sys.argv[2]))
