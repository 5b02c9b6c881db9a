"""Builds the guest's images from C and assembly with clang and lld-link, and compares them with the committed ones.

`python -m kdnb.simulator.guest.build` writes `images/` (amd64) and `images/x86/`; with `--check` it builds into a
temporary folder and exits with status 1 where code, data, unwind data, exports or PDB publics differ. GUIDs, times and
paths may differ.
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

from kdnb.symbols.pe import PeImage

GUEST = Path(__file__).resolve().parent
SOURCE = GUEST / "source"
IMAGES = GUEST / "images"
CLANG = 14
"""Major version of the clang that the committed images come from; another chooses other instructions."""
KERNEL, LIBRARY = "ntoskrnl.exe", "ntoskrnl.lib"

COMPILER_FLAGS = (
    "-c -g -gcodeview -ffreestanding -fshort-wchar -O1 -fno-inline-functions"
    " -fno-optimize-sibling-calls -fno-builtin -fno-jump-tables -mno-implicit-float -mno-sse -mno-stack-arg-probe"
    " -fno-ident -ffile-compilation-dir=. -Wall -Wextra -Werror -Wno-unused-parameter"
    " -Wno-multichar -Wno-missing-field-initializers -Wno-sign-compare"
).split()

LINKER_FLAGS = (
    "/nologo /debug /nodefaultlib /dynamicbase:no /fixed /Brepro /pdbsourcepath:."
    " /opt:noref /opt:noicf /version:10.0 /osversion:10.0"
).split()


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """One image: where it is linked to run, its sources, its PDB and entry, if it has one."""

    name: str
    pdb: str
    base: int
    sources: tuple[str, ...]
    entry: str
    user: bool = False
    """Whether it runs in user mode."""


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """One machine: what its tools need beside the common flags, and where its images go below `images`."""

    folder: str
    compiler_flags: tuple[str, ...]
    linker_flags: tuple[str, ...]
    images: tuple[ImageSpec, ...]
    directories_offset: int
    """Of the data directories in the optional header."""


_SHARED = (
    "ke.c", "exception.c", "kd.c", "dbgfilter.c", "mm.c", "partition.c", "vad.c", "pool.c", "ex.c", "handle.c", "se.c",
    "ob.c", "io.c", "irp.c", "pnp.c", "image.c", "load.c", "ps.c", "rtl.c", "user.c",
)  # fmt: skip
NTDLL, NTDLL_LIBRARY = "ntdll.dll", "ntdll.lib"
_USER_IMAGES = (
    ImageSpec(NTDLL, "ntdll.pdb", 0x7FFA10000000, ("ntdll_services.S", "ntdll.c"), "", user=True),
    ImageSpec("notepad.exe", "notepad.pdb", 0x7FF7A0000000, ("notepad.c",), "WinMainCRTStartup", user=True),
)


def image_specs(kernel: tuple[str, ...], bases: tuple[int, int, int, int, int]) -> tuple[ImageSpec, ...]:
    """The five images, the kernel from `kernel` and the shared sources."""
    drivers = [
        ImageSpec(f"{name}.sys", f"{name}.pdb", base, (f"{name}.c",), "DriverEntry")
        for name, base in zip(("disk", "ntfs", "buggy", "echo"), bases[1:], strict=True)
    ]
    return ImageSpec(KERNEL, "ntkrnlmp.pdb", bases[0], (*kernel, *_SHARED), "KiSystemStartup"), *drivers


AMD64 = TargetSpec(
    ".",
    ("--target=x86_64-pc-windows-msvc", "-fasynchronous-unwind-tables"),
    ("/machine:x64",),
    (
        *image_specs(
            ("trap.S", "amd64.c", "exception_amd64.c"),
            (0xFFFFF80041E00000, 0xFFFFF80043200000, 0xFFFFF80043240000, 0xFFFFF80044010000, 0xFFFFF80044050000),
        ),
        *_USER_IMAGES,
    ),
    112,
)
X86 = TargetSpec(
    "x86",
    ("--target=i686-pc-windows-msvc", "-mrtd", "-fno-omit-frame-pointer"),
    ("/machine:x86", "/safeseh:no"),
    image_specs(
        ("trap_x86.S", "x86.c", "exception_x86.c"), (0x80400000, 0xF7320000, 0xF7360000, 0xF8A10000, 0xF8A50000)
    ),
    96,
)
TARGETS = (AMD64, X86)


def run(folder: Path, *command: str | Path) -> None:
    """Runs a tool of the toolchain; its own message explains a failure."""
    subprocess.run([str(part) for part in command], check=True, cwd=folder)


def build_image(target: TargetSpec, spec: ImageSpec, folder: Path, scratch: Path) -> None:
    """Compiles in `source`, links in `scratch` by relative names: the PDB's paths are then the same anywhere."""
    kernel, ntdll = spec.name == KERNEL, spec.name == NTDLL
    objects = []
    for source in spec.sources:
        flags = [flag for flag in COMPILER_FLAGS if not (source.endswith(".S") and flag.startswith("-g"))]
        objects.append(f"{Path(spec.name).stem}.{Path(source).stem}.obj")
        flags += [*target.compiler_flags, *(["-DKERNEL"] if kernel else []), *(["-DNTDLL"] if ntdll else [])]
        run(SOURCE, "clang", *flags, source, "-o", scratch / objects[-1])
    flags = [
        *LINKER_FLAGS, *target.linker_flags, f"/base:{spec.base:#x}", f"/out:{spec.name}",
        f"/entry:{spec.entry}" if spec.entry else "/noentry",
        f"/pdb:{spec.pdb}", f"/pdbaltpath:{spec.pdb}", "/subsystem:" + ("windows" if spec.user else "native"),
        *(["/dll"] if ntdll else []),
    ]  # fmt: skip
    if kernel and target is X86:
        flags.append(f"/def:{write_exports(folder, scratch)}")
    library = NTDLL_LIBRARY if spec.user else LIBRARY
    run(scratch, "lld-link", *flags, f"/implib:{library}" if kernel or ntdll else library, *objects)
    image = bytearray((scratch / spec.name).read_bytes())
    write_checksum(image)
    (folder / spec.name).write_bytes(image)
    shutil.copyfile(scratch / spec.pdb, folder / spec.pdb)


