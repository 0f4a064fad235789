from __future__ import annotations

import hashlib
import io
import os
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import pytest
from packaging.tags import platform_tags
from uv import find_uv_bin

from buildfarm.adapters.git_source import GitSources
from buildfarm.adapters.memory import MemoryResolver, MemoryStore
from buildfarm.adapters.pip_config import PipConfig, read
from buildfarm.adapters.resolver import UvResolver, uv_configuration
from buildfarm.adapters.sources import UpstreamSources
from buildfarm.adapters.upstream import Upstream
from buildfarm.model.errors import FarmError, Unavailable
from buildfarm.model.job import Environment
from buildfarm.model.target import Target
from buildfarm.ports import Resolver, no_report

MACHINE = next(iter(platform_tags()))
HERE = f"cp{sys.version_info[0]}{sys.version_info[1]}"
ENVIRONMENT = Environment(
    name="this-host",
    lane="here",
    target=Target(abi=HERE, platform=MACHINE),
    definition={},
    test_definition={},
)
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="wheels with tags of Linux")


def wheel(project: str, version: str, *requires: str) -> bytes:
    folder = f"{project}-{version}.dist-info"
    headers = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"{project}.py", "")
        archive.writestr(f"{folder}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n{headers}")
        archive.writestr(f"{folder}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{folder}/RECORD", "")
    return packed.getvalue()


WHEELS = {
    "alpha-1.0-py3-none-any.whl": wheel("alpha", "1.0", "beta>=1"),
    "beta-1.0-py3-none-any.whl": wheel("beta", "1.0"),
    f"beta-2.0-{HERE}-{HERE}-{MACHINE}.whl": wheel("beta", "2.0"),
    "beta-2.0-py3-none-any.whl": wheel("beta", "2.0"),
    "beta-3.0-cp38-cp38-win_amd64.whl": wheel("beta", "3.0"),
    "gamma-1.0-py3-none-any.whl": wheel("gamma", "1.0", "delta; python_version < '3'", "alpha"),
    "url-1.0-py3-none-any.whl": wheel("url", "1.0", "beta @ https://index.invalid/beta-9.0-py3-none-any.whl"),
}
Make = Callable[[Mapping[str, bytes]], Resolver]


def uv_resolver(tmp_path: Path, config: PipConfig, uv: str = "") -> UvResolver:
    return UvResolver(
        uv or find_uv_bin(),
        config=config,
        indexes=tmp_path / "index",
        sources=UpstreamSources((), Upstream(httpx.Client), MemoryStore(), GitSources(tmp_path / "git", {}, no_report)),
        interpreter=lambda _: sys.executable,
        environ={
            "HOME": str(tmp_path),
            "UV_CACHE_DIR": str(tmp_path / "cache"),
            "UV_HTTP_RETRIES": "0",
            "UV_NO_INDEX": "not for us",
        },
    )


def fill(folder: Path, wheels: Mapping[str, bytes]) -> str:
    folder.mkdir(parents=True)
    for name, content in wheels.items():
        (folder / name).write_bytes(content)
    return str(folder)


@pytest.fixture(params=["memory", "uv"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    def make(wheels: Mapping[str, bytes]) -> Resolver:
        if request.param == "memory":
            return MemoryResolver(wheels, MemoryStore())
        return uv_resolver(tmp_path, PipConfig(find_links=(fill(tmp_path / "wheels", wheels),), no_index=True))

    return make


def test_all_that_is_required_is_locked_with_the_best_wheel(make: Make) -> None:
    resolver = make(WHEELS)
    lock = resolver.lock(["Gamma"], ENVIRONMENT, "main")
    best = f"beta-2.0-{HERE}-{HERE}-{MACHINE}.whl"
    assert [(wheel.project, wheel.version, wheel.artifact.name) for wheel in lock.wheels] == [
        ("alpha", "1.0", "alpha-1.0-py3-none-any.whl"),
        ("beta", "2.0", best),
        ("gamma", "1.0", "gamma-1.0-py3-none-any.whl"),
    ]
    for locked in lock.wheels:
        assert locked.artifact.sha256 == hashlib.sha256(WHEELS[locked.artifact.name]).hexdigest()
        assert resolver.fetch(locked).size == len(WHEELS[locked.artifact.name])
    assert resolver.lock(["gamma", "Gamma>=1"], ENVIRONMENT, "main") == lock


def test_specifiers_are_kept(make: Make) -> None:
    lock = make(WHEELS).lock(["beta<2"], ENVIRONMENT, "main")
    assert [wheel.version for wheel in lock.wheels] == ["1.0"]


def test_nothing_wanted_is_an_empty_lock(make: Make) -> None:
    assert make({}).lock([], ENVIRONMENT, "main").wheels == ()


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (["nosuch"], "nosuch"),
        (["beta>=3"], "beta"),
        (["alpha>1"], "alpha"),
        (["gamma", "beta<1"], "beta"),
        (["beta @ https://index.invalid/beta-1.0-py3-none-any.whl"], "direct references"),
        (["-r /etc/passwd"], "no requirement"),
        (["url"], "beta|URL"),
    ],
)
def test_what_cannot_be_had_is_said(wanted: list[str], says: str, make: Make) -> None:
    with pytest.raises(Unavailable, match=says) as caught:
        make(WHEELS).lock(wanted, ENVIRONMENT, "main")
    assert caught.value.reason.code == "requirements"


