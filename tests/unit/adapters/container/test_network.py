from __future__ import annotations

import io
import tarfile
from pathlib import Path

from buildfarm.adapters.container.network import FOLDER, Network, of_this_machine
from buildfarm.adapters.pip_config import PipConfig

PIP = PipConfig(index_url="https://user:secret@index.example/simple", trusted_hosts=("index.example",))


def found(environ: dict[str, str]) -> Network:
    return of_this_machine({"PATH": "", **environ}, PIP)


def test_proxies_and_the_index_go_in_and_nothing_else_of_the_environment() -> None:
    network = found({"https_proxy": "http://proxy:3128", "NO_PROXY": "a.example", "HOME": "/home/me", "TOKEN": "x"})
    assert network.env["https_proxy"] == "http://proxy:3128"
    assert network.env["NO_PROXY"] == "a.example"
    assert network.env["PIP_INDEX_URL"] == PIP.index_url
    assert not {"HOME", "TOKEN", "PATH"} & network.env.keys()
    assert "secret" not in repr(network)


def test_the_ca_bundle_is_where_the_variables_say(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.write_text("certificates")
    network = found({"SSL_CERT_FILE": str(bundle)})
    assert network.env["SSL_CERT_FILE"] == network.env["PIP_CERT"] == f"{FOLDER}/ca.pem"
    assert network.files["ca.pem"] == b"certificates"
    assert f'Acquire::https::CaInfo "{FOLDER}/ca.pem";' in network.files["apt.conf"].decode()


def test_apt_gets_its_proxies_and_no_file_or_program_of_this_machine(tmp_path: Path) -> None:
    program = tmp_path / "apt-config"
    program.write_text(
        "#!/bin/sh\n"
        "echo 'Acquire::http::Proxy \"http://proxy:3128\";'\n"
        "echo 'Acquire::https::mirror.example::Proxy \"DIRECT\";'\n"
        "echo 'Acquire::http::Proxy-Auto-Detect \"/usr/bin/detect\";'\n"
        "echo 'DPkg::Pre-Invoke:: \"touch /ran\";'\n"
    )
    program.chmod(0o755)
    said = found({"PATH": str(tmp_path)}).files["apt.conf"].decode()
    assert 'Acquire::http::Proxy "http://proxy:3128";' in said
    assert 'Acquire::https::mirror.example::Proxy "DIRECT";' in said
    assert "detect" not in said
    assert "Invoke" not in said


def test_values_with_quotes_survive_and_the_folder_goes() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        Network(env={"no_proxy": "it's"}).put(archive)
    packed.seek(0)
    with tarfile.open(fileobj=packed) as archive:
        file = archive.extractfile(f"{FOLDER}/environment".lstrip("/"))
        assert file is not None
        assert file.read() == b"export no_proxy='it'\"'\"'s'\n"
    assert Network().around("true").endswith(f"rm -rf {FOLDER}\n")
