"""Compressed files of symbol stores (`name.pd_`): a cabinet with one file, as `symstore /compress` writes it.

Read are folders that are stored, MSZIP- or LZX-compressed; Quantum is refused by name. Layout: Microsoft's published
cabinet format: CFHEADER, CFFOLDER, then CFDATA blocks of at most 32 KiB each, with a checksum; every MSZIP block with
the one before it as its dictionary, all LZX blocks one stream.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from kdnb.errors import SymbolFileError
from kdnb.symbols.lzx import FRAME, decompress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MAX_SIZE", "expand"]

MAX_SIZE = 0x4000_0000
"""Bytes of a file that are unpacked at most (1 GiB)."""

_SIGNATURE = b"MSCF"
_STORED, _MSZIP, _QUANTUM, _LZX = range(4)


def expand(data: bytes, name: str, between: Callable[[], None] = lambda: None) -> bytes:
    """The file in a cabinet; `data` itself where it is none. Raises `SymbolFileError`.

    `between` is called after every 32 KiB, and ends the work by raising: LZX takes a second for some MB.
    """
    if not data.startswith(_SIGNATURE):
        return data
    try:
        return _first_file(data, between)
    except (struct.error, IndexError) as error:
        raise SymbolFileError(f"{name}: a truncated cabinet") from error
    except zlib.error as error:
        raise SymbolFileError(f"{name}: a damaged cabinet ({error})") from error
    except SymbolFileError as error:
        raise SymbolFileError(f"{name}: {error.message}", error.hint) from error


def _first_file(data: bytes, between: Callable[[], None]) -> bytes:
    files_at, folders, flags = struct.unpack_from("<16xI6xH2xH", data)
    if not folders or flags & 3:
        raise SymbolFileError("a cabinet of several parts")
    at = 36
    block_reserve = 0
    if flags & 4:
        header_reserve, _, block_reserve = struct.unpack_from("<HBB", data, at)
        at += 4 + header_reserve
    first_block, blocks, method = struct.unpack_from("<IHH", data, at)
    size, start = struct.unpack_from("<II", data, files_at)
    if size > MAX_SIZE or start > MAX_SIZE:
        raise SymbolFileError(f"it would unpack to {start + size} bytes")
    parts: list[bytes] = []
    done = 0
    for piece in _unpacked(method, _blocks(data, first_block, blocks, block_reserve), start + size):
        between()
        parts.append(piece)
        done += len(piece)
        if done >= start + size:
            break
    if done < start + size:
        raise SymbolFileError("a truncated cabinet")
    return b"".join(parts)[start : start + size]


def _blocks(data: bytes, at: int, count: int, reserve: int) -> Iterator[tuple[bytes, int]]:
    """The content of each block, and its size once unpacked."""
    for _ in range(count):
        checksum, packed, unpacked = struct.unpack_from("<IHH", data, at)
        begin = at + 8 + reserve
        piece = data[begin : begin + packed]
        if len(piece) < packed:
            raise SymbolFileError("a truncated cabinet")
        # With a reserve nothing published says for certain what the checksum covers.
        if checksum and not reserve and checksum != _checksum(data[at + 4 : begin], piece):
            raise SymbolFileError("a damaged cabinet (checksum)")
        yield piece, unpacked
        at = begin + packed


def _checksum(sizes: bytes, content: bytes) -> int:
    """All words xored; what is left over of the content counts in the other order of bytes."""
    whole = len(content) & ~3
    words = np.frombuffer(content[:whole] + sizes, "<u4")
    return int(np.bitwise_xor.reduce(words)) ^ int.from_bytes(content[whole:], "big")


def _unpacked(method: int, blocks: Iterator[tuple[bytes, int]], limit: int) -> Iterator[bytes]:
    """What the blocks unpack to, piece by piece; nothing needs to come behind `limit` bytes."""
    kind = method & 15
    if kind == _LZX:
        known = list(blocks)
        size = min(sum(size for _, size in known), -(-limit // FRAME) * FRAME)
        yield from decompress(b"".join(piece for piece, _ in known), size, method >> 8 & 31)
        return
    if kind not in (_STORED, _MSZIP):
        words = "Quantum" if kind == _QUANTUM else f"method {kind}"
        raise SymbolFileError(f"compressed with {words}", "expand it on Windows: expand NAME.pd_ NAME.pdb")
    last = b""
    for piece, size in blocks:
        last = piece if kind == _STORED else _inflated(piece, last)
        if len(last) != size:
            raise SymbolFileError("a damaged cabinet")
        yield last


def _inflated(piece: bytes, last: bytes) -> bytes:
    if piece[:2] != b"CK":
        raise SymbolFileError("a damaged cabinet")
    unpacker = zlib.decompressobj(-15, zdict=last)
    found = unpacker.decompress(piece[2:], FRAME + 1)
    if not unpacker.eof:
        raise SymbolFileError("a truncated cabinet")
    return found
