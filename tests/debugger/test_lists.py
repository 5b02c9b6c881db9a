"""Chains, healthy and broken."""

from __future__ import annotations

import struct

import pytest

from kdnb.debugger.lists import walk_chain, walk_list
from kdnb.debugger.memory import MemoryCache

BASE = 0x10000
HEAD = BASE + 0x10


def memory_with(words: dict[int, int]) -> MemoryCache:
    """Two pages at BASE, with pointers in them."""
    data = bytearray(0x2000)
    for address, value in words.items():
        struct.pack_into("<Q", data, address - BASE, value)

    def read(address: int, size: int) -> bytes:
        return bytes(data[address - BASE :][:size]) if BASE <= address < BASE + len(data) else b""

    return MemoryCache(read, lambda address, data: 0, lambda: None)


def ring(*links: int) -> dict[int, int]:
    """A list of those entries, in order, with the head first."""
    words = {}
    for link, following in zip(links, [*links[1:], links[0]], strict=True):
        words[link] = following
        words[following + 8] = link
    return words


LINKS = [HEAD, BASE + 0x200, BASE + 0x100, BASE + 0x1000]


def test_a_list_is_walked_both_ways() -> None:
    memory = memory_with(ring(*LINKS))
    assert walk_list(memory, HEAD).links == tuple(LINKS[1:])
    assert walk_list(memory, HEAD, backwards=True).links == tuple(reversed(LINKS[1:]))
    assert walk_list(memory_with(ring(HEAD)), HEAD).links == ()


@pytest.mark.parametrize(
    ("damage", "note"),
    [
        ({BASE + 0x200: 0}, "a link is NULL"),
        ({BASE + 0x200: BASE + 0x101}, "is no aligned address"),
        ({BASE + 0x108: 0x1234}, "Blink of 00000000`00010100 is 00000000`00001234, not 00000000`00010200"),
        ({BASE + 0x100: BASE + 0x200}, "it has a loop"),
        ({BASE + 0x200: 0x90000}, "ends early: memory access error"),
    ],
)
def test_damage_ends_the_walk_and_is_named(damage: dict[int, int], note: str) -> None:
    walk = walk_list(memory_with(ring(*LINKS) | damage), HEAD)
    assert note in walk.note
    assert walk.links == tuple(LINKS[1 : 1 + len(walk)])


def test_a_walk_is_bounded() -> None:
    memory = memory_with(ring(*LINKS))
    assert walk_list(memory, HEAD, limit=2).note == "cut after 2 entries"
    assert walk_chain(memory, HEAD, limit=2).note == "cut after 2 entries"


def test_a_chain_ends_at_null_or_where_it_began() -> None:
    chain = {BASE + 0x20: BASE + 0x40, BASE + 0x40: BASE + 0x63, BASE + 0x63: 0}
    assert walk_chain(memory_with(chain), BASE + 0x20).links == (BASE + 0x20, BASE + 0x40, BASE + 0x63)
    assert walk_chain(memory_with(ring(*LINKS)), HEAD).links == tuple(LINKS)
    loop = chain | {BASE + 0x63: BASE + 0x40}
    assert "loop" in walk_chain(memory_with(loop), BASE + 0x20).note
    assert "ends early" in walk_chain(memory_with(chain | {BASE + 0x40: 0x90000}), BASE + 0x20).note
