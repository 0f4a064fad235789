"""A build backend (PEP 517) that needs nothing: it zips every module beside it, except itself."""

import base64
import hashlib
import zipfile
from pathlib import Path

NAME, VERSION, REQUIRES = "tinypure", "1.0", []
WHEEL = "Wheel-Version: 1.0\nGenerator: tiny\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
METADATA = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\nRequires-Python: >=3.9\n"


def build_wheel(folder, config_settings=None, metadata_directory=None):
    info = f"{NAME}-{VERSION}.dist-info"
    files = {path.name: path.read_bytes() for path in sorted(Path().glob("*.py")) if path.name != "backend.py"}
    files[f"{info}/METADATA"] = (METADATA + "".join(f"Requires-Dist: {each}\n" for each in REQUIRES)).encode()
    files[f"{info}/WHEEL"] = WHEEL.encode()
    lines = [f"{path},sha256={digest(content)},{len(content)}\n" for path, content in files.items()]
    files[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"]).encode()
    return write(folder, f"{NAME}-{VERSION}-py3-none-any.whl", files)


def digest(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def write(folder, filename, files):
    with zipfile.ZipFile(Path(folder, filename), "w") as wheel:
        for path, content in files.items():
            wheel.writestr(zipfile.ZipInfo(path), content)
    return filename
