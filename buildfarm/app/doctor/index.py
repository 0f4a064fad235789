"""Where sdists, requirements and tools come from: each place is asked once, all at the same time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from buildfarm.adapters.pip_config import PipConfig, bare
from buildfarm.app.doctor.patient import Patient
from buildfarm.app.doctor.report import Check, State
from buildfarm.app.fetching import pip_config
from buildfarm.model.origin import local_path
from buildfarm.model.url import redacted

_PROJECT = "ziglang"  # our own tool-chain asks for it
_TIMEOUT = 2.5  # seconds
_SKEW = 300.0  # seconds by which a clock may differ
_ADVICE = {
    401: "put user and password into its URL in pip's configuration",
    403: "put user and password into its URL in pip's configuration",
    407: "the proxy wants a user and password: HTTPS_PROXY",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    check: Check
    date: str = ""


def look(patient: Patient) -> Iterator[Check]:
    """The indexes, links and folders of pip's configuration, upstream, and the clock by what they say."""
    config = pip_config(patient.settings, patient.environ)
    upstream = patient.settings.upstream
    folders = [upstream] if upstream and "://" not in upstream else []
    urls = [*((f"{url}/{_PROJECT}/", "index") for url in config.indexes), *_links(config)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda each: _ask(each[0], each[1], config), urls))
    yield from (each.check for each in answers)
    local = [_folder(link, "find-links") for link in config.find_links if local_path(link)]
    local += [_folder(folder, "upstream") for folder in folders]
    yield from local
    if not any(each.state is State.OK for each in (*local, *(answer.check for answer in answers))):
        message = "nothing can be fetched: name an index that answers: pip config set global.index-url URL"
        yield Check(name="reachable", state=State.MISSING, message=message, vital=True)
    yield _clock([each.date for each in answers if each.date])


def _links(config: PipConfig) -> list[tuple[str, str]]:
    return [(link, "find-links") for link in config.find_links if not local_path(link)]


def _ask(url: str, name: str, config: PipConfig) -> _Answer:
    import httpx

    from buildfarm.adapters.http_client import open_client

    shown, began = redacted(url).removesuffix(f"/{_PROJECT}/"), time.monotonic()
    try:
        with open_client(config) as client, client.stream("GET", bare(url), timeout=_TIMEOUT) as response:
            status, date = response.status_code, response.headers.get("Date", "")
    except httpx.TimeoutException:
        message = f"{shown}: no answer within {_TIMEOUT} s; is there a proxy, or another index?"
        return _Answer(check=Check(name=name, state=State.MISSING, message=message))
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        message = f"{shown}: {error}; check index-url, cert and proxy: pip config list"
        return _Answer(check=Check(name=name, state=State.MISSING, message=message))
    took = f"{(time.monotonic() - began) * 1000:.0f} ms"
    if status == 404:
        message = f"{shown}: answers in {took}, and has no {_PROJECT}"
        return _Answer(check=Check(name=name, state=State.OK, message=message), date=date)
    if status >= 400:
        advice = _ADVICE.get(status, "is it the URL of a simple index, ending in /simple?")
        message = f"{shown}: {status} {response.reason_phrase}; {advice}"
        return _Answer(check=Check(name=name, state=State.MISSING, message=message), date=date)
    return _Answer(check=Check(name=name, state=State.OK, message=f"{shown}: answers in {took}"), date=date)


def _folder(path: str, name: str) -> Check:
    folder = Path(path)
    if folder.is_file():
        return Check(name=name, state=State.OK, message=path)
    if not folder.is_dir():
        return Check(name=name, state=State.MISSING, message=f"{path} is no folder")
    return Check(name=name, state=State.OK, message=f"{path}: {sum(1 for _ in folder.iterdir())} files")


def _clock(dates: list[str]) -> Check:
    """Ours against the first of theirs: a wrong clock breaks TLS and the times of files."""
    now = time.time()
    for date in dates:
        try:
            ahead = now - parsedate_to_datetime(date).timestamp()
        except ValueError:
            continue
        if abs(ahead) > _SKEW:
            message = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the index's: set it"
            return Check(name="clock", state=State.WARNING, message=message, fix="timedatectl set-ntp true", root=True)
        return Check(name="clock", state=State.OK, message="as the index's")
    return Check(name="clock", state=State.NOTE, message="nobody to compare it with")
