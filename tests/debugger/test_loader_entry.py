"""Layout of loaded-module entries."""

from __future__ import annotations

import pytest

from kdnb.debugger.loader_entry import LoaderEntry32, LoaderEntry64


@pytest.mark.parametrize(
    ("name", "at64", "at32"),
    [
        ("next", 0x00, 0x00),
        ("base", 0x30, 0x18),
        ("entry_point", 0x38, 0x1C),
        ("size", 0x40, 0x20),
        ("path_length", 0x48, 0x24),
        ("path_buffer", 0x50, 0x28),
        ("name_length", 0x58, 0x2C),
        ("name_buffer", 0x60, 0x30),
        ("flags", 0x68, 0x34),
        ("load_count", 0x6C, 0x38),
        ("checksum", 0x78, 0x40),
    ],
)
def test_fields_lie_where_the_protocol_reference_has_them(name: str, at64: int, at32: int) -> None:
    assert {field.name: field.offset for field in LoaderEntry64.fields()}[name] == at64
    assert {field.name: field.offset for field in LoaderEntry32.fields()}[name] == at32


def test_the_64_bit_form_is_as_long_as_what_windbg_reads() -> None:
    assert LoaderEntry64.SIZE == 0x88
