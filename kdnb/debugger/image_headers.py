"""The headers of an image as a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.results.images import ImageHeaders, ImageSection

if TYPE_CHECKING:
    from kdnb.symbols.pe import PeImage

__all__ = ["image_headers"]


def image_headers(
    image: PeImage, base: int, *, shows_headers: bool = True, shows_sections: bool = True
) -> ImageHeaders:
    """What stands in the headers of the image at `base`; the last two say what its text shows."""
    sections = tuple(
        ImageSection(one.name, one.virtual_size, one.rva, one.file_size, one.file_offset, one.characteristics)
        for one in image.sections
    )
    return ImageHeaders(
        base=base,
        machine=image.machine,
        timestamp=image.timestamp,
        characteristics=image.characteristics,
        is_64bit=image.is_64bit,
        entry_point=image.entry_point,
        image_base=image.image_base,
        size_of_image=image.size_of_image,
        size_of_headers=image.size_of_headers,
        checksum=image.checksum,
        subsystem=image.subsystem,
        directories=image.directories,
        sections=sections,
        shows_headers=shows_headers,
        shows_sections=shows_sections,
    )
