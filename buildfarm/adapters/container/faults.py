"""What the SDK of container engines raises. Slow to load, like the SDK: whoever does not talk by it leaves it alone."""

from __future__ import annotations

from docker.errors import APIError, DockerException
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

FAULTS = (DockerException, RequestException, HTTPError, OSError)
"""Whatever the client raises when the engine refuses, or cannot be reached."""


def explained(error: Exception) -> str:
    """What the engine said, or why it could not be asked; one line."""
    if isinstance(error, APIError):
        return " ".join(str(error.explanation or error).split())
    return " ".join(str(error).split()) or type(error).__name__
