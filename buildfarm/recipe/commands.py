"""What a command cannot do in a session: there is no shell, no network, and nobody is root."""

from __future__ import annotations

import re
import shlex

from buildfarm.recipe.nodes import MapNode, Scalar
from buildfarm.recipe.reading import Reading
from buildfarm.recipe.texts import LONGEST_COMMAND

_SHELLS = ("sh", "bash", "dash", "cmd", "pwsh", "powershell")
_JOINS = ("&&", ";", "||", "&")
_PIPES = ("|", ">", ">>", "<", "2>", "2>&1")
_SHELL = 'write sh -c "…"'
_BUILTINS = {
    "cd": "a test has 'in'; for the rest write sh -c \"cd … && …\"",
    "source": _SHELL,
    **dict.fromkeys(("export", "set", "unset"), "write variables under env"),
}
_MANAGERS = ("apt", "apt-get", "dnf", "yum", "apk", "brew", "choco")
_FETCHERS = ("curl", "wget")
_GIT = ("clone", "fetch", "pull", "submodule")
_VARIABLE = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_]|\()")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)


def check_build_commands(node: MapNode, reading: Reading) -> None:
    """Tell what commands of a build part ask for in vain."""
    for command in node.scalars("before"):
        _check(command, "build: {requires: {add: […]}} installs it before the build", reading)


def check_test_commands(node: MapNode, reading: Reading) -> None:
    """Tell what commands of a test ask for in vain."""
    for command in node.scalars("run"):
        _check(command, "write it under the test's 'requires'", reading)


def words_of(command: Scalar) -> list[str]:
    """The words of a command; none where it is too long or its quotes are odd, which its field tells."""
    try:
        return shlex.split(command.text) if len(command.text) <= LONGEST_COMMAND else []
    except ValueError:
        return []


def _check(command: Scalar, instead_of_pip: str, reading: Reading) -> None:
    words = words_of(command)
    if not words or words[0] in _SHELLS:
        return
    _shell(command, words, reading)
    if words[0] == "sudo":
        _warn("no-root", command, "sudo", "nobody is root in a session", "leave sudo out", reading)
        words = words[1:] or words
    program, rest = words[0], words[1:]
    if program in _MANAGERS:
        advice = f"system: {{{'apt' if program == 'apt-get' else program}: […]}} installs packages before the build"
        _warn("no-network", command, program, "a session has no network", advice, reading)
    elif program in _FETCHERS or (program == "git" and rest[:1] and rest[0] in _GIT):
        advice = "what it needs comes from the source, a patch, or a requirement"
        _warn("no-network", command, program, "a session has no network", advice, reading)
    elif "pip" in (program, *rest[:2]) and "install" in rest and "--no-index" not in rest:
        _warn("no-network", command, "pip", "a session has no network to install from", instead_of_pip, reading)


def _shell(command: Scalar, words: list[str], reading: Reading) -> None:
    """Tell the first thing that only a shell would understand."""
    message = "{} means nothing here: commands run without a shell"
    if words[0] in _BUILTINS:
        _warn("no-shell", command, words[0], message.format(words[0]), _BUILTINS[words[0]], reading)
    elif _ASSIGNMENT.fullmatch(words[0]):
        _warn("no-shell", command, words[0], message.format(words[0]), "write variables under env", reading)
    for word in words[1:]:
        if (word in _JOINS or word.endswith(";")) and "-exec" not in words:
            sign = word if word in _JOINS else ";"
            _warn(
                "no-shell", command, sign, message.format(sign), "several commands are a list: [first, second]", reading
            )
            return
        if word in _PIPES:
            _warn("no-shell", command, word, message.format(word), _SHELL, reading)
            return
        if "-c" not in words and (variable := _VARIABLE.search(word)):
            advice = f"{_SHELL}; {{work}} is the folder of the session"
            _warn("no-shell", command, variable[0], message.format(variable[0]), advice, reading)
            return


def _warn(code: str, command: Scalar, word: str, message: str, advice: str, reading: Reading) -> None:
    start = command.text.find(word)
    reading.warn(code, command.part(start, len(word)) if start >= 0 else command.span, message, advice)
