"""Copies files of the session to where the farm takes them: those that ``repair.include`` names.

``python include.py REQUEST`` reads a JSON object: ``globs``, ``into`` (there each glob gets a folder, by its number),
``image`` (whether ``/`` is that of an image; else an absolute glob is one below the unpacked system packages),
``result``. It writes ``{"found": [path, ...], "executable": [path, ...]}``, without folders and with the number of the
glob, and exits with 0.
"""

from __future__ import print_function

import glob
import io
import json
import os
import shutil
import sys


def main(request_file):
    """Copy what the globs match; a link is the file that it leads to."""
    with io.open(request_file, encoding="utf-8") as file:
        request = json.load(file)
    unpacked = os.path.dirname(os.environ.get("BUILDFARM_SYSTEM", ""))
    answer = {"found": [], "executable": []}
    for number, pattern in enumerate(request["globs"]):
        folder = os.path.join(request["into"], str(number))
        os.makedirs(folder)
        here = pattern if request["image"] or not os.path.isabs(pattern) else unpacked and unpacked + pattern
        for path in sorted(filter(os.path.isfile, glob.glob(here))):
            print("repair.include takes", path)
            shutil.copyfile(path, os.path.join(folder, os.path.basename(path)))
            name = "{}/{}".format(number, os.path.basename(path))
            answer["found"].append(name)
            answer["executable"] += [name] if os.access(path, os.X_OK) else []
    with open(request["result"], "w") as file:  # JSON is written in ASCII
        json.dump(answer, file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
