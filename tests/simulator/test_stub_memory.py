"""Memory APIs, on the real machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.protocol.constants import Api, FillFlags, Status
from kdnb.protocol.messages.execution import EmptyBody
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.protocol.messages.search import FillBody, QueryMemoryBody, SearchBody
from kdnb.simulator.loader import guest_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.simulator.scripted_host import ScriptedHost

PAGE = 0x1000
NOWHERE = 0xFFFFE77000000000


def test_a_read_returns_what_the_image_holds(stopped: ScriptedHost) -> None:
    header = guest_files()[0].image[:0x40]
    assert stopped.read(stopped.machine.kernel_base, 0x40) == header


def test_a_read_beyond_the_packet_is_trimmed_and_still_a_success(stopped: ScriptedHost) -> None:
    reply = stopped.request(Api.ReadVirtualMemory, MemoryBody(stopped.machine.kernel_base, 0x1000))
    assert reply.status == Status.SUCCESS
    assert (len(reply.data), reply.body.actual) == (3944, 3944)


def test_a_read_of_nothing_is_a_success(stopped: ScriptedHost) -> None:
    reply = stopped.request(Api.ReadVirtualMemory, MemoryBody(NOWHERE, 0))
    assert (reply.status, reply.data) == (Status.SUCCESS, b"")


def test_an_unmapped_read_gives_no_data(stopped: ScriptedHost) -> None:
    reply = stopped.request(Api.ReadVirtualMemory, MemoryBody(NOWHERE, 16))
    assert (reply.status, reply.body.actual, reply.data) == (Status.UNSUCCESSFUL, 0, b"")


def first_hole(host: ScriptedHost) -> int:
    """The first unmapped page behind the kernel image."""
    address = host.machine.kernel_base
    while host.request(Api.ReadVirtualMemory, MemoryBody(address, 1)).status == Status.SUCCESS:
        address += PAGE
    return address


def test_a_read_into_a_hole_keeps_the_bytes_before_it(stopped: ScriptedHost) -> None:
    hole = first_hole(stopped)
    reply = stopped.request(Api.ReadVirtualMemory, MemoryBody(hole - 8, 32))
    assert (reply.status, reply.body.actual, len(reply.data)) == (Status.UNSUCCESSFUL, 8, 8)


def test_a_write_can_be_read_back_and_code_can_be_written(stopped: ScriptedHost, symbol: Callable[[str], int]) -> None:
    for address in (symbol("KdPrintDefaultCircularBuffer"), symbol("KeBugCheckEx")):
        reply = stopped.request(Api.WriteVirtualMemory, MemoryBody(address, 4), b"\x01\x02\x03\x04")
        assert (reply.status, reply.body.actual, reply.data) == (Status.SUCCESS, 4, b"")
        assert stopped.read(address, 4) == b"\x01\x02\x03\x04"


def test_a_write_into_a_hole_says_how_much_went_in(stopped: ScriptedHost) -> None:
    hole = first_hole(stopped)
    reply = stopped.request(Api.WriteVirtualMemory, MemoryBody(hole - 2, 4), b"abcd")
    assert (reply.status, reply.body.actual) == (Status.UNSUCCESSFUL, 2)
    assert stopped.read(hole - 2, 2) == b"ab"


def page_walk(host: ScriptedHost, address: int) -> int:
    """The physical address, by the page tables as a debugger reads them."""
    table = host.special_registers().cr3 & ~0xFFF
    for shift in (39, 30, 21, 12):
        entry_address = table + (address >> shift & 0x1FF) * 8
        reply = host.request(Api.ReadPhysicalMemory, MemoryBody(entry_address, 8))
        entry = int.from_bytes(reply.data, "little")
        assert entry & 1
        table = entry & 0x000F_FFFF_FFFF_F000
        if shift > 12 and entry & 0x80:
            return (table & ~((1 << shift) - 1)) | (address & (1 << shift) - 1)
    return table | address & 0xFFF


def test_physical_memory_is_what_the_page_tables_say(stopped: ScriptedHost, symbol: Callable[[str], int]) -> None:
    address = symbol("KdPrintDefaultCircularBuffer")
    physical = page_walk(stopped, address)
    reply = stopped.request(Api.WritePhysicalMemory, MemoryBody(physical, 5), b"hello")
    assert (reply.status, reply.body.actual) == (Status.SUCCESS, 5)
    assert stopped.read(address, 5) == b"hello"
    assert stopped.request(Api.ReadPhysicalMemory, MemoryBody(physical, 5)).data == b"hello"


def test_physical_memory_ends_where_the_machine_does(stopped: ScriptedHost) -> None:
    reply = stopped.request(Api.ReadPhysicalMemory, MemoryBody(1 << 50, 8))
    assert (reply.status, reply.body.actual) == (Status.UNSUCCESSFUL, 0)


def test_search_finds_the_first_match_even_across_pages(stopped: ScriptedHost) -> None:
    base = stopped.machine.kernel_base
    at = base + PAGE - 3
    pattern = b"\xde\xad\xfa\xce\x17\x71"
    stopped.request(Api.WriteVirtualMemory, MemoryBody(at, len(pattern)), pattern)
    reply = stopped.request(Api.SearchMemory, SearchBody(base, 0x4000, len(pattern)), pattern)
    assert (reply.status, reply.body.address, reply.data) == (Status.SUCCESS, at, b"")


def test_search_for_what_is_not_there_ends_even_over_the_whole_space(stopped: ScriptedHost) -> None:
    body = SearchBody(stopped.machine.kernel_base, (1 << 64) - 1, 4)
    assert stopped.request(Api.SearchMemory, body, b"\x99\x88\x99\x77").status == Status.NO_MORE_ENTRIES


def test_fill_repeats_the_pattern_and_says_how_much(stopped: ScriptedHost, symbol: Callable[[str], int]) -> None:
    address = symbol("KdPrintDefaultCircularBuffer")
    body = FillBody(address, 7, FillFlags.VIRTUAL.value, 3)
    reply = stopped.request(Api.FillMemory, body, b"abc")
    assert (reply.status, reply.body.length) == (Status.SUCCESS, 7)
    assert stopped.read(address, 7) == b"abcabca"


@pytest.mark.parametrize(("flags", "pattern"), [(0, b"a"), (3, b"a"), (1, b"")])
def test_fill_refuses_other_spaces_and_an_empty_pattern(stopped: ScriptedHost, flags: int, pattern: bytes) -> None:
    body = FillBody(stopped.machine.kernel_base, 4, flags, len(pattern))
    assert stopped.request(Api.FillMemory, body, pattern).status == Status.INVALID_PARAMETER


def test_query_tells_kernel_from_process_space(stopped: ScriptedHost) -> None:
    kernel = stopped.request(Api.QueryMemory, QueryMemoryBody(stopped.machine.kernel_base)).body
    process = stopped.request(Api.QueryMemory, QueryMemoryBody(0x10000)).body
    assert (kernel.address_space, kernel.flags, process.address_space) == (2, 7, 0)
    refused = stopped.request(Api.QueryMemory, QueryMemoryBody(0x10000, address_space=1))
    assert refused.status == Status.INVALID_PARAMETER


def test_check_low_memory_is_content(stopped: ScriptedHost) -> None:
    assert stopped.request(Api.CheckLowMemory, EmptyBody()).status == Status.SUCCESS
