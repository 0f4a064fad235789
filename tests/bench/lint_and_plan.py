"""How long 1,000 recipes take to lint and to plan: `python tests/bench/lint_and_plan.py`.

The recipes are of mixed sizes, as in a real internal index: most say a name and versions, some say a few things, a few
say everything. Prints the best of several rounds in one process, and the best time of the whole command.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from buildfarm.app.operands import read_operands
from buildfarm.app.recipe_files import Read
from buildfarm.model.facts import Facts, KnownSource
from buildfarm.model.job import BuildRequest, Environment, SourcePin
from buildfarm.model.plan import Plan
from buildfarm.model.recipe import Recipe
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact
from buildfarm.plan.expand import expand

COUNT = 1000
ROUNDS = 5
PLAIN = 'name: {name}\nversions: ["{version}"]\nsource: {{sdist: {{"{version}": "sha256:{digest}"}}}}\n'
SOME = PLAIN + (
    'targets: {{python: ">=3.11", platforms: ["manylinux_*", "win_amd64"]}}\n'
    'build:\n  requires: {{add: ["setuptools<81"]}}\n  env: {{{name_upper}_NO_SIMD: "1"}}\n'
    "tests:\n  - imports: auto\n  - run: python -m pytest -q\n    sources: [tests]\n    requires: [pytest]\n"
)
ALL = SOME + (
    "system: {{apt: [libyaml-dev, pkg-config], dnf: [libyaml-devel], apk: [yaml-dev]}}\n"
    'patches: [{{file: {name}.patch, versions: "<=2.4"}}]\n'
    "limits: {{cpus: 2, memory: 8GiB, wall: 2h, silence: 30m}}\n"
    'repair: {{exclude: ["libcuda.so.*"]}}\n'
    'verify: {{relax: {{licence: "its METADATA names a file that the sdist forgets"}}}}\n'
    "overrides:\n"
    '  - {{select: "*-musllinux_*", tests: {{skip: "its data files need glibc"}}}}\n'
    '  - {{select: "cp312-*", build: {{env: {{{name_upper}_OLD: "1"}}, requires: {{remove: [cmake]}}}}}}\n'
    "publish: {{index: company/base}}\nowners: [data-platform]\n"
)
T = TypeVar("T")


def write_recipes(folder: Path) -> None:
    """1,000 recipe files: of every hundred 85 are plain, 12 say some things, 3 say all."""
    for number in range(COUNT):
        form = ALL if number % 100 < 3 else SOME if number % 100 < 15 else PLAIN
        name = f"project-{number}"
        words = {
            "name": name,
            "name_upper": name.upper().replace("-", "_"),
            "version": f"{number % 7}.{number % 11}.0",
            "digest": sha256(name.encode()).hexdigest(),
        }
        (folder / f"{name}.yaml").write_text(form.format(**words), encoding="utf-8")
        if form is ALL:
            (folder / f"{name}.patch").touch()


def facts_of(recipes: tuple[Recipe, ...]) -> Facts:
    """All that planning asks about these recipes, for three interpreters on one platform."""
    environments = tuple(
        Environment(
            name="host",
            lane="linux-x86_64-host",
            target=Target.parse(f"{abi}-manylinux_2_17_x86_64"),
            definition={"kit": "1", "python": abi},
            test_definition={"python": abi},
            compilers=("zig",),
            system=("apt",),
        )
        for abi in ("cp311", "cp312", "cp313")
    )
    versions = {each.name: each.versions for each in recipes if isinstance(each.versions, tuple)}
    sources = {
        (name, version): KnownSource(
            pin=SourcePin(
                artifact=Artifact(
                    name=f"{name}-{version}.tar.gz", size=1, sha256=sha256(f"{name}{version}".encode()).hexdigest()
                ),
                origin="/sdists",
                epoch=1_600_000_000,
            ),
            requires=("setuptools>=61", "wheel"),
            requires_python=">=3.8",
        )
        for name, (version,) in versions.items()
    }
    return Facts(environments=environments, versions=versions, sources=sources)


def best(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of the best round, and what the last one gave."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        done = work()
        rounds.append((time.perf_counter() - start, done))
    return min(seconds for seconds, _ in rounds), rounds[-1][1]


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_recipes(folder)

        def lint() -> Read:
            return read_operands((str(folder),), (), folder)

        def command() -> int:
            words = (sys.executable, "-m", "buildfarm", "recipe", "check", str(folder))
            return subprocess.run(words, check=False, capture_output=True).returncode

        lint_seconds, read = best(lint)
        facts = facts_of(read.recipes)

        def plan() -> Plan:
            return expand(BuildRequest(recipes=read.recipes), facts)

        plan_seconds, planned = best(plan)
        command_seconds, code = best(command)
    if len(read.recipes) != COUNT or read.failed or code:
        print(read.messages)
        raise SystemExit(f"exit code {code}: these recipes should be right")
    print(f"lint {COUNT:,} recipes            {lint_seconds:6.2f} s")
    print(f"plan {len(planned.jobs):,} jobs               {plan_seconds:6.2f} s")
    print(f"together                      {lint_seconds + plan_seconds:6.2f} s")
    print(f"buildfarm recipe check FOLDER {command_seconds:6.2f} s, the whole process")


if __name__ == "__main__":
    main()