def write_exports(folder: Path, scratch: Path) -> str:
    """A .def file with what the amd64 kernel beside exports: only so get x86 exports names without decoration."""
    kernel = PeImage.from_file((folder.parent / KERNEL).read_bytes())
    names = sorted(name for _rva, name in kernel.exports())
    (scratch / "exports.def").write_text("EXPORTS\n" + "".join(f"    {name}\n" for name in names))
    return "exports.def"


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
    for target in TARGETS:
        images = folder / target.folder
        images.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as name:
            for spec in target.images:
                build_image(target, spec, images, Path(name))


def differences(built: Path, committed: Path) -> list[str]:
    """What differs between two folders of images, one line each: sections, exports, imports, PDB publics."""
    found = []
    for target in TARGETS:
        for spec in target.images:
            new = describe(built / target.folder, target, spec)
            old = describe(committed / target.folder, target, spec)
            parts = sorted(new.keys() | old.keys())
            name = Path(target.folder) / spec.name
            found += [f"{name}: {part} differs" for part in parts if new.get(part) != old.get(part)]
    return found


def describe(folder: Path, target: TargetSpec, spec: ImageSpec) -> dict[str, object]:
    """The parts of an image that have to stay the same, so without the debug directory (GUID and time)."""
    image = (folder / spec.name).read_bytes()
    header = struct.unpack_from("<I", image, 0x3C)[0]
    directories = [struct.unpack_from("<II", image, header + 24 + target.directories_offset + 8 * i) for i in range(16)]
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
