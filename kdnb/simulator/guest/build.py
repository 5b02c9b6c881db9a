"""Builds the guest's images from C and assembly with clang and lld-link, and compares them with the committed ones.

`python -m kdnb.simulator.guest.build` writes `images/`; with `--check` it builds into a temporary folder and exits with
status 1 where code, data, unwind data, exports or PDB publics differ. GUIDs, times and paths may differ.
"""

from __future__ import annotations

import argparse
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

GUEST = Path(__file__).resolve().parent
SOURCE = GUEST / "source"
IMAGES = GUEST / "images"
CLANG = 14
"""Major version of the clang that the committed images come from; another chooses other instructions."""
KERNEL, LIBRARY = "ntoskrnl.exe", "ntoskrnl.lib"

COMPILER_FLAGS = (
    "--target=x86_64-pc-windows-msvc -c -g -gcodeview -ffreestanding -fshort-wchar -O1 -fno-inline-functions"
    " -fno-optimize-sibling-calls -fno-builtin -mno-implicit-float -mno-sse -mno-stack-arg-probe"
    " -fasynchronous-unwind-tables -fno-ident -ffile-compilation-dir=. -Wall -Wextra -Werror -Wno-unused-parameter"
    " -Wno-multichar -Wno-missing-field-initializers -Wno-sign-compare"
).split()

LINKER_FLAGS = (
    "/nologo /debug /subsystem:native /nodefaultlib /machine:x64 /dynamicbase:no /fixed /Brepro /pdbsourcepath:."
    " /opt:noref /opt:noicf /version:10.0 /osversion:10.0"
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
        KERNEL,
        "ntkrnlmp.pdb",
        0xFFFFF80041E00000,
        ("trap.S", "amd64.c", "ke.c", "kd.c", "mm.c", "io.c", "ps.c", "rtl.c"),
        "KiSystemStartup",
    ),
    ImageSpec("disk.sys", "disk.pdb", 0xFFFFF80043200000, ("disk.c",), "DriverEntry"),
    ImageSpec("ntfs.sys", "ntfs.pdb", 0xFFFFF80043240000, ("ntfs.c",), "DriverEntry"),
    ImageSpec("buggy.sys", "buggy.pdb", 0xFFFFF80044010000, ("buggy.c",), "DriverEntry"),
)


def run(folder: Path, *command: str | Path) -> None:
    """Runs a tool of the toolchain; its own message explains a failure."""
    subprocess.run([str(part) for part in command], check=True, cwd=folder)


def build_image(spec: ImageSpec, folder: Path, scratch: Path) -> None:
    """Compiles in `source`, links in `scratch` by relative names: the PDB's paths are then the same anywhere."""
    kernel = spec.name == KERNEL
    objects = []
    for source in spec.sources:
        flags = [flag for flag in COMPILER_FLAGS if not (source.endswith(".S") and flag.startswith("-g"))]
        objects.append(f"{Path(spec.name).stem}.{Path(source).stem}.obj")
        run(SOURCE, "clang", *flags, *(["-DKERNEL"] if kernel else []), source, "-o", scratch / objects[-1])
    flags = [
        *LINKER_FLAGS, f"/base:{spec.base:#x}", f"/entry:{spec.entry}", f"/out:{spec.name}", f"/pdb:{spec.pdb}",
        f"/pdbaltpath:{spec.pdb}",
    ]  # fmt: skip
    run(scratch, "lld-link", *flags, f"/implib:{LIBRARY}" if kernel else LIBRARY, *objects)
    image = bytearray((scratch / spec.name).read_bytes())
    write_checksum(image)
    (folder / spec.name).write_bytes(image)
    shutil.copyfile(scratch / spec.pdb, folder / spec.pdb)


def write_checksum(image: bytearray) -> None:
    """OptionalHeader.CheckSum as the Windows loader checks it: folded 16-bit words plus the file's size."""
    at = struct.unpack_from("<I", image, 0x3C)[0] + 24 + 64
    struct.pack_into("<I", image, at, 0)
    padded = bytes(image) + bytes(len(image) % 2)
    total = sum(struct.unpack(f"<{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into("<I", image, at, total + len(image))


def build(folder: Path) -> None:
    """Builds every image and PDB into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        for spec in SPECS:
            build_image(spec, folder, Path(name))


def differences(built: Path, committed: Path) -> list[str]:
    """What differs between two folders of images, one line each: sections, exports, imports, PDB publics."""
    found = []
    for spec in SPECS:
        new, old = describe(built, spec), describe(committed, spec)
        parts = sorted(new.keys() | old.keys())
        found += [f"{spec.name}: {part} differs" for part in parts if new.get(part) != old.get(part)]
    return found


def describe(folder: Path, spec: ImageSpec) -> dict[str, object]:
    """The parts of an image that have to stay the same, so without the debug directory (GUID and time)."""
    image = (folder / spec.name).read_bytes()
    header = struct.unpack_from("<I", image, 0x3C)[0]
    directories = [struct.unpack_from("<II", image, header + 24 + 112 + 8 * i) for i in range(16)]
    parts: dict[str, object] = {"directories": directories, "publics": publics(folder / spec.pdb)}
    sections, optional_size = struct.unpack_from("<2xH12xH", image, header + 4)
    for i in range(sections):
        name, size, rva, raw_size, raw = struct.unpack_from("<8sIIII", image, header + 24 + optional_size + 40 * i)
        content = bytearray(image[raw : raw + min(size, raw_size)])
        blank_debug_data(content, rva, directories[6])
        parts[name.rstrip(b"\0").decode()] = rva, size, bytes(content)
    return parts


def blank_debug_data(content: bytearray, section_rva: int, directory: tuple[int, int]) -> None:
    """Zero the debug directory and what it points to, in the section that holds it."""
    rva, size = directory
    start = rva - section_rva
    if not 0 <= start < len(content):
        return
    for entry in range(start, start + size, 28):
        data_size, data_rva = struct.unpack_from("<II", content, entry + 16)
        data = data_rva - section_rva
        content[data : data + data_size] = bytes(data_size)
    content[start : start + size] = bytes(size)


def publics(pdb: Path) -> str:
    """Public symbols by llvm-pdbutil, sorted."""
    command = ["llvm-pdbutil", "dump", "-publics", str(pdb)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    starts = [i for i, line in enumerate(lines) if "S_PUB32" in line]
    return "\n".join(sorted(f"{lines[i].split('`')[1]} {lines[i + 1].strip()}" for i in starts))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Builds the guest's images.")
    parser.add_argument("--check", action="store_true", help="compare with the committed images, change nothing")
    if not parser.parse_args(arguments).check:
        build(IMAGES)
        return 0
    with tempfile.TemporaryDirectory() as name:
        build(Path(name))
        found = differences(Path(name), IMAGES)
    sys.stderr.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
