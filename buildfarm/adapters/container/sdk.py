"""Docker's SDK, for an engine that may be elsewhere. It is slow to load, so whoever needs it imports this late."""

from __future__ import annotations

from collections.abc import Mapping

import docker
from docker.utils import kwargs_from_env


class _Api(docker.APIClient):
    # What the machine says of proxies and of certificates (REQUESTS_CA_BUNDLE) is for the world outside, and would win
    # over the authority that DOCKER_CERT_PATH names.
    trust_env = property(lambda _: False, lambda _, __: None)


class Client(docker.DockerClient):
    """A client of the engine that ``environ`` names (DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH).

    Raises what the SDK raises (``faults.FAULTS``) when that does not answer within ``seconds``, as nothing may later.
    """

    def __init__(self, environ: Mapping[str, str], seconds: int) -> None:
        there = kwargs_from_env(environment=dict(environ))
        by_ssh = environ["DOCKER_HOST"].startswith("ssh://")
        self.api = _Api(**there, version="auto", timeout=seconds, use_ssh_client=by_ssh)