def test_sdists_are_never_built(tmp_path: Path) -> None:
    links = fill(tmp_path / "wheels", {"beta-1.0.tar.gz": b""})
    with pytest.raises(Unavailable, match="no usable wheels") as caught:
        uv_resolver(tmp_path, PipConfig(find_links=(links,), no_index=True)).lock(["beta"], ENVIRONMENT, "main")
    assert caught.value.reason.code == "requirements"


def image(identifier: str, native: str) -> Environment:
    target = Target.parse(identifier)
    return Environment(
        name="image", lane="there", target=target, definition={}, test_definition={}, image="image", native=native
    )


OF_IMAGES = {
    "alpha-1.0-py3-none-any.whl": wheel(
        "alpha", "1.0", "old; python_version < '3.13'", "arm; platform_machine == 'aarch64'"
    ),
    "old-1.0-py3-none-any.whl": wheel("old", "1.0"),
    "arm-1.0-py3-none-any.whl": wheel("arm", "1.0"),
    **{
        f"beta-1.0-{tag}.whl": wheel("beta", "1.0")
        for tag in (
            "cp311-cp311-manylinux_2_17_x86_64",
            "cp311-cp311-manylinux_2_28_x86_64",
            "cp311-cp311-manylinux_2_34_x86_64",
            "cp311-cp311-manylinux_2_28_aarch64",
            "cp311-cp311-musllinux_1_2_x86_64",
            "cp313-cp313-manylinux_2_28_x86_64",
            "cp313-cp313t-manylinux_2_28_x86_64",
        )
    },
    "gamma-1.0-cp311-cp311-manylinux_2_28_x86_64.whl": wheel("gamma", "1.0"),
    "gamma-2.0-cp311-cp311-manylinux_2_34_x86_64.whl": wheel("gamma", "2.0"),
}


@pytest.mark.parametrize(
    ("identifier", "native", "expected"),
    [
        ("cp311-manylinux_2_17_x86_64", "manylinux_2_31_x86_64", "cp311-cp311-manylinux_2_28_x86_64"),
        ("cp311-manylinux_2_17_x86_64", "manylinux_2_24_x86_64", "cp311-cp311-manylinux_2_17_x86_64"),
        ("cp311-manylinux_2_28_aarch64", "manylinux_2_28_aarch64", "cp311-cp311-manylinux_2_28_aarch64"),
        ("cp311-musllinux_1_2_x86_64", "musllinux_1_2_x86_64", "cp311-cp311-musllinux_1_2_x86_64"),
        ("cp313-manylinux_2_17_x86_64", "manylinux_2_31_x86_64", "cp313-cp313-manylinux_2_28_x86_64"),
        ("cp313t-manylinux_2_17_x86_64", "manylinux_2_31_x86_64", "cp313-cp313t-manylinux_2_28_x86_64"),
    ],
)
def test_the_wheels_of_an_image_are_for_its_python_and_its_system(
    identifier: str, native: str, expected: str, tmp_path: Path
) -> None:
    resolver = uv_resolver(tmp_path, PipConfig(find_links=(fill(tmp_path / "wheels", OF_IMAGES),), no_index=True))
    environment = image(identifier, native)
    lock = resolver.lock(["alpha", "beta"], environment, "main")
    found = {each.project: each.artifact.name for each in lock.wheels}
    assert found["beta"] == f"beta-1.0-{expected}.whl"
    assert ("old" in found, "arm" in found) == (environment.target.python < (3, 13), "aarch64" in native)


def test_of_versions_that_an_image_is_too_old_for_none_is_taken(tmp_path: Path) -> None:
    resolver = uv_resolver(tmp_path, PipConfig(find_links=(fill(tmp_path / "wheels", OF_IMAGES),), no_index=True))
    (locked,) = resolver.lock(["gamma"], image("cp311-manylinux_2_17_x86_64", "manylinux_2_31_x86_64"), "main").wheels
    assert locked.version == "1.0"


