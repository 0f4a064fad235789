"""Uploads, as twine and uv publish send them (the legacy upload API), to the index that the address names."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from buildfarm.adapters import durable
from buildfarm.app.server.access import CHALLENGE, Reader
from buildfarm.app.server.documents import doc_upload
from buildfarm.app.server.exchange import Exchange, Header
from buildfarm.app.server.form import FIELDS_LIMIT, Form, Sent
from buildfarm.app.server.serving import Serving
from buildfarm.farm.receive import Incoming, receive
from buildfarm.model.errors import FarmError, Refused
from buildfarm.model.size import size as bytes_of
from buildfarm.pages.addresses import is_file_name

_CHALLENGE: Header = (b"www-authenticate", CHALLENGE.encode())
_SILENCE = 60.0  # seconds after which whoever sends nothing has gone
_PIECE = 256 << 10  # bytes that are worth the way to a thread
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

Action = Callable[[Serving, str, Sent, Reader], str]
"""Takes a form for an index from somebody who may upload to it; answers a sentence. Raises ``Refused``."""


def _file(serving: Serving, index: str, sent: Sent, reader: Reader) -> str:
    """``file_upload``: a distribution."""
    protocol, kind = sent.field("protocol_version") or "1", sent.field("filetype")
    if protocol != "1":
        raise Refused(f"protocol_version {protocol!r} is not known here; it is 1")
    if kind not in ("bdist_wheel", "sdist"):
        raise Refused(f"filetype {kind!r} is not taken here: bdist_wheel and sdist are")
    if not is_file_name(sent.filename):
        raise Refused(f"{sent.filename!r} is no name of a wheel or an sdist")
    receipt = receive(
        serving.site().farm,
        Incoming(
            index=index,
            filename=sent.filename,
            content=sent.content,
            size=sent.size,
            sha256=sent.sha256,
            project=sent.field("name"),
            version=sent.field("version"),
            who=reader.who,
            token=reader.token.id if reader.token else 0,
        ),
    )
    said = f"{receipt.filename} is on {receipt.index}"
    notes = [receipt.note] if receipt.note else []
    if sent.field("attestations"):
        notes.append("its attestations were not kept: this index cannot verify them (PEP 740)")
    return "; ".join([said, *notes])


ACTIONS: Mapping[str, Action] = {"file_upload": _file, "doc_upload": doc_upload}
"""What a form can ask for, by its field ``:action``."""


class Uploads:
    """Takes uploads, several at once, each on a thread of its own while there is work for it."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._folder = serving.settings.cache / "uploads"
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="upload")
        durable.sweep(self._folder)

    def close(self) -> None:
        """Take no more."""
        self._pool.shutdown(cancel_futures=True)

    async def answer(self, exchange: Exchange, index: str, reader: Reader) -> None:
        """Take the upload and say what became of it, or why it is not taken."""
        if reader.unsure:
            await exchange.say(503, reader.trouble)
            return
        standing = self._serving.ledger.replication.standing
        if refusal := (await asyncio.get_running_loop().run_in_executor(self._pool, standing)).refusal:
            await exchange.say(503, refusal)  # whatever the token: those of the primary are not known here
            return
        if reader.token is None:
            reason = reader.trouble or f"uploads to {index} need a token for it as the password, user __token__"
            await exchange.say(403 if reader.trouble else 401, reason, *(() if reader.trouble else (_CHALLENGE,)))
            return
        try:
            _admit(exchange, index, reader, self._serving.settings.upload_limit)
            await exchange.say(200, await self._take(exchange, index, reader))
        except Refused as error:
            await exchange.say(error.status, " ".join(str(error).split("\n")))
        except TimeoutError:
            waited = f"nothing came for {_SILENCE:.0f} seconds; send it again"
            await exchange.say(408, waited, (b"connection", b"close"))
        except ConnectionResetError:  # nobody is there to be answered
            exchange.tell(499)
        except (OSError, FarmError) as error:
            full = _number(error) in _DISK_FULL
            self._serving.report(f"could not take an upload to {index}: {error}")
            reason = "the disk of the index is full" if full else "the index could not do this; its log says why"
            await exchange.say(507 if full else 500, f"{reason}. Nothing was published: tell its operator")

    async def _take(self, exchange: Exchange, index: str, reader: Reader) -> str:
        loop = asyncio.get_running_loop()
        with durable.aside(self._folder) as (path, _), path.open("r+b") as file:
            form = Form(exchange.field(b"content-type"), file, self._serving.settings.upload_limit)
            more, piece = True, bytearray()
            while more:
                body, more = await _received(exchange)
                piece += body
                if len(piece) >= _PIECE or not more:
                    await loop.run_in_executor(self._pool, form.feed, bytes(piece))
                    piece.clear()
            return await loop.run_in_executor(self._pool, partial(self._act, index, form, reader))

    def _act(self, index: str, form: Form, reader: Reader) -> str:
        sent = form.end()
        action = sent.field(":action")
        if action not in ACTIONS:
            raise Refused(f":action {action!r} is not known here; those that are: {', '.join(ACTIONS)}")
        if not reader.may_upload(index, sent.field("name")):
            raise Refused(f"{reader.who} is not for the project {sent.field('name')!r}", 403)
        return ACTIONS[action](self._serving, index, sent, reader)


def _admit(exchange: Exchange, index: str, reader: Reader, limit: int) -> None:
    """Refuse what need not be read for it."""
    if index not in reader.indexes.known:
        there = ", ".join(reader.readable()) or "none"
        raise Refused(f"there is no index {index}; those that there are: {there}", 404)
    if not reader.may_upload(index, reader.token.project if reader.token else ""):
        raise Refused(f"{reader.who} may not upload to {index}: {_scope(reader)}", 403)
    length = exchange.field(b"content-length")
    if length.isdecimal() and int(length) > limit + FIELDS_LIMIT:
        raise Refused(f"the upload is larger than {bytes_of(limit)}, the upload_limit of this server", 413)


async def _received(exchange: Exchange) -> tuple[bytes, bool]:
    """The next piece of the body, and whether there is more."""
    async with asyncio.timeout(_SILENCE):
        message = await exchange.receive()
    if message["type"] == "http.disconnect":
        raise ConnectionResetError
    return message.get("body", b""), message.get("more_body", False)


def _scope(reader: Reader) -> str:
    token = reader.token
    return f"it is for {token.right}ing {token.index}" if token else "there is none"


def _number(error: BaseException) -> int | None:
    """The number of the system's error that this one comes from."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__
    return cause.errno if isinstance(cause, OSError) else None
