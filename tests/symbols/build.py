"""Builds small Windows images with clang and lld, for the tests that need real ones."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TARGET = [
    "--target=x86_64-pc-windows-msvc",
    "-g",
    "-gcodeview",
    "-ffreestanding",
    "-fno-stack-protector",
    "-funwind-tables",
]


@dataclass(frozen=True)
class Built:
    image: Path
    pdb: Path


def build(
    folder: Path,
    sources: list[Path],
    *options: str,
    entry: str = "Entry",
    target: list[str] = TARGET,
    link_options: tuple[str, ...] = (),
) -> Built:
    """A DLL and its PDB in `folder`, from C and assembler sources."""
    objects = []
    for source in sources:
        target_file = folder / f"{source.stem}.obj"
        flags = [*target, *options] if source.suffix == ".c" else target[:1]
        subprocess.run(["clang", *flags, "-c", str(source), "-o", str(target_file)], check=True)
        objects.append(str(target_file))
    image, pdb = folder / "program.dll", folder / "program.pdb"
    link = ["lld-link", "/debug", "/dll", "/subsystem:native", "/nodefaultlib", f"/entry:{entry}", *link_options]
    subprocess.run([*link, f"/out:{image}", f"/pdb:{pdb}", *objects], check=True)
    return Built(image, pdb)
