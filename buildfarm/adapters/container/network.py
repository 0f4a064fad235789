"""What commands that need the network get in a container: this machine's own proxies, CA bundle, and settings of apt
and pip. Nothing else ever has network.
"""

from __future__ import annotations

import io
import shlex
import ssl
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from buildfarm.adapters.container.apt import APT_FILES, apt_of
from buildfarm.adapters.pip_config import PipConfig

FOLDER = "/buildfarm-network"
"""Where the files are while the commands run; it is removed before anything is kept."""

_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
_TRUST = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Variables, and files by the name that they get in ``FOLDER``. They may hold credentials: ``repr`` is silent."""

    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def around(self, script: str) -> str:
        """The script with all this, for ``sh -e``; of the files nothing is left after it."""
        return f". {FOLDER}/environment\n{script}\nrm -rf {FOLDER}\n"

    def for_manager(self, manager: str) -> Network:
        """The same for an image with that package manager: what is apt's, logins among it, is for no other."""
        if manager == "apt":
            return self
        return Network(
            env={name: value for name, value in self.env.items() if name != "APT_CONFIG"},
            files={name: content for name, content in self.files.items() if name not in APT_FILES},
        )

    def put(self, archive: tarfile.TarFile) -> None:
        """Add the files, with one that sets the variables: an image would remember those of its container."""
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(self.env.items()))
        for name, content in {**self.files, "environment": exports.encode()}.items():
            member = tarfile.TarInfo(f"{FOLDER}/{name}".lstrip("/"))
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))


def of_this_machine(environ: Mapping[str, str], pip: PipConfig) -> Network:
    """What this machine uses itself."""
    env = {name: value for name, value in environ.items() if name.lower() in _PROXIES}
    env["PIP_INDEX_URL"] = pip.index_url
    env["PIP_EXTRA_INDEX_URL"] = " ".join(pip.extra_index_urls)
    env["PIP_TRUSTED_HOST"] = " ".join(pip.trusted_hosts)
    env["APT_CONFIG"] = f"{FOLDER}/apt.conf"
    files, more = {}, []
    bundle = environ.get("SSL_CERT_FILE") or pip.cert or ssl.get_default_verify_paths().cafile or ""
    if bundle and Path(bundle).is_file():
        files["ca.pem"] = Path(bundle).read_bytes()
        env.update(dict.fromkeys(_TRUST, f"{FOLDER}/ca.pem"))
        more.append(f'Acquire::https::CaInfo "{FOLDER}/ca.pem";')
    files |= apt_of(environ).files(FOLDER, *more)
    return Network(env={name: value for name, value in env.items() if value}, files=files)
