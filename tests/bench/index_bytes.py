"""How many bytes pip and uv read to resolve, with the metadata beside wheels and without, and how much the second time.

    .venv/bin/python tests/bench/index_bytes.py

Wheels of 300 kB, each of which requires the next project, some in a way that needs a step back; nginx with the
configuration that is shipped (apt install nginx-light), once over the tree as it is, once over pages that do not tell
of metadata. Prints bytes of bodies, and the share of 304 among the answers to the same resolution again.
Exit code 1: with metadata pip reads more than 2 % of what it reads without, or less than 95 % are 304.
"""

from __future__ import annotations

import gzip
import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import uv

from tests.bench.index import OWNER, Distribution, fill
from tests.e2e.fronts import Front, behind_nginx
from tests.e2e.serving import make_wheel, serving

PROJECTS, VERSIONS, SIZE = 40, ("1.0", "1.1", "2.0", "2.1"), 300_000
STEP_BACK = 8  # every so many projects, the newer versions take an older one of the next project
MOST, LEAST = 0.02, 0.95
CLIENTS = ("pip", "uv")


def wheels() -> list[Distribution]:
    """Those of the projects p00 to p39."""
    chance, made = random.Random(7), []
    for number in range(PROJECTS):
        for version in VERSIONS:
            project, cap = f"p{number:02}", "<2" if number % STEP_BACK == 0 and version >= "2" else ""
            requires = (f"Requires-Dist: p{number + 1:02}{cap}",) if number + 1 < PROJECTS else ()
            files = {f"{project}_data.txt": chance.randbytes(SIZE // 2).hex()}
            name, content = make_wheel(project, version, *requires, files=files)
            made.append(Distribution(project=project, version=version, name=name, content=content))
    return made


def without_metadata(tree: Path, to: Path) -> Path:
    """A copy of the tree whose JSON pages do not say that there is metadata."""
    shutil.copytree(tree, to)
    for page in to.glob("**/simple/*/index.json"):
        document = json.loads(page.read_text())
        for file in document["files"]:
            del file["core-metadata"]
        page.write_text(json.dumps(document))
        Path(f"{page}.gz").write_bytes(gzip.compress(page.read_bytes(), mtime=0))
    return to


def resolve(client: str, front: Front, cache: Path) -> tuple[int, list[str]]:
    """The bytes of all answers while a client resolves with that cache, and their statuses."""
    assert front.log is not None
    front.statuses()  # the log is written by now
    before = len(front.log.read_text().splitlines())
    index, words = f"{front.url}/{OWNER}/simple/", ["p00"]
    if client == "pip":
        argv = [sys.executable, "-m", "pip", "--isolated", "install", "--dry-run", "--ignore-installed"]
        argv += ["--cache-dir", str(cache), "--index-url", index, *words]
    else:
        argv = [
            uv.find_uv_bin(),
            "pip",
            "compile",
            "--no-config",
            "--cache-dir",
            str(cache),
            "--default-index",
            index,
            "-",
        ]
    environ = {"PATH": "/usr/bin:/bin", **front.environ}
    done = subprocess.run(argv, input="p00\n", env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{client} could not resolve:\n{done.stderr[-2000:]}")
    front.statuses()
    answers = [line.split('"')[2].split()[:2] for line in front.log.read_text().splitlines()[before:]]
    return sum(int(size) for _, size in answers), [status for status, _ in answers]


def main() -> None:
    good = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "home", folder / "wheels", wheels())
        bare = without_metadata(folder / "home" / "index", folder / "bare")
        with (
            serving(folder / "home") as served,
            behind_nginx(folder / "with", served.url, served.tree, OWNER) as told,
            behind_nginx(folder / "without", served.url, bare, OWNER) as untold,
        ):
            for client in CLIENTS:
                read, _ = resolve(client, told, folder / f"{client}-with")
                whole, _ = resolve(client, untold, folder / f"{client}-without")
                again, statuses = resolve(client, told, folder / f"{client}-with")
                same = statuses.count("304") / len(statuses)
                print(f"{client:4} {read:11,} bytes with metadata, {whole:11,} without: {read / whole:.3f}")
                print(f"     {again:11,} bytes the second time, {same:.0%} of {len(statuses)} answers are 304")
                good = good and same >= LEAST and (client != "pip" or read <= MOST * whole)
    sys.exit(not good)


if __name__ == "__main__":
    main()
