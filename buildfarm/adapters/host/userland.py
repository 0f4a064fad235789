"""The plain tools that every session finds, on a developer's machine and on a bare one alike: no compiler among them.

Never a compiler, linker, make, git, pkg-config, ``*-config`` or Python: those come with the provision, or not at all.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from buildfarm.adapters.host.folder import Folder
from buildfarm.model.canonical import digest

_FROM = ("/usr/bin", "/bin", "/usr/sbin", "/sbin")
_NAMES = """
[ arch b2sum base32 base64 basename basenc cat chgrp chmod chown chroot cksum comm cp csplit cut date dd df dir
dircolors dirname du echo env expand expr factor false fmt fold groups head hostid id install join link ln logname ls
md5sum mkdir mkfifo mknod mktemp mv nice nl nohup nproc numfmt od paste pathchk pinky pr printenv printf ptx pwd
readlink realpath rm rmdir runcon seq sha1sum sha224sum sha256sum sha384sum sha512sum shred shuf sleep sort split stat
stdbuf stty sum sync tac tail tee test timeout touch tr true truncate tsort tty uname unexpand uniq unlink users vdir
wc who whoami yes awk bash bunzip2 bzcat bzip2 clear cmp column dash diff diff3 egrep fgrep file find flock free gawk
getconf getent getopt grep gunzip gzip hexdump hostname iconv kill ldconfig ldconfig.real ldd less locale localedef
lscpu m4 mawk more patch perl pgrep pidof pkill ps rev sdiff sed setsid sh tar top tput uncompress unxz unzip unzstd
uptime which xargs xxd xz xzcat zcat zcmp zdiff zgrep zip zless zstd zstdcat
""".split()  # noqa: SIM905 - a list of words reads best as words
_ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nbuild:x:1000:1000:build:/buildfarm/home:/bin/sh\n",
    "group": "root:x:0:\nbuild:x:1000:\n",
    "hosts": "127.0.0.1 localhost buildfarm\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n",
}


def userland(tools: Path) -> Path:
    """The folder of this machine's tools below ``tools``, made where absent: ``bin``, and ``etc`` of our own wording.

    Its name is a digest of which tools there are, so that an upgrade of the system makes a new one.
    """
    found = _found()
    versions = [(name, str(real), real.stat().st_size, real.stat().st_mtime_ns) for name, real in found.items()]
    folder = tools / f"userland-{digest([versions, _ETC])[:16]}"
    if not folder.is_dir():
        tools.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=tools))
        try:
            _fill(aside, found)
            aside.rename(folder)
        except OSError:
            if not folder.is_dir():  # else somebody else was faster
                raise
        finally:
            Folder(aside).remove()
    return folder


def _found() -> dict[str, Path]:
    paths = (f"{folder}/{name}" for name in sorted(_NAMES) for folder in reversed(_FROM))
    return {Path(path).name: Path(path).resolve() for path in paths if os.access(path, os.X_OK)}


def _fill(folder: Path, found: dict[str, Path]) -> None:
    tools, etc = folder / "bin", folder / "etc"
    folder.chmod(0o755)
    tools.mkdir()
    etc.mkdir()
    copies: dict[Path, Path] = {}
    for name, real in found.items():
        if real in copies:
            (tools / name).hardlink_to(copies[real])  # busybox is one file under many names
        else:
            copies[real] = tools / name
            shutil.copyfile(real, tools / name)
            (tools / name).chmod(0o555)
    for name, text in _ETC.items():
        (etc / name).write_text(text)
