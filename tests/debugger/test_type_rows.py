"""dt's words and rows for every kind of field, on a PDB built from C++."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.type_rows import FieldPath, Selection, dump_struct
from kdnb.debugger.typed import NoMemory, TypedReader
from kdnb.render.text import to_text
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.types import StructType
from tests.debugger.flat_memory import FlatMemory
from tests.symbols.test_types import GUEST, built, oracle, table_of, types

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["built", "types"]  # the fixtures

BASE = 0x1000


def plain_struct(types: object) -> StructType:
    found = types.lookup("Plain")  # type: ignore[attr-defined]
    assert isinstance(found, StructType)
    return found


def image_of(of: StructType, **values: bytes) -> bytes:
    data = bytearray(of.size)
    for name, value in values.items():
        field = of.field(name)
        assert field is not None
        data[field.offset : field.offset + len(value)] = value
    return bytes(data)


VALUES = {
    "text": b"hello\0junk",
    "byte": b"A",
    "wide": "ab".encode("utf-16-le"),
    "pointer": struct.pack("<Q", 0),
    "d": struct.pack("<d", 1.5),
    "f": struct.pack("<f", -0.25),
    "flag": b"\1",
    "colour": struct.pack("<i", -1),
    "small": b"\7",
    "word": struct.pack("<I", 0xABC00123),
    "list": struct.pack("<QQ", 0x1111, 0x2222),
    "call": struct.pack("<Q", 0xFFFFF80000001234),
    "opaque": struct.pack("<Q", 0xDEAD),
    "big": struct.pack("<Q", 5),
}


@pytest.mark.external("clang", "lld-link")
def test_every_kind_of_value_has_its_words(types: object) -> None:
    of = plain_struct(types)
    memory = FlatMemory(BASE, image_of(of, **VALUES))
    reader = TypedReader(memory, 8, lambda address: "nt!Function+0x4")
    dump = dump_struct(reader, "x!Plain", of, BASE, Selection())
    words = {field.name: field.text for field in dump}
    assert words["text"] == '[15]  "hello"'
    assert words["byte"] == "0x41 'A'"
    assert words["wide"] == '[4]  "ab"'
    assert words["pointer"] == "(null) "
    assert words["d"] == "1.5"
    assert words["f"] == "-0.25"
    assert words["flag"] == "0x1"
    assert words["colour"] == "0n4294967295 ( RED )"
    assert words["small"] == "0n7 (No matching name)"
    assert words["call"] == "0xfffff800`00001234     long  nt!Function+0x4"
    assert words["opaque"] == "0x00000000`0000dead Opaque"
    assert words["big"] == "0x5"
    (bits,) = (
        text.split("\n")
        for text in [
            to_text(dump_struct(reader, "x!Plain", of, BASE, Selection((FieldPath.parse("word.bits."),))))  # type: ignore[arg-type]
        ]
    )
    assert [line.strip() for line in bits[2:]] == [
        "+0x000 low              : 0y000100100011 (0x123)",
        "+0x000 high             : 0y1010101111000000 (0xabc0)",
    ]


@pytest.mark.external("clang", "lld-link")
def test_words_for_types_without_an_address(types: object) -> None:
    dump = dump_struct(TypedReader(NoMemory(), 8), "x!Plain", plain_struct(types), None, Selection())
    words = {field.name: field.type for field in dump}
    assert words["text"] == "[15] Char"
    assert words["pointer"] == "Ptr64 Int4B"
    assert words["call"] == "Ptr64     long "
    assert words["flag"] == "Bool"
    assert words["colour"] == "Colour"
    assert dump.offset("TEXT") == 0


@pytest.mark.external("clang", "lld-link")
def test_subscripts_and_elements(types: object) -> None:
    derived = types.lookup("Derived")  # type: ignore[attr-defined]
    assert isinstance(derived, StructType)
    memory = FlatMemory(BASE, bytes(range(derived.size)))
    path = FieldPath.parse("many[1]")
    assert path is not None
    dump = dump_struct(TypedReader(memory, 8), "x", derived, BASE, Selection((path,)))
    many = derived.field("many")
    assert many is not None
    assert [(field.name, field.offset) for field in dump] == [("many[1]", many.offset + 4)]
    rows = dump_struct(TypedReader(memory, 8), "x", derived, BASE, Selection(elements=2))
    assert [field.name for field in rows if field.depth] == ["[00]", "[01]"]


@pytest.mark.external("llvm-pdbutil")
@pytest.mark.parametrize("path", GUEST, ids=lambda path: path.name)
def test_dt_agrees_with_llvm_pdbutil_on_every_struct(path: Path) -> None:
    pdb = PdbFile.open(path)
    differences = []
    for index, (name, size, members) in oracle(path).items():
        of = pdb.types.type_at(index)
        assert isinstance(of, StructType)
        layout = dump_struct(TypedReader(NoMemory(), 8), name, of, None, Selection())
        if layout.size != size or [(field.name, field.offset) for field in layout] != members:
            differences.append(name)
    assert differences == []


def test_large_values_of_r_end(tmp_path: Path) -> None:
    table = table_of(next(path for path in GUEST if path.name == "ntkrnlmp.pdb"))
    of = table.lookup("_ETHREAD")
    assert isinstance(of, StructType)
    dump = dump_struct(TypedReader(NoMemory(), 8), "x", of, None, Selection(depth=9))
    assert 100 < len(dump.fields) <= 8192


@pytest.mark.parametrize("text", ["", "1", "a b", "a.", "*", "a[", "a[x]", "a[1][2]", "..", "-x", "a..b"])
def test_only_fields_are_paths(text: str) -> None:
    path = FieldPath.parse(text)
    assert (path is not None) == (text == "a.")
