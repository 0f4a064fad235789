"""What the benches share: commands that must succeed, their wall time, and the farm's own record of a build."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

OURS = (sys.executable, "-m", "buildfarm")


def run(*argv: str, **environ: str) -> str:
    """What one command printed; it must succeed."""
    done = subprocess.run(argv, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def timed(*argv: str, **environ: str) -> float:
    """Wall seconds of one command."""
    began = time.monotonic()
    run(*argv, **environ)
    return time.monotonic() - began


def forget(home: Path) -> None:
    """Empty ledger, store, index and logs; the tool-chain and the caches stay."""
    for name in ("store", "index", "logs"):
        shutil.rmtree(home / name, ignore_errors=True)
    for file in home.glob("ledger.db*"):
        file.unlink()


PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def sdist(requirement: str, folder: Path) -> Path:
    """The sdist of ``name==version``, by pip, which runs none of its code where its metadata are static."""
    run(*PIP, "download", "--no-deps", "--no-binary", ":all:", "-d", str(folder), requirement)
    (found,) = folder.glob("*.tar.gz")
    return found


def stories(home: Path) -> list[dict[str, Any]]:
    """The stories of all wheels that a home has built."""
    environ = {"BUILDFARM_HOME": str(home)}
    built = [each["key"] for each in jobs(home) if each["kind"] == "build"]
    return [json.loads(run(*OURS, "why", key, "--json", **environ))["wheels"][0] for key in built]


def jobs(home: Path) -> list[dict[str, Any]]:
    """The jobs of a home."""
    return list(json.loads(run(*OURS, "status", "--json", BUILDFARM_HOME=str(home)))["jobs"])


def source(home: Path, folder: Path) -> Path:
    """A copy of the sdist that the builds of a home were made of, below ``folder``."""
    (found,) = (each for each in stories(home)[0]["inputs"] if each["role"] == "source")
    return Path(shutil.copy(home / "store" / found["sha256"][:2] / found["sha256"], folder / found["name"]))


def spent(home: Path, whole: float) -> dict[str, float]:
    """What the ``whole`` seconds went to of a call that built all that is in a home, one job at a time."""
    build, test = (sum(each["seconds"] for each in jobs(home) if each["kind"] == kind) for kind in ("build", "test"))
    found = {"build hook": 0.0, "repair": 0.0, "environment": 0.0}
    for each in (command for story in stories(home) for command in story["commands"]):
        name = {"build the wheel": "build hook", "repair the wheel": "repair"}.get(each["what"], "environment")
        found[name] += each["seconds"]
    found["verify, session"] = build - sum(found.values())
    return {**found, "test": test, "plan, prepare, publish, start": whole - build - test}


def drop_layers() -> None:
    """Remove all layers of tools and system packages from the engine: they are a cache."""
    if listed := run("docker", "image", "ls", "--quiet", "buildfarm/layer").split():
        run("docker", "image", "rm", "--force", *dict.fromkeys(listed))


def show(name: str, rounds: list[dict[str, float]], parts: Mapping[str, float], peers: Iterable[str]) -> None:
    """Medians of all rounds, ratios to each peer pair by pair, and where our time goes."""
    middle = {each: statistics.median(seconds[each] for seconds in rounds) for each in rounds[0]}
    print(name, *(f"{each} {value:.2f}" for each, value in middle.items()), sep="  ")
    for peer in peers:
        ratios = sorted(each["buildfarm"] / each[peer] for each in rounds)
        print(f"    / {peer}: {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    print("    ours:", ", ".join(f"{each} {value:.2f}" for each, value in parts.items()))
