"""Types in C++ expressions, without a target."""

from __future__ import annotations

import pytest

from kdnb.debugger.cplusplus_types import (
    BOOL,
    DOUBLE,
    INT,
    INT64,
    UINT,
    UINT64,
    arithmetic_type,
    basic_type,
    c_words,
    fitted,
    parse_type_name,
)
from kdnb.symbols.types import Array, BitField, Pointer, PointerTo, Scalar, Unknown


@pytest.mark.parametrize(
    ("text", "name", "pointers", "end"),
    [
        ("unsigned long)", "unsigned long", 0, 13),
        ("const nt!_EPROCESS * )", "nt!_EPROCESS", 1, 21),
        ("struct _LIST_ENTRY**)", "_LIST_ENTRY", 2, 20),
        ("long long)", "long long", 0, 9),
        ("longer)", "longer", 0, 6),
        ("ns::Name *)", "ns::Name", 1, 10),
        ("PVOID)", "PVOID", 0, 5),
    ],
)
def test_a_text_may_begin_with_a_type(text: str, name: str, pointers: int, end: int) -> None:
    found = parse_type_name(text, 0)
    assert found is not None
    assert (found.name, found.pointers, found.end) == (name, pointers, end)


@pytest.mark.parametrize("text", ["5)", "@rax)", "", "*)"])
def test_what_begins_otherwise_is_none(text: str) -> None:
    assert parse_type_name(text, 0) is None


@pytest.mark.parametrize(
    ("name", "pointer_size", "words", "size"),
    [
        ("unsigned", 8, "unsigned int", 4),
        ("ULONG", 8, "unsigned long", 4),
        ("ULONG_PTR", 8, "unsigned int64", 8),
        ("ULONG_PTR", 4, "unsigned long", 4),
        ("PVOID", 8, "void *", 8),
        ("PUCHAR", 4, "unsigned char *", 4),
        ("NTSTATUS", 8, "long", 4),
    ],
)
def test_basic_types_have_their_names_in_windows(name: str, pointer_size: int, words: str, size: int) -> None:
    of = basic_type(name, pointer_size)
    assert of is not None
    assert (c_words(of), of.size) == (words, size)
    assert basic_type("nosuch", 8) is None


def test_types_are_worded_as_c_declares_them() -> None:
    assert c_words(Scalar("Uint4B", 4)) == "unsigned long"
    assert c_words(Array(Scalar("UChar", 1), 15, 15)) == "unsigned char [15]"
    assert c_words(PointerTo.make(PointerTo.make(INT, 8), 8)) == "int **"
    assert c_words(BitField(UINT, 3, 2)) == "unsigned int"
    assert c_words(Unknown()) == "<unknown>"
    assert isinstance(PointerTo.make(INT, 8), Pointer)
    assert PointerTo.make(INT, 8).target == INT


@pytest.mark.parametrize(
    ("one", "other", "result"),
    [
        (BOOL, BOOL, INT),
        (INT, UINT, UINT),
        (INT, INT64, INT64),
        (UINT, INT64, INT64),
        (UINT64, INT64, UINT64),
        (INT, UINT64, UINT64),
        (INT, DOUBLE, DOUBLE),
        (BitField(UINT, 0, 3), INT, UINT),
    ],
)
def test_arithmetic_widens_as_c_does(one: Scalar, other: Scalar, result: Scalar) -> None:
    assert arithmetic_type(one, other) == arithmetic_type(other, one) == result


@pytest.mark.parametrize(
    ("of", "number", "result"),
    [(INT, 1 << 31, -(1 << 31)), (UINT, -1, 0xFFFFFFFF), (BOOL, 256, 1), (DOUBLE, 3, 3.0), (INT64, -1, -1)],
)
def test_a_number_is_cut_to_its_type(of: Scalar, number: int, result: float) -> None:
    assert fitted(of, number) == result
