"""What people are shown of URLs."""

from __future__ import annotations

import pytest

from buildfarm.model.url import redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:S3CRET@host/x?a=1#b", "https://***@host/x?a=1#b"),
        ("git+https://S3CRET@host/x.git@abc", "git+https://***@host/x.git@abc"),
        ("https://me:S3@CRET@[::1", "https://***@[::1"),
        ("is https://a:b@c/d or ssh://git@e/f.", "is https://***@c/d or ssh://git@e/f."),
        ("ssh://a:b@c/d and git+ssh://git@e/f", "ssh://***@c/d and git+ssh://git@e/f"),
        ("https://host/x@1", "https://host/x@1"),
        ("me@host:path", "me@host:path"),
    ],
)
def test_users_and_passwords_are_left_out(text: str, shown: str) -> None:
    assert redacted(text) == shown
