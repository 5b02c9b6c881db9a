"""Image files on this host: what is no longer in the target's memory has its headers and unwind data there.

They are looked for where symbols are: in plain folders, and in stores, NAME/TIMESTAMPSIZE/NAME. Names from targets are
checked before they become part of a path, and a file is taken only when its machine and size are the image's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from kdnb.errors import SymbolFileError
from kdnb.symbols.cabinet import expand
from kdnb.symbols.pe import PeImage
from kdnb.symbols.store import read_file, safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.symbols.store import PathElement, SymbolPath

__all__ = ["ImageFile", "find_images"]

_MOST_BUILDS = 1024
"""Folders of one file name in a store that are looked at."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image, and where it lies."""

    image: PeImage
    path: Path


def find_images(path: SymbolPath, name: str, machine: int, size: int) -> list[ImageFile]:
    """The files of that name on the symbol path that have `size` bytes in memory, each build once.

    `name` is a target's. Files that can't be read or are no images are passed over.
    """
    checked = safe_name(name)
    found: dict[tuple[int, int], ImageFile] = {}
    for element in path.elements if checked is not None else ():
        for candidate in _candidates(element, checked or "", size):
            try:
                data = read_file(candidate)
                image = PeImage.from_file(expand(data, str(candidate))) if data is not None else None
            except SymbolFileError:
                continue
            if image is not None and (image.machine, image.size_of_image) == (machine, size):
                found.setdefault((image.timestamp, image.checksum), ImageFile(image, candidate))
    return list(found.values())


def _candidates(element: PathElement, name: str, size: int) -> Iterator[Path]:
    key = re.compile(rf"[0-9a-f]{{8}}{size:x}", re.IGNORECASE)
    for folder in element.folders:
        if not element.is_store:
            yield folder / name
            yield folder / Path(name).suffix[1:] / name
        try:
            builds = list(islice((folder / name).iterdir(), _MOST_BUILDS))
        except OSError:
            continue
        yield from (build / name for build in sorted(builds) if key.fullmatch(build.name))
