"""The packages of this system whose shared libraries a wheel could be linked with, as JSON on standard output.

Asked of the package manager's own records; a program of its own, for any Python from 3.9 on.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Package = dict[str, object]

LIBRARY = re.compile(r"[^/]+\.so(?:\.[0-9A-Za-z_.]+)?")


def dpkg() -> Iterator[Package]:
    with open("/var/lib/dpkg/status", encoding="utf-8", errors="replace") as file:
        stanzas = file.read().split("\n\n")
    for stanza in stanzas:
        said = dict(line.split(": ", 1) for line in stanza.splitlines() if re.match(r"[A-Z][\w-]*: ", line))
        if not said.get("Status", "").endswith(" installed"):
            continue
        name = said["Package"]
        files: list[str] = []
        for suffix in ("", ":" + said["Architecture"]):
            files += lines("/var/lib/dpkg/info/" + name + suffix + ".list")
        yield {
            "manager": "apt",
            "name": name,
            "version": said["Version"],
            "architecture": said["Architecture"],
            "source": said.get("Source", name).split(" ")[0],
            "libraries": libraries(files),
            "licence": text(["/usr/share/doc/" + name + "/copyright"]),
        }


def rpm() -> Iterator[Package]:
    files: dict[str, list[str]] = {}
    for line in asked("rpm", "-qa", "--qf", r"[%{=NAME}\t%{FILENAMES}\n]"):
        name, _, path = line.partition("\t")
        files.setdefault(name, []).append(path)
    for line in asked("rpm", "-qa", "--qf", r"%{NAME}\t%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t%{LICENSE}\n"):
        name, version, architecture, source, licence = line.split("\t")
        told = sorted(path for path in files.get(name, ()) if path.startswith("/usr/share/licenses/"))
        yield {
            "manager": "dnf",
            "name": name,
            "version": version,
            "architecture": architecture,
            "source": source.rsplit("-", 2)[0],
            "libraries": libraries(files.get(name, ())),
            "licence": "License: " + licence + "\n" + text(told),
        }


def apk() -> Iterator[Package]:
    for record in "\n".join(lines("/lib/apk/db/installed")).split("\n\n"):
        said: dict[str, str] = {}
        files: list[str] = []
        for line in record.splitlines():
            field, _, value = line.partition(":")
            said[field] = value
            if field == "R":
                files.append("/" + said["F"] + "/" + value)
        if "P" in said:
            yield {
                "manager": "apk",
                "name": said["P"],
                "version": said["V"],
                "architecture": said["A"],
                "source": said.get("o", said["P"]),
                "libraries": libraries(files),
                "licence": "License: " + said.get("L", "") + "\n",
            }


def lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []


def asked(*argv: str) -> list[str]:
    return subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout.decode(errors="replace").splitlines()


def text(paths: Iterable[str]) -> str:
    return "\n".join("\n".join(lines(path)) + "\n" for path in paths if os.path.isfile(path))


def libraries(paths: Iterable[str]) -> dict[str, str]:
    """File name → sha256, of those that are files; what is a link is in another name's place."""
    found = {}
    for path in paths:
        if LIBRARY.fullmatch(os.path.basename(path)) and os.path.isfile(path) and not os.path.islink(path):
            with open(path, "rb") as file:
                found[os.path.basename(path)] = hashlib.sha256(file.read()).hexdigest()
    return found


def release() -> str:
    """``debian 11``, by os-release(5)."""
    said = dict(line.split("=", 1) for line in lines("/etc/os-release") if "=" in line)
    return (said.get("ID", "linux") + " " + said.get("VERSION_ID", "")).replace('"', "").strip()


def main() -> None:
    if os.path.exists("/var/lib/dpkg/status"):
        packages = dpkg()
    elif glob.glob("/var/lib/rpm/*") or glob.glob("/usr/lib/sysimage/rpm/*"):
        packages = rpm()
    else:
        packages = apk()
    with_libraries = [{**package, "release": release()} for package in packages if package["libraries"]]
    json.dump(sorted(with_libraries, key=lambda package: str(package["name"])), sys.stdout)


if __name__ == "__main__":
    main()
