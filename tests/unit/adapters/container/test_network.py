from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path

from buildfarm.adapters.container.network import FOLDER, Network, of_this_machine
from buildfarm.adapters.pip_config import PipConfig
from tests.conftest import cannot

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


def configured(folder: Path, *lines: str) -> Network:
    """With the real apt-config of a machine that has these lines beyond its own."""
    if shutil.which("apt-config") is None:
        cannot("no apt is here")
    file = folder / "apt.conf"
    file.write_text("\n".join(lines))
    return found({"PATH": os.environ["PATH"], "APT_CONFIG": str(file)})


def test_apt_gets_its_proxies_and_no_file_or_program_of_this_machine(tmp_path: Path) -> None:
    network = configured(
        tmp_path,
        'Acquire::http::Proxy "http://proxy:3128";',
        'Acquire::https::mirror.example::Proxy "DIRECT";',
        'Acquire::http::Proxy::other.example "DIRECT";',
        'Acquire::http::Proxy-Auto-Detect "/usr/bin/detect";',
        'DPkg::Pre-Invoke:: "touch /ran";',
    )
    said = network.files["apt.conf"].decode()
    assert 'Acquire::http::Proxy "http://proxy:3128";' in said
    assert 'Acquire::https::mirror.example::Proxy "DIRECT";' in said
    assert 'Acquire::http::Proxy::other.example "DIRECT";' in said
    assert "detect" not in said
    assert "Invoke" not in said


def test_logins_of_apt_go_in_in_its_order_and_stay_unsaid(tmp_path: Path) -> None:
    (tmp_path / "auth.conf").write_text("machine a.example login me password first")
    (tmp_path / "parts").mkdir()
    for name in ("b.conf", "a.conf", "c.conf.old", ".hidden", "d~", "e@x.conf"):
        (tmp_path / "parts" / name).write_text(f"machine {name}")
    network = configured(
        tmp_path, f'Dir::Etc::netrc "{tmp_path}/auth.conf";', f'Dir::Etc::netrcparts "{tmp_path}/parts";'
    )
    lines = network.files["auth.conf"].decode().split("\n")
    assert lines == ["machine a.example login me password first", "machine a.conf", "machine b.conf", ""]
    assert f'Dir::Etc::netrc "{FOLDER}/auth.conf";' in network.files["apt.conf"].decode().splitlines()
    assert "first" not in repr(network)
    other = network.for_manager("dnf")
    assert network.files.keys() - other.files.keys() == {"apt.conf", "auth.conf"}
    assert network.env.keys() - other.env.keys() == {"APT_CONFIG"}


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
