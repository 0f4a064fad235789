"""The rule about RECORD (PEP 376, PEP 427)."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator

from buildfarm.model.wheel import Finding
from buildfarm.verify.claim import Claim
from buildfarm.verify.finding import error, some
from buildfarm.verify.wheelfile import Wheel

_SIGNATURES = ("RECORD", "RECORD.jws", "RECORD.p7s")


def record(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """RECORD lists every file once, with its sha256 and size, and no other (PEP 376, 427)."""
    members = {member.path: member for member in wheel.members}
    exempt = {f"{wheel.dist_info}/{name}" for name in _SIGNATURES}
    rows = {row.path: row for row in wheel.record}
    twice = [path for path, count in Counter(row.path for row in wheel.record).items() if count > 1]
    unlisted = members.keys() - rows.keys() - exempt
    absent = rows.keys() - members.keys()
    listed = sorted(rows.keys() & members.keys() - exempt)
    unsafe = {path for path in listed if not rows[path].digest.startswith("sha256=")}
    changed = [path for path in listed if path not in unsafe and rows[path].digest != _digest(members[path].sha256)]
    resized = [path for path in listed if rows[path].size not in ("", str(members[path].size))]
    troubles = (
        (twice, "are listed twice"),
        (unlisted, "are not listed"),
        (absent, "are listed and not there"),
        (unsafe, "have no sha256"),
        (changed, "have another sha256"),
        (resized, "have another size"),
    )
    for paths, trouble in troubles:
        if paths:
            yield error(
                f"of the files in RECORD {len(paths)} {trouble}: {some(paths)}",
                subject=min(paths),
                advice="a step changed the wheel without writing its RECORD anew: pack it with `wheel pack`",
            )


def _digest(sha256: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()
