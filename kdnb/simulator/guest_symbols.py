"""The guest's own PDBs, written where a debugger's symbol path finds them: NAME/GUIDAGE/NAME."""

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
    """Write each image's PDB into `folder` in store layout; the files written."""
    written = []
    for file in guest_files(architecture):
        codeview = PeImage.from_file(file.image).codeview
        if codeview is None:
            continue
        target = folder / file.pdb_name / codeview.key / file.pdb_name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.pdb)
        written.append(target)
    return written
