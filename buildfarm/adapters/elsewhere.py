"""Other simple indexes, asked page by page for whoever wants to pass the answer on."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from buildfarm.adapters.pip_config import bare
from buildfarm.model.errors import FarmError
from buildfarm.model.url import redacted

_LARGEST = 64 << 20  # bytes of a page


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A page as it came: its URL without credentials, its content type, its ETag (empty: none), its bytes; None: it is
    the one that whoever asks has (304).
    """

    url: str
    kind: str
    tag: str
    content: bytes | None


class Elsewhere:
    """Indexes by the URLs of the pages that list their projects, in the order of asking; the client has credentials."""

    def __init__(self, urls: tuple[str, ...], client: httpx.Client) -> None:
        self._urls = tuple(f"{bare(url).rstrip('/')}/" for url in urls)
        self._client = client

    @property
    def urls(self) -> tuple[str, ...]:
        """Their URLs, without credentials."""
        return self._urls

    def page(self, project: str, accept: str, known: str = "") -> Passed | None:
        """The page of a project on the first that has one, as ``Accept`` and ``If-None-Match`` want it; None: nobody.

        Raises ``FarmError`` for the first that cannot say whether it has one: nobody else then answers in its place.
        """
        headers = {"Accept": accept, **({"If-None-Match": known} if known else {})}
        return next((found for each in self._urls if (found := self._ask(f"{each}{project}/", headers))), None)

    def _ask(self, url: str, headers: dict[str, str]) -> Passed | None:
        try:
            with self._client.stream("GET", url, headers=headers) as response:
                if response.status_code in (404, 410):
                    return None
                if response.status_code != 304:
                    response.raise_for_status()
                content = bytearray()
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > _LARGEST:
                        raise FarmError(f"{redacted(url)}: the page has more than {_LARGEST} bytes")
                return Passed(
                    url=bare(str(response.url)),
                    kind=response.headers.get("content-type", ""),
                    tag=response.headers.get("etag", ""),
                    content=None if response.status_code == 304 else bytes(content),
                )
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # the last: a header that is not ASCII
            raise FarmError(f"{redacted(url)}: {redacted(str(error)) or type(error).__name__}") from error
