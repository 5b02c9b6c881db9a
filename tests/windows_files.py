"""Images and PDBs that Microsoft's compiler and linker made, out of public wheels; nothing of them is kept here.

The wheels are fetched by pip, checked by their hashes, and kept in pytest's cache, or in the folder that
`KDNB_TEST_WHEELS` names (with the wheels in it, no network is needed).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["WindowsFiles", "WindowsFilesMissing", "windows_files"]

_DOWNLOAD = "-m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all:"
_MINUTES = 3


@dataclass(frozen=True)
class Wheel:
    name: str
    version: str
    sha256: str
    folder: str
    """Where the files that are wanted lie in it."""
    platform: str = "win_amd64"
    under: str = ""
    """Folder that they are unpacked to."""

    @property
    def file(self) -> str:
        return f"{self.name.replace('-', '_')}-{self.version}-cp311-cp311-{self.platform}.whl"


WHEELS = (
    # Small C and C++ programs for x64 and x86, each with its private PDB.
    Wheel(
        "debugpy",
        "1.8.22",
        "1e76339d5510bc17e9181dba9577508afcb21aad5728f1a55ef74d7d97d255f3",
        "debugpy/_vendored/pydevd/pydevd_attach_to_process/",
    ),
    # The C++ run-time library: thousands of functions with exception tables, without PDBs.
    Wheel(
        "msvc-runtime",
        "14.44.35112",
        "aba7fbe71897d25ed53fbb7f391e9f50289378a8a9ae218ba18530c663448391",
        "msvc_runtime-14.44.35112.data/data/",
    ),
    # The same for ARM64.
    Wheel(
        "msvc-runtime",
        "14.44.35112",
        "3a9c137951944fdc121377947bb4787dcd1007b505d7cf26f62d308d2b8df280",
        "msvc_runtime-14.44.35112.data/data/",
        "win_arm64",
        "arm64",
    ),
)
_SUFFIXES = (".dll", ".exe", ".pdb")


class WindowsFilesMissing(Exception):
    """Why the wheels can't be had."""


@dataclass(frozen=True)
class WindowsFiles:
    """A folder with all files of the wheels, by their names (`arm64/msvcp140.dll`)."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name

    def data(self, name: str) -> bytes:
        return self.path(name).read_bytes()


def windows_files(cache: Path) -> WindowsFiles:
    """The files, fetched on first use. Raises `WindowsFilesMissing`."""
    kept = Path(os.environ.get("KDNB_TEST_WHEELS") or cache)
    folder = cache / "files"
    for wheel in WHEELS:
        path = kept / wheel.file
        if not path.is_file():
            _download(wheel, kept)
        if hashlib.sha256(path.read_bytes()).hexdigest() != wheel.sha256:
            raise WindowsFilesMissing(f"{path} is not the wheel that the tests know; delete it")
        _unpack(path, wheel, folder / wheel.under)
    return WindowsFiles(folder)


def _download(wheel: Wheel, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, *_DOWNLOAD.split(), "--platform", wheel.platform, "--python-version", "3.11"]
    try:
        done = subprocess.run(
            [*command, "--dest", str(folder), f"{wheel.name}=={wheel.version}"],
            capture_output=True,
            text=True,
            timeout=60 * _MINUTES,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise WindowsFilesMissing(f"pip had not fetched {wheel.name} after {_MINUTES} minutes") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise WindowsFilesMissing(
            f"pip could not fetch {wheel.name}: {lines[-1][:200] if lines else 'no reason given'}"
        )


def _unpack(path: Path, wheel: Wheel, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.filename.startswith(wheel.folder) or not member.filename.endswith(_SUFFIXES):
                continue
            target = folder / Path(member.filename).name
            if not target.is_file() or target.stat().st_size != member.file_size:
                target.write_bytes(archive.read(member))
