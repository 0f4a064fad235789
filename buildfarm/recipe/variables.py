"""Environment variables and settings that do harm: those of the session itself, flags for one machine, secrets."""

from __future__ import annotations

import re

from buildfarm.recipe.diagnostic import SECRET
from buildfarm.recipe.nodes import MapNode, Scalar
from buildfarm.recipe.reading import Reading
from buildfarm.recipe.secrets import SECRET_NAME, SECRET_TEXT

_COMPILER = (
    "it takes the place of the session's own tool",
    "build: {compiler: …} chooses the compiler; CFLAGS and LDFLAGS add flags",
)
_LINKER = ("the session's own tools load those libraries too", "repair: {search: […]} names folders with libraries")
_PYTHON = ("it puts modules before those that are installed", "name what is needed under 'requires'")
_INDEX = ("a session has no network", "requirements come from the index that this machine's pip is configured for")
_OURS = {
    **dict.fromkeys(("CC", "CXX", "LD", "AR", "RANLIB", "CPP"), _COMPILER),
    **dict.fromkeys(("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH"), _LINKER),
    **dict.fromkeys(("PYTHONPATH", "PYTHONHOME"), _PYTHON),
    **dict.fromkeys(("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_INDEX"), _INDEX),
    "SOURCE_DATE_EPOCH": ("it follows from the source already", "leave it out"),
    "PATH": ("the session's programs are found by it", "call a program by its path"),
}
_OF_A_TEST = ("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "PATH")
_NATIVE = re.compile(r"-m(?:arch|cpu|tune)=native\b")
_REVOKE = "take it out, and revoke it: what was in a file was read"


def check_build_variables(node: MapNode, reading: Reading) -> None:
    """Tell variables of a build part that the session sets, flags for one machine, and secrets."""
    _owned(node, tuple(_OURS), reading)
    env = node.get("env")
    for name, value in env.entries if isinstance(env, MapNode) else ():
        if isinstance(value, Scalar) and SECRET_NAME.search(f"{name.text}: {value.text}"):
            _secret(value, reading)
    for scalar in node.scalars("before", "env", "config_settings"):
        if native := _NATIVE.search(scalar.text):
            message = f"{native[0]} is code for the processor of the build machine, which others do not run"
            span = scalar.part(native.start(), len(native[0]))
            reading.warn("native", span, message, "leave it out, or name the oldest processor: -march=x86-64-v2")
        if SECRET_TEXT.search(scalar.text):
            _secret(scalar, reading)


def check_test_variables(node: MapNode, reading: Reading) -> None:
    """Tell variables of a test that keep it from seeing what a consumer sees, and secrets."""
    _owned(node, _OF_A_TEST, reading)
    for scalar in node.scalars("run", "env", "files"):
        if SECRET_TEXT.search(scalar.text):
            _secret(scalar, reading)


def check_source_url(node: MapNode, reading: Reading) -> None:
    """Tell a password in the URL of a source."""
    for scalar in node.scalars("url", "git"):
        if SECRET_TEXT.search(scalar.text):
            _secret(scalar, reading)


def _owned(node: MapNode, names: tuple[str, ...], reading: Reading) -> None:
    env = node.get("env")
    for name, _ in env.entries if isinstance(env, MapNode) else ():
        if name.text in names:
            why, advice = _OURS[name.text]
            reading.warn("session-variable", name.span, f"{name.text} does harm here: {why}", advice)


def _secret(value: Scalar, reading: Reading) -> None:
    if not any(each.code == SECRET and each.span == value.span for each in reading.diagnostics):
        reading.warn(SECRET, value.span, "this looks like a credential", _REVOKE)
