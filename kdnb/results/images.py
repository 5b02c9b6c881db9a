"""What stands in the headers of an image (`!lmi`, `!dh`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kdnb.results.base import Result, TableResult

__all__ = ["ImageHeaders", "ImageSection", "LoadedImage"]


@dataclass(frozen=True, slots=True, repr=False)
class LoadedImage(Result):
    """A loaded image's identity and the state of its symbols."""

    name: str
    base: int
    image_name: str
    machine: int
    timestamp: int
    size: int
    checksum: int
    characteristics: int
    address_size: int
    pdb_name: str = ""
    pdb_guid: str = ""
    """32 hex digits; empty where the image names no PDB."""
    pdb_age: int = 0
    symbol_status: str = ""
    symbol_file: str = ""
    symbol_note: str = ""
    """Why there are no better symbols."""
    has_types: bool = False
    is_file: bool = False
    """Read from a file on this host: the image was unloaded."""


@dataclass(frozen=True, slots=True)
class ImageSection:
    """A section of an image; sizes in bytes, places as RVAs and file offsets."""

    name: str
    virtual_size: int
    rva: int
    raw_size: int
    raw_offset: int
    characteristics: int


@dataclass(frozen=True, slots=True, repr=False)
class ImageHeaders(TableResult):
    """File header, optional header and sections; the table is that of the sections."""

    base: int
    machine: int
    timestamp: int
    characteristics: int
    is_64bit: bool
    entry_point: int
    image_base: int
    size_of_image: int
    size_of_headers: int
    checksum: int
    subsystem: int
    directories: tuple[tuple[int, int], ...]
    """RVA and size of each data directory."""
    sections: tuple[ImageSection, ...]
    shows_headers: bool = True
    shows_sections: bool = True

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "name": section.name,
                "rva": section.rva,
                "virtual_size": section.virtual_size,
                "raw_offset": section.raw_offset,
                "raw_size": section.raw_size,
                "characteristics": section.characteristics,
            }
            for section in self.sections
        ]
