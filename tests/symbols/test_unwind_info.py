from __future__ import annotations

import re
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.errors import SymbolFileError
from kdnb.symbols.pe import PeImage
from kdnb.symbols.unwind_info import FunctionTable, RuntimeFunction, UnwindFlags, UnwindInfo, UnwindOp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.symbols.unwind_info import UnwindCode
    from tests.windows_files import WindowsFiles


def info(text: str) -> UnwindInfo:
    return UnwindInfo.parse(bytes.fromhex(text))


# One row per operation of the protocol reference 8.1: codes, (name, register, operand, slots).
OPERATIONS = [
    ("01 30", ("PUSH_NONVOL", "rbx", 0, 1)),
    ("01 C0", ("PUSH_NONVOL", "r12", 0, 1)),
    ("01 01 00 10", ("ALLOC_LARGE", "", 0x8000, 2)),
    ("01 11 78 56 34 12", ("ALLOC_LARGE", "", 0x12345678, 3)),
    ("01 42", ("ALLOC_SMALL", "", 0x28, 1)),
    ("01 03", ("SET_FPREG", "", 0, 1)),
    ("01 64 05 00", ("SAVE_NONVOL", "rsi", 0x28, 2)),
    ("01 75 10 00 08 00", ("SAVE_NONVOL_FAR", "rdi", 0x80010, 3)),
    ("01 68 04 00", ("SAVE_XMM128", "xmm6", 0x40, 2)),
    ("01 79 00 80 08 00", ("SAVE_XMM128_FAR", "xmm7", 0x88000, 3)),
    ("00 0A", ("PUSH_MACHFRAME", "", 0, 1)),
    ("00 1A", ("PUSH_MACHFRAME", "", 0, 1)),
    ("01 0F", ("OP_15", "", 0, 1)),
]


@pytest.mark.parametrize(("codes", "expected"), OPERATIONS)
def test_each_operation_has_its_operands_and_slots(codes: str, expected: tuple[str, str, int, int]) -> None:
    slots = len(bytes.fromhex(codes)) // 2
    parsed = info(f"01 05 {slots:02x} 05 {codes} 00 00")
    assert [(c.name, c.register, c.operand, c.slots) for c in parsed.codes] == [expected]
    assert parsed.frame_register == "rbp"


def test_version_1_saves_of_the_old_kind_take_their_slots() -> None:
    assert [code.op for code in info("01 00 06 00 04 06 01 00 04 07 02 00 00 00 01 30").codes] == [6, 7, 0]


def test_version_2_epilogs_are_ranges_before_the_functions_end() -> None:
    parsed = info("02 07 05 00 04 16 10 06 00 06 07 42 01 30 00 00")
    assert parsed.epilogs(RuntimeFunction(0x1000, 0x1100, 0)) == [(0x10FC, 0x1100), (0x10F0, 0x10F4)]
    far = info("02 07 02 00 04 06 34 16")
    assert far.epilogs(RuntimeFunction(0x1000, 0x2000, 0)) == [(0x2000 - 0x134, 0x2000 - 0x130)]


def test_version_1_has_no_recorded_epilogs() -> None:
    assert info("01 07 02 00 04 16 10 06").epilogs(RuntimeFunction(0, 0x100, 0)) == []


def test_a_chained_record_names_its_parent_and_has_no_handler() -> None:
    parsed = info("21 00 01 00 05 64 00 00 00 10 00 00 00 20 00 00 00 30 00 00".replace("05 64", "05 32"))
    assert parsed.flags == UnwindFlags.CHAINED
    assert parsed.chained == RuntimeFunction(0x1000, 0x2000, 0x3000)
    assert parsed.handler is None
    assert parsed.size == 20


def test_a_handler_follows_the_padded_codes() -> None:
    parsed = info("19 01 01 00 01 30 00 00 78 56 00 00")
    assert parsed.handler == 0x5678
    assert parsed.size == 12


@pytest.mark.parametrize(
    "text", ["", "01 00 01", "01 00 02 00 01 30", "01 00 01 00 01 11 00 00", "03 00 00 00", "21 00 00 00 00"]
)
def test_short_and_unknown_records_are_refused(text: str) -> None:
    with pytest.raises(SymbolFileError):
        info(text)


@given(st.binary(max_size=80))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    try:
        parsed = UnwindInfo.parse(data)
    except SymbolFileError:
        return
    assert sum(code.slots for code in parsed.codes) == data[2]
    assert parsed.size <= len(data)


