"""The guest's own PDBs, written where a debugger's symbol path finds them: NAME/GUIDAGE/NAME."""

from __future__ import annotations

from pathlib import Path

from kdnb.symbols.pe import PeImage

__all__ = ["IMAGES", "write_symbols"]

IMAGES = Path(__file__).parent / "guest" / "images"


def write_symbols(folder: Path) -> list[Path]:
    """Copy each image's PDB into `folder` in store layout; the files written. An image without a PDB is left out."""
    written = []
    for image in sorted([*IMAGES.glob("*.exe"), *IMAGES.glob("*.sys")]):
        codeview = PeImage.from_file(image.read_bytes()).codeview
        if codeview is None or not (source := IMAGES / codeview.pdb_name).is_file():
            continue
        target = folder / codeview.pdb_name / codeview.key / codeview.pdb_name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        written.append(target)
    return written
