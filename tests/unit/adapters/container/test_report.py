"""What the shim tells: read once, and only when it is whole."""

from __future__ import annotations

import json

import pytest

from buildfarm.adapters.container.report import Count, Report

TOLD: dict[str, object] = {
    "code": -9,
    "broken": "disk",
    "left": 0,
    "ooms": 1,
    "kept": 2,
    "memory": 3.0,
    "peak": 4,
    "cpu": 0.5,
    "used": 5,
    "free": 6,
    "sent": 7,
    "refusals": 8,
}


def test_the_last_line_is_the_report() -> None:
    report = Report.read(b"begun\n\n\n" + json.dumps(TOLD).encode() + b"\n\n")
    assert report == Report(code=-9, broken="disk", left=0, ooms=1, kept=2, memory=3, peak=4, cpu=0.5, used=5, free=6)
    assert Count.read(json.dumps(TOLD).encode()) == Count(left=0, ooms=1)


@pytest.mark.parametrize("name", ["code", "broken", "left", "ooms", "kept", "memory", "peak", "cpu", "used", "free"])
@pytest.mark.parametrize("value", ["x", None, [], float("nan"), float("inf"), True, {}])
def test_what_is_malformed_is_no_report(name: str, value: object) -> None:
    assert Report.read(json.dumps({**TOLD, name: value}).encode()) is None
    assert Report.read(json.dumps({key: value for key, value in TOLD.items() if key != name}).encode()) is None


@pytest.mark.parametrize("said", [b"", b"begun\n", b"[]", b"1", b"null", b"\xff", b"[" * 60000, b'{"left": 1'])
def test_what_is_no_object_is_no_report(said: bytes) -> None:
    assert Report.read(said) is None
    assert Count.read(said) is None
