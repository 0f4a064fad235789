"""The content-addressed store in a bucket of an S3-compatible service: ``ab/<sha256>`` below a prefix."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from buildfarm.adapters import durable
from buildfarm.adapters.store import key
from buildfarm.model.errors import FarmError
from buildfarm.model.wheel import Artifact

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK = 1 << 20
_PART = 32 << 20  # bytes: what is larger goes up in parts of this size
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})


class S3Store:
    """A ``ports.Store`` at ``s3://bucket/prefix``.

    Credentials, region and endpoint are boto3's own business: ``AWS_…`` variables, its files, the machine's role.
    ``scratch`` is a folder for what is on its way; it is left empty.
    """

    def __init__(self, url: str, scratch: Path, crash: durable.Crash = durable.no_crash) -> None:
        self._url = url
        self._bucket, _, self._prefix = url.removeprefix("s3://").partition("/")
        self._scratch = scratch
        self._crash = crash
        self._client = _connect(url)

    def put(self, name: str, content: IO[bytes]) -> Artifact:
        """Keep the bytes read from ``content``; equal bytes are kept once. Durable when it returns."""
        digest, size = hashlib.sha256(), 0
        with self._temporary(name) as file:
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
                size += file.write(chunk)
            artifact = Artifact(name=name, size=size, sha256=digest.hexdigest())
            # Two who find it absent at once send the same bytes under the same key, so no condition is needed, which
            # not every service knows.
            if not self.has(artifact.sha256):
                file.seek(0)
                self._crash("store.put:written")
                self._send(artifact, file)
                self._crash("store.put:renamed")
        return artifact

    def open(self, sha256: str) -> IO[bytes]:
        """The bytes, from the start, of a copy that is gone when it is closed; ``FarmError`` when they are not here.

        They are held against their digest on the way.
        """
        at, digest = self._key(sha256), hashlib.sha256()
        with self._failing(f"fetch {sha256}", sha256):
            body = self._client.get_object(Bucket=self._bucket, Key=at)["Body"]
            durable.make_folder(self._scratch)
            file = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115 - whoever asked closes it
            for chunk in body.iter_chunks(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != sha256:
            file.close()
            raise FarmError(f"{self._url} has other bytes under {sha256}; remove that object and repeat what made it")
        file.seek(0)
        return file

    def has(self, sha256: str) -> bool:
        """Whether the bytes are here."""
        from botocore.exceptions import ClientError

        at = self._key(sha256)
        with self._failing(f"look for {sha256}"):
            try:
                self._client.head_object(Bucket=self._bucket, Key=at)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in _ABSENT:
                    return False
                raise
        return True

    def remove(self, sha256: str) -> None:
        """Forget the bytes, if they are here."""
        with self._failing(f"remove {sha256}"):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(sha256))

    def _send(self, artifact: Artifact, file: IO[bytes]) -> None:
        from boto3.s3.transfer import TransferConfig

        parts = TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART)
        with self._failing(f"keep {artifact.name}"):
            self._client.upload_fileobj(file, self._bucket, self._key(artifact.sha256), Config=parts)

    def _key(self, sha256: str) -> str:
        return f"{self._prefix}/{key(sha256)}".lstrip("/")

    @contextmanager
    def _temporary(self, name: str) -> Iterator[IO[bytes]]:
        try:
            durable.make_folder(self._scratch)
            with tempfile.TemporaryFile(dir=self._scratch) as file:
                yield file
        except OSError as error:
            raise FarmError(f"could not keep {name} in {self._scratch}: {error.strerror}; is the disk full?") from error

    @contextmanager
    def _failing(self, doing: str, sha256: str = "") -> Iterator[None]:
        """What the service or the way to it raises, as a sentence; ``sha256`` is what may not be there."""
        from boto3.exceptions import S3UploadFailedError
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        try:
            yield
        except (ClientError, BotoCoreError, HTTPClientError, S3UploadFailedError) as error:
            said = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
            if sha256 and said in _ABSENT:
                raise FarmError(f"the store {self._url} does not have {sha256}; was it cleared?") from error
            raise FarmError(
                f"could not {doing} at {self._url}: {error}; look at the bucket, AWS_ENDPOINT_URL and the credentials"
            ) from error


def _connect(url: str) -> S3Client:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise FarmError(f"store: {url} needs boto3; install it beside buildfarm: pip install 'buildfarm[s3]'") from None
    try:
        return boto3.client("s3")
    except (BotoCoreError, ValueError) as error:
        raise FarmError(f"store: {url}: {error}; set AWS_DEFAULT_REGION, AWS_ENDPOINT_URL, credentials") from error