@given(st.lists(st.integers(1, 50), max_size=300), st.integers(0, 20000))
def test_a_lookup_finds_what_a_search_through_all_entries_finds(gaps: list[int], rva: int) -> None:
    bounds = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    entries = [RuntimeFunction(begin, end, 0) for begin, end in zip(bounds[::2], bounds[1::2], strict=False)]
    data = b"".join(e.begin.to_bytes(4, "little") + e.end.to_bytes(4, "little") + bytes(4) for e in entries)
    table = FunctionTable.from_bytes(data)
    assert list(table) == entries
    assert table.lookup(rva) == next((entry for entry in entries if rva in entry), None)


def test_a_large_table_is_read_in_pieces() -> None:
    data = b"".join(
        (16 * i).to_bytes(4, "little") + (16 * i + 16).to_bytes(4, "little") + bytes(4) for i in range(40000)
    )
    sizes: list[int] = []

    def read(rva: int, size: int) -> bytes:
        sizes.append(size)
        return data[rva - 0x1000 : rva - 0x1000 + size]

    table = FunctionTable(read, 0x1000, len(data))
    assert table.lookup(16 * 12345 + 5) == RuntimeFunction(16 * 12345, 16 * 12345 + 16, 0)
    assert sum(sizes) < len(data) / 5


def test_a_hole_in_the_table_hides_only_the_entries_in_it() -> None:
    data = b"".join(struct.pack("<III", 16 * index, 16 * index + 16, 0) for index in range(400))

    def read(rva: int, size: int) -> bytes:
        if rva + size > 12 * 300:
            raise SymbolFileError("paged out")
        return data[rva : rva + size]

    table = FunctionTable(read, 0, len(data))
    assert table[299].begin == 16 * 299
    assert table.lookup(16 * 150) == table[150]
    with pytest.raises(SymbolFileError):
        table[300]


def test_entries_that_point_to_each_other_are_refused() -> None:
    table = FunctionTable(lambda rva, size: RuntimeFunction(0, 16, 0x2001).unwind.to_bytes(4, "little") * 3, 0, 12)
    with pytest.raises(SymbolFileError, match="point to each other"):
        table.resolve(RuntimeFunction(0, 16, 0x2001))


def _words(code: UnwindCode, record: UnwindInfo) -> str:
    """A code as llvm-readobj writes it."""
    words = f"0x{code.prolog_offset:02X}: {code.name}"
    match code.op:
        case UnwindOp.PUSH_NONVOL:
            return f"{words} reg={code.register.upper()}"
        case UnwindOp.ALLOC_LARGE | UnwindOp.ALLOC_SMALL:
            return f"{words} size={code.operand}"
        case UnwindOp.SET_FPREG:
            return f"{words} reg={record.frame_register.upper()}, offset=0x{record.frame_offset:X}"
        case UnwindOp.PUSH_MACHFRAME:
            return f"{words} errcode={'yes' if code.info else 'no'}"
    return f"{words} reg={code.register.upper()}, offset=0x{code.operand:X}"


def _lines(image: PeImage) -> Iterator[str]:
    """All functions as llvm-readobj writes them, less the lines that repeat what stands elsewhere."""

    def function(entry: RuntimeFunction) -> Iterator[str]:
        yield f"StartAddress: (0x{image.image_base + entry.begin:X})"
        yield f"EndAddress: (0x{image.image_base + entry.end:X})"
        yield f"UnwindInfoAddress: (0x{image.image_base + entry.unwind:X})"

    for entry in image.function_table:
        record = image.unwind_info(entry.unwind)
        yield from function(entry)
        yield f"Version: {record.version}"
        yield f"Flags [ (0x{int(record.flags):X})"
        yield f"PrologSize: {record.prolog_size}"
        yield f"UnwindCodeCount: {sum(code.slots for code in record.codes)}"
        yield from (_words(code, record) for code in record.codes)
        if record.handler is not None:
            yield f"Handler: (0x{image.image_base + record.handler:X})"
        if record.chained is not None:
            yield from function(record.chained)


@pytest.mark.external("llvm-readobj")
@pytest.mark.parametrize("name", ["attach_amd64.dll", "msvcp140.dll", "msvcp140_2.dll", "vcruntime140_1.dll"])
def test_every_function_by_msvc_is_as_llvm_readobj_shows_it(msvc: WindowsFiles, name: str) -> None:
    """Images with version 2 records are left out: llvm-readobj 14 and 19 crash on them."""
    shown = subprocess.run(["llvm-readobj", "--unwind", msvc.path(name)], check=True, capture_output=True, text=True)
    kept = re.compile(
        r"(StartAddress|EndAddress|UnwindInfoAddress|Version|Flags|PrologSize|UnwindCodeCount|Handler|0x)"
    )
    lines = [re.sub(r": \S+ \(", ": (", line.strip()) for line in shown.stdout.splitlines()]
    assert [line for line in lines if kept.match(line)] == list(_lines(PeImage.from_file(msvc.data(name))))
