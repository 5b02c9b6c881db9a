"""Compressed files of symbol stores (`name.pd_`): a cabinet with one file, as `symstore /compress` writes it.

Read are folders that are stored or MSZIP-compressed; LZX and Quantum are refused by name. Layout: Microsoft's published
cabinet format: CFHEADER, CFFOLDER, then CFDATA blocks of at most 32 KiB each, every MSZIP block with the one before it
as its dictionary.
"""

from __future__ import annotations

import struct
import zlib

from kdnb.errors import SymbolFileError

__all__ = ["MAX_SIZE", "expand"]

MAX_SIZE = 0x4000_0000
"""Bytes of a file that are unpacked at most (1 GiB)."""

_SIGNATURE = b"MSCF"
_BLOCK = 0x8000
_METHODS = {2: "Quantum", 3: "LZX"}


def expand(data: bytes, name: str) -> bytes:
    """The file in a cabinet; `data` itself where it is none. Raises `SymbolFileError`."""
    if not data.startswith(_SIGNATURE):
        return data
    try:
        return _first_file(data)
    except (struct.error, zlib.error, IndexError) as error:
        raise SymbolFileError(f"{name}: a damaged cabinet ({error})") from error
    except SymbolFileError as error:
        raise SymbolFileError(f"{name}: {error.message}", error.hint) from error


def _first_file(data: bytes) -> bytes:
    files_at, folders, flags = struct.unpack_from("<16xI6xH2xH", data)
    if not folders or flags & 3:
        raise SymbolFileError("a cabinet of several parts")
    at = 36
    block_reserve = 0
    if flags & 4:
        header_reserve, _, block_reserve = struct.unpack_from("<HBB", data, at)
        at += 4 + header_reserve
    first_block, blocks, method = struct.unpack_from("<IHH", data, at)
    if method & 15 not in (0, 1):
        words = _METHODS.get(method & 15, f"method {method & 15}")
        raise SymbolFileError(f"compressed with {words}", "expand it on Windows: expand NAME.pd_ NAME.pdb")
    size, start = struct.unpack_from("<II", data, files_at)
    if size > MAX_SIZE:
        raise SymbolFileError(f"it would unpack to {size} bytes")
    unpacked = _blocks(data, first_block, blocks, 8 + block_reserve, is_zip=bool(method & 15), limit=start + size)
    if len(unpacked) < start + size:
        raise SymbolFileError("a truncated cabinet")
    return unpacked[start : start + size]


def _blocks(data: bytes, at: int, count: int, head: int, *, is_zip: bool, limit: int) -> bytes:
    parts: list[bytes] = []
    done, last = 0, b""
    for _ in range(count):
        packed, unpacked = struct.unpack_from("<4xHH", data, at)
        piece = data[at + head : at + head + packed]
        at += head + packed
        if is_zip:
            if piece[:2] != b"CK":
                raise SymbolFileError("a damaged cabinet")
            unpacker = zlib.decompressobj(-15, zdict=last)
            piece = unpacker.decompress(piece[2:], _BLOCK + 1)
            if not unpacker.eof:
                raise SymbolFileError("a truncated cabinet")
        if len(piece) != unpacked:
            raise SymbolFileError("a damaged cabinet")
        parts.append(piece)
        last = piece
        done += len(piece)
        if done >= limit:
            break
    return b"".join(parts)
