"""Texts that look like credentials: told, and never shown."""

from __future__ import annotations

import re

SECRET_TEXT = re.compile(
    r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{20,}|AKIA[A-Z0-9]{16}|pypi-[A-Za-z0-9_-]{40,}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY|eyJ[A-Za-z0-9_-]{15,400}\.eyJ[A-Za-z0-9_-]{15,}"
    r"|\b[a-z+]{2,12}://[^\s/:@]{0,80}:[^\s/:@{]{1,200}@"
)

SECRET_NAME = re.compile(
    r"""((?:TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|CREDENTIALS?)["']?\s*:\s*)([^\s,{}]{8,})""", re.IGNORECASE
)
"""The name of a variable that holds one, and the value."""


def masked(line: str) -> str:
    """The line with stars, as many, in place of what looks like a credential."""
    line = SECRET_NAME.sub(lambda found: found[1] + "*" * len(found[2]), line)
    return SECRET_TEXT.sub(lambda found: "*" * len(found[0]), line)
