"""The kernel's data block."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.debugger_data import DebuggerData, KdDebuggerData64
from kdnb.debugger.memory import MemoryCache
from kdnb.protocol.messages.version import VersionBody

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("kern_base", 0x18),
        ("ps_loaded_module_list", 0x48),
        ("ki_bugcheck_data", 0x88),
        ("nt_build_lab", 0x208),
        ("ki_processor_block", 0x218),
        ("offset_kthread_apc_process", 0x2A0),
        ("offset_prcb_proc_state_context", 0x2BC),
        ("gdt_r0_code", 0x2F4),
        ("pte_base", 0x360),
    ],
)
def test_fields_lie_where_the_protocol_reference_has_them(name: str, offset: int) -> None:
    assert {field.name: field.offset for field in KdDebuggerData64.fields()}[name] == offset


def test_the_block_of_a_target_is_found_by_its_version(session: Session) -> None:
    block = session.debugger_data
    assert block is not None
    assert block.get("kern_base") == session.modules["nt"].base
    assert block.get("ps_active_process_head") == session.evaluate("nt!PsActiveProcessHead")
    assert block is session.debugger_data


def find(block: bytes, version: VersionBody) -> DebuggerData | None:
    memory = struct.pack("<Q", 0x10000).ljust(0x1000, b"\0") + block
    cache = MemoryCache(lambda at, size: memory[at - 0xF000 :][:size] if at >= 0xF000 else b"", _no_write, lambda: None)
    return DebuggerData.find(cache, version, 8)


def _no_write(address: int, data: bytes) -> int:
    raise AssertionError


def test_a_short_block_of_an_old_version_lacks_its_later_fields() -> None:
    version = VersionBody(kernel_base=0xFFFFF80000000000, debugger_data_list=0xF000)
    record = KdDebuggerData64(owner_tag=0x4742444B, size=0x290, kern_base=version.kernel_base, mm_page_size=0x1000)
    found = find(record.encode()[:0x290], version)
    assert found is not None
    assert found.get("mm_page_size") == 0x1000
    assert found.get("offset_kthread_teb") is None


@pytest.mark.parametrize("changes", [{"owner_tag": 0}, {"kern_base": 0x1234}])
def test_what_is_not_the_block_is_not_taken_for_it(changes: dict[str, int]) -> None:
    version = VersionBody(kernel_base=0xFFFFF80000000000, debugger_data_list=0xF000)
    record = KdDebuggerData64(owner_tag=0x4742444B, size=0x340, kern_base=version.kernel_base).replace(**changes)
    assert find(record.encode(), version) is None
    assert find(record.encode(), VersionBody()) is None
