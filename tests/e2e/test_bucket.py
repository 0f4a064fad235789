"""A farm whose files are in a bucket: what it builds is there, and what it serves comes from there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.buckets import BUCKET, bucket, keys_in
from tests.e2e.conftest import Farm
from tests.e2e.serving import make_wheel

pytestmark = [pytest.mark.host, pytest.mark.network, pytest.mark.slow, pytest.mark.e2e]


def test_a_wheel_is_built_published_and_moved_with_all_files_in_a_bucket(
    equipped: Callable[[Path], Path], tmp_path: Path
) -> None:
    farm = Farm(equipped(tmp_path / "home"), tmp_path / "work")
    with bucket() as variables:
        env = {**variables, "BUILDFARM_STORE": f"s3://{BUCKET}/farm"}
        done = farm.build(farm.project("tinypure", "fine"), env=env)
        assert done.code == 0, done.err
        wheel = done.job("fine")["wheel"]
        again = farm.build(farm.folder / "fine.yaml", env=env)
        assert (again.code, again.job("fine")["cached"]) == (0, True)
        drop = tmp_path / "drop"
        drop.mkdir()
        name, content = make_wheel("demo", "1.0")
        (drop / name).write_bytes(content)
        assert farm.run("import", drop, "--index", "main", env=env).code == 0
        moved = farm.run("publish", "demo==1.0", "fine==1.0", "--to", tmp_path / "stick", env=env)
        assert moved.code == 0, moved.err
        keys = keys_in(variables)
        without = farm.run("build", farm.folder / "fine.yaml", env={**variables, "BUILDFARM_STORE": "s3://absent"})
        assert (without.code, "NoSuchBucket" in without.err) == (3, True)
    for digest in (wheel["sha256"], hashlib.sha256(content).hexdigest()):
        assert f"farm/{digest[:2]}/{digest}" in keys
    assert [path for path in (farm.home / "store").rglob("*") if path.is_file()] == [], "nothing lies on this machine"
    served = farm.home / "index" / "main" / "+f" / wheel["sha256"] / wheel["filename"]
    assert hashlib.sha256(served.read_bytes()).hexdigest() == wheel["sha256"]
    assert (tmp_path / "stick" / wheel["filename"]).read_bytes() == served.read_bytes()