def own_index(tmp_path: Path, name: str, content: bytes) -> None:
    folder = tmp_path / "index/main/simple" / name.partition("-")[0]
    fill(folder, {name: content})
    digest = hashlib.sha256(content).hexdigest()
    (folder / "index.html").write_text(f'<!DOCTYPE html><a href="{name}#sha256={digest}">{name}</a>')


def test_a_name_on_our_own_index_comes_from_nowhere_else(tmp_path: Path) -> None:
    own_index(tmp_path, "beta-1.5-py3-none-any.whl", wheel("beta", "1.5"))
    resolver = uv_resolver(tmp_path, PipConfig(find_links=(fill(tmp_path / "wheels", WHEELS),), no_index=True))
    lock = resolver.lock(["alpha"], ENVIRONMENT, "main")
    assert [(wheel.project, wheel.version) for wheel in lock.wheels] == [("alpha", "1.0"), ("beta", "1.5")]
    assert lock.wheels[1].origin == str(tmp_path / "index/main/simple/beta/beta-1.5-py3-none-any.whl")
    with pytest.raises(Unavailable, match="beta"):
        resolver.lock(["beta>=2"], ENVIRONMENT, "main")
    assert resolver.lock(["beta>=2"], ENVIRONMENT, "other").wheels[0].version == "2.0"


def test_our_own_index_may_be_all_there_is(tmp_path: Path) -> None:
    own_index(tmp_path, "beta-1.5-py3-none-any.whl", wheel("beta", "1.5"))
    lock = uv_resolver(tmp_path, PipConfig(no_index=True)).lock(["beta"], ENVIRONMENT, "main")
    assert [wheel.version for wheel in lock.wheels] == ["1.5"]


def test_with_no_place_to_look_nothing_is_found(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="beta was not found"):
        uv_resolver(tmp_path, PipConfig(no_index=True)).lock(["beta"], ENVIRONMENT, "main")


def test_the_message_is_for_people(tmp_path: Path) -> None:
    links = fill(tmp_path / "wheels", {"beta-3.0-cp38-cp38-win_amd64.whl": wheel("beta", "3.0")})
    with pytest.raises(Unavailable) as caught:
        uv_resolver(tmp_path, PipConfig(find_links=(links,), no_index=True)).lock(["beta"], ENVIRONMENT, "main")
    message = str(caught.value)
    assert message.startswith(f"no wheels for beta: in this-host for {HERE}-{MACHINE}: beta==3.0 has no wheels")
    assert "we can conclude that your requirements" not in message
    assert any(line.startswith("hint:") for line in caught.value.reason.tail)


def test_an_index_that_does_not_answer_is_upstream_s_fault(tmp_path: Path) -> None:
    config = PipConfig(index_url="http://user:secret@127.0.0.1:9/simple")
    with pytest.raises(Unavailable) as caught:
        uv_resolver(tmp_path, config).lock(["beta"], ENVIRONMENT, "main")
    assert caught.value.reason.code == "upstream"
    assert "secret" not in repr(caught.value.reason)


def test_without_uv_the_operator_must_act(tmp_path: Path) -> None:
    with pytest.raises(FarmError, match="install uv"):
        uv_resolver(tmp_path, PipConfig(), uv=str(tmp_path / "absent")).lock(["beta"], ENVIRONMENT, "main")


@pytest.mark.network
def test_the_machine_s_own_index_is_asked(tmp_path: Path) -> None:
    config = read(os.environ, Path.home(), Path(sys.prefix))
    lock = uv_resolver(tmp_path, config).lock(["setuptools>=77", "MarkupSafe"], ENVIRONMENT, "main")
    assert [wheel.project for wheel in lock.wheels] == ["markupsafe", "setuptools"]
    assert all(len(wheel.artifact.sha256) == 64 for wheel in lock.wheels)
    assert MACHINE.rpartition("_")[2] in lock.wheels[0].artifact.name


def test_uv_is_told_the_places_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "links").mkdir()
    config = PipConfig(
        index_url="https://a.invalid/simple",
        extra_index_urls=("https://b.invalid/simple",),
        find_links=(str(tmp_path / "links"), str(tmp_path / "absent")),
        trusted_hosts=("b.invalid",),
    )
    text = uv_configuration(config, tmp_path / "own").replace(tmp_path.as_uri(), "")
    assert text == (
        'allow-insecure-host = ["b.invalid"]\n'
        '[[index]]\nurl = "/own"\ncache-control = { api = "max-age=600" }\n'
        '[[index]]\nurl = "/links"\nformat = "flat"\ncache-control = { api = "max-age=600" }\n'
        '[[index]]\nurl = "https://a.invalid/simple"\ncache-control = { api = "max-age=600" }\n'
        '[[index]]\nurl = "https://b.invalid/simple"\ncache-control = { api = "max-age=600" }\ndefault = true\n'
    )
