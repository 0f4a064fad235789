"""Artifacts and the ladder of types that a wheel climbs: built, repaired, verified, tested, released."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from packaging.tags import Tag
from packaging.utils import parse_wheel_filename


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Artifact:
    """A file by name, size in bytes and sha256 (64 hex digits). Its bytes are in a ``Store``."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltWheel:
    """What the build hook left behind; lies in the session that built it."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedWheel:
    """Output of the repair tool (or the pure wheel that needs none), fetched from its session and hashed."""

    artifact: Artifact


class Severity(StrEnum):
    """What a finding does: an error withholds the wheel, a warning is kept with it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One result of one verify rule. ``subject`` is the member of the wheel it is about, or empty; ``relaxed`` is the
    reason for which a recipe makes a warning of an error, or empty.
    """

    rule: str
    severity: Severity
    message: str
    subject: str = ""
    advice: str = ""
    relaxed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedWheel:
    """A wheel that passed every verify rule.

    ``content`` is the digest of its members apart from WHEEL and RECORD (equal for wheels that differ only in the
    build tag); ``extensions`` counts its extension modules; ``warnings`` are the findings that do not withhold it.
    """

    artifact: Artifact
    content: str
    extensions: int
    warnings: tuple[Finding, ...] = ()

    @property
    def tags(self) -> frozenset[Tag]:
        """The tag set of the file name (PEP 425, compressed sets expanded)."""
        return tags_of(self.artifact.name)


class Verdict(StrEnum):
    """The result of a test report; a failed test never becomes a report that a wheel is published on."""

    PASSED = "passed"
    SKIPPED = "skipped"
    NOT_RUN = "not run"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestReport:
    """What was tested and how it went. ``isolation`` says what the session really was; ``compiler`` what the probe
    found.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    verdict: Verdict
    reason: str = ""
    imported: tuple[str, ...] = ()
    isolation: str = ""
    compiler: str = ""


FILE_PROPERTY = "buildfarm:file"
"""The property by which a component of an SBOM in a wheel says for which of its files it stands."""


def is_grafted(path: str) -> bool:
    """Whether a file of a wheel is one that auditwheel or delocate put in, by the names of its folders."""
    return any(folder.endswith((".libs", ".dylibs")) for folder in path.split("/")[:-1])


def tags_of(filename: str) -> frozenset[Tag]:
    """Tags of a wheel file name (PEP 427).

    Raises ``packaging.utils.InvalidWheelFilename`` for a name that is not one.
    """
    return parse_wheel_filename(filename)[3]
