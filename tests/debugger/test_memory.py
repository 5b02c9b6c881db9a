"""The memory cache: what is asked of the target, holes, writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.debugger.memory import BLOCK_SIZE, LEAST_READ, MemoryCache
from kdnb.errors import MemoryReadError, MemoryWriteError, TargetRunningError, UsageError

PAGE = 0x1000


class Pages:
    """Memory of mapped pages; counts what is asked."""

    def __init__(self, *mapped: int) -> None:
        self.pages = {page: bytearray((page + i) & 0xFF for i in range(PAGE)) for page in mapped}
        self.reads: list[tuple[int, int]] = []
        self.running = False

    def read(self, address: int, size: int) -> bytes:
        self.reads.append((address, size))
        out = bytearray()
        while len(out) < size and (address + len(out)) // PAGE in self.pages:
            at = address + len(out)
            page = self.pages[at // PAGE]
            out += page[at % PAGE : at % PAGE + size - len(out)]
        return bytes(out)

    def write(self, address: int, data: bytes) -> int:
        page = self.pages.get(address // PAGE)
        if page is None:
            return 0
        room = min(len(data), PAGE - address % PAGE)
        page[address % PAGE : address % PAGE + room] = data[:room]
        return room

    def guard(self) -> None:
        if self.running:
            raise TargetRunningError("the target is running")

    def cache(self, pointer_size: int = 8) -> MemoryCache:
        return MemoryCache(self.read, self.write, self.guard, pointer_size)


def test_a_second_read_nearby_asks_nothing() -> None:
    pages = Pages(1, 2)
    cache = pages.cache()
    cache.read(PAGE + 4, 8)
    cache.read(PAGE + LEAST_READ - 4, 4)
    assert pages.reads == [(PAGE, LEAST_READ)]


def test_a_long_read_is_one_request_for_all_that_is_missing() -> None:
    pages = Pages(1, 2, 3)
    cache = pages.cache()
    cache.read(PAGE, 3 * PAGE)
    assert pages.reads == [(PAGE, 3 * PAGE)]


@pytest.mark.parametrize("address", [PAGE + 0x1FC, PAGE + 0x7F0, 2 * PAGE - 8])
def test_a_record_is_one_request_of_little_more_than_its_size_wherever_it_lies(address: int) -> None:
    pages = Pages(1, 2, 3)
    cache = pages.cache()
    for size in (0x40, 0xC00):
        cache.invalidate()
        pages.reads.clear()
        cache.read(address, size)
        ((_, asked),) = pages.reads
        assert asked <= max(LEAST_READ, size + 2 * BLOCK_SIZE)


@pytest.mark.parametrize(("carried", "asked"), [(3944, 0x800), (0x448, 0x400), (0x40, BLOCK_SIZE)])
def test_a_small_read_asks_for_what_one_request_carries(carried: int, asked: int) -> None:
    pages = Pages(1)
    cache = MemoryCache(pages.read, pages.write, pages.guard, request_size=lambda: carried)
    cache.read(PAGE + 0x610, 8)
    ((address, size),) = pages.reads
    assert size == asked
    assert address <= PAGE + 0x610 < address + size


def test_a_target_that_ends_a_read_early_for_no_reason_is_asked_again_at_the_place() -> None:
    pages = Pages(1)
    cache = MemoryCache(lambda address, size: pages.read(address, size)[:0x100], pages.write, pages.guard)
    assert cache.read(PAGE + 0x400, 0x80) == bytes(pages.pages[1][0x400:0x480])


def test_a_hole_is_remembered_as_well() -> None:
    pages = Pages(1)
    cache = pages.cache()
    for _ in range(2):
        with pytest.raises(MemoryReadError) as caught:
            cache.read(2 * PAGE - 2, 8)
        assert caught.value.partial == bytes(pages.pages[1][-2:])
        assert cache.read_available(2 * PAGE + LEAST_READ, 4) == b""
    assert len(pages.reads) == 1


@given(st.integers(0, 5 * PAGE), st.integers(0, 4 * PAGE), st.sets(st.integers(0, 5)))
def test_any_read_gives_what_an_uncached_one_would(address: int, size: int, mapped: set[int]) -> None:
    pages = Pages(*mapped)
    cache = pages.cache()
    cache.read_available(PAGE + 100, 2 * PAGE)
    assert cache.read_available(address, size) == pages.read(address, size)
    assert cache.read_available(address, size) == pages.read(address, size)


@given(st.integers(PAGE, 3 * PAGE - 1), st.binary(min_size=1, max_size=64))
def test_a_write_is_seen_by_the_next_read(address: int, data: bytes) -> None:
    pages = Pages(1, 2, 3)
    cache = pages.cache()
    cache.read(PAGE, 2 * PAGE)
    try:
        cache.write(address, data)
    except MemoryWriteError as error:
        data = data[: error.written]
    assert cache.read(address, len(data)) == data
    assert cache.read(PAGE, 3 * PAGE) == b"".join(bytes(pages.pages[page]) for page in (1, 2, 3))


def test_a_failed_write_says_how_much_went_in() -> None:
    with pytest.raises(MemoryWriteError) as caught:
        Pages(1).cache().write(2 * PAGE, b"abc")
    assert caught.value.written == 0


def test_a_running_target_is_not_asked() -> None:
    pages = Pages(1)
    cache = pages.cache()
    cache.read(PAGE, 4)
    pages.running = True
    with pytest.raises(TargetRunningError):
        cache.read(PAGE, 4)


def test_sign_extended_addresses_of_32_bit_targets_are_the_same_memory() -> None:
    pages = Pages(0x80400)
    cache = pages.cache(pointer_size=4)
    assert cache.read(0xFFFFFFFF80400000, 4) == cache.read(0x80400000, 4)
    assert len(pages.reads) == 1


def test_numbers_pointers_and_strings() -> None:
    pages = Pages(1)
    pages.pages[1][:16] = b"\x01\x02\x03\x04\x05\x06\x07\x08kdnb\0xyz"
    pages.pages[1][32:42] = "kdnb\0".encode("utf-16-le")
    cache = pages.cache()
    assert (cache.read_u8(PAGE), cache.read_u16(PAGE), cache.read_u32(PAGE)) == (1, 0x201, 0x4030201)
    assert cache.read_u64(PAGE) == cache.read_pointer(PAGE) == 0x807060504030201
    assert cache.read_string(PAGE + 8) == "kdnb"
    assert cache.read_string(PAGE + 8, 2) == "kd"
    assert cache.read_string(PAGE + 32, wide=True) == "kdnb"
    with pytest.raises(MemoryReadError):
        cache.read_string(5 * PAGE)


def test_absurd_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="too big"):
        Pages(1).cache().read(0, 1 << 40)


def test_what_the_target_told_by_itself_is_not_asked_for() -> None:
    pages = Pages(1)
    cache = pages.cache()
    cache.tell(PAGE + 0x10, b"code")
    assert cache.read(PAGE + 0x11, 3) == b"ode"
    assert pages.reads == []
    assert cache.read(PAGE + 0x11, 4) == bytes(pages.pages[1][0x11:0x15])
    assert len(pages.reads) == 1


def test_what_the_target_told_ends_with_a_write_and_with_the_stop() -> None:
    pages = Pages(1)
    cache = pages.cache()
    cache.tell(PAGE, b"code")
    cache.write(PAGE + 0x800, b"x")
    assert cache.read(PAGE, 4) == bytes(pages.pages[1][:4])
    cache.invalidate()
    cache.tell(PAGE, b"code")
    cache.invalidate()
    assert cache.read(PAGE, 4) == bytes(pages.pages[1][:4])


def test_a_range_is_held_when_all_its_blocks_are() -> None:
    pages = Pages(1)
    cache = pages.cache()
    cache.read(PAGE, 1)
    assert cache.holds(PAGE + 4, LEAST_READ - 4)
    assert not cache.holds(PAGE + 4, LEAST_READ)


@pytest.mark.parametrize(("wide", "data"), [(False, b"plain"), (True, "\u00fcber".encode("utf-16-le"))])
def test_a_counted_string_is_read_by_its_record(wide: bool, data: bytes) -> None:
    pages = Pages(1)
    text = PAGE + 0x100
    pages.pages[1][:16] = len(data).to_bytes(2, "little") + bytes(6) + text.to_bytes(8, "little")
    pages.pages[1][0x100 : 0x100 + len(data)] = data
    cache = pages.cache()
    assert cache.read_counted_string(PAGE, wide=wide) == data.decode("utf-16-le" if wide else "latin-1")
    pages.pages[1][8:16] = bytes(8)
    cache.invalidate()
    with pytest.raises(MemoryReadError):
        cache.read_counted_string(PAGE, wide=wide)
