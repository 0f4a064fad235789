"""A bucket of a real S3-compatible server on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "wheels"


@contextmanager
def bucket() -> Iterator[Mapping[str, str]]:
    """The variables with which boto3 finds an empty bucket ``wheels``, for as long as the block lasts."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - slow to load, and few tests want it

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    try:
        _client(variables).create_bucket(Bucket=BUCKET)
        yield variables
    finally:
        server.stop()


def keys_in(variables: Mapping[str, str]) -> set[str]:
    """The keys of all that is in the bucket."""
    return {each["Key"] for each in _client(variables).list_objects_v2(Bucket=BUCKET)["Contents"]}


def _client(variables: Mapping[str, str]) -> S3Client:
    import boto3  # noqa: PLC0415

    return boto3.client(
        "s3",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_DEFAULT_REGION"],
    )
