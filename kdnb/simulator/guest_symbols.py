"""The guest's own files, written where a debugger's symbol path finds them.

PDBs as NAME/GUIDAGE/NAME, images as NAME/TIMESTAMPSIZE/NAME: a debugger needs them for drivers that were unloaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.simulator.architecture import AMD64
from kdnb.simulator.loader import guest_files
from kdnb.symbols.pe import PeImage

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.simulator.architecture import Architecture

__all__ = ["write_symbols"]


def write_symbols(folder: Path, architecture: Architecture = AMD64) -> list[Path]:
    """Write each image and its PDB into `folder` in store layout; the PDBs' paths."""
    written = []
    for file in guest_files(architecture):
        image = PeImage.from_file(file.image)
        _write(folder / file.name / f"{image.timestamp:08X}{image.size_of_image:x}" / file.name, file.image)
        if image.codeview is not None:
            written.append(folder / file.pdb_name / image.codeview.key / file.pdb_name)
            _write(written[-1], file.pdb)
    return written


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
