"""One declaration gives decode, encode, field map and numpy view, and they agree."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kdnb.protocol.context
import kdnb.protocol.messages
from kdnb.errors import DecodeError, UsageError
from kdnb.protocol.wire import FieldInfo, Structure, array, nested, padding, raw, u8, u16, u32, u64, u128


@dataclass(frozen=True, slots=True)
class Point(Structure):
    x: Annotated[int, u16("X", "across")] = 0
    y: Annotated[int, u16("Y", "down")] = 0


@dataclass(frozen=True, slots=True)
class Sample(Structure):
    number: Annotated[int, u8("Number", "a small one")] = 0
    gap: Annotated[bytes, padding(3)] = bytes(3)
    where: Annotated[Point, nested(Point, "Where", "a place")] = Point()
    name: Annotated[bytes, raw(4, "Name", "four letters")] = bytes(4)
    vector: Annotated[int, u128("Vector")] = 0
    counts: Annotated[tuple[int, ...], array(3, u32, "Counts")] = (0, 0, 0)
    wide: Annotated[tuple[int, ...], array(2, u128, "Wide")] = (0, 0)
    last: Annotated[int, u64("Last")] = 0
    note: str = "not on the wire"


def all_structures() -> list[type[Structure]]:
    """Every structure that messages and contexts declare, and the sample here."""
    found: dict[str, type[Structure]] = {"sample": Sample}
    for package in (kdnb.protocol.messages, kdnb.protocol.context):
        for module in pkgutil.iter_modules(package.__path__):
            contents = importlib.import_module(f"{package.__name__}.{module.name}")
            for value in vars(contents).values():
                if isinstance(value, type) and issubclass(value, Structure) and value is not Structure:
                    found[f"{value.__module__}.{value.__name__}"] = value
    return list(found.values())


STRUCTURES = all_structures()
each_structure = pytest.mark.parametrize("structure", STRUCTURES, ids=lambda structure: structure.__name__)


def pattern(size: int, seed: int = 1) -> bytes:
    """Bytes of which no two in a row are alike."""
    return bytes((seed + 37 * index) % 251 for index in range(size))


def changed(value: Any) -> Any:
    """Another value of the same kind, different in every byte that the field has in `pattern`."""
    if isinstance(value, int):
        return value ^ 1
    if isinstance(value, bytes):
        return bytes(byte ^ 1 for byte in value)
    if isinstance(value, tuple):
        return tuple(element ^ 1 for element in value)
    return value.replace(**{field.name: changed(getattr(value, field.name)) for field in value.fields()})


@each_structure
def test_encode_gives_back_the_bytes_that_were_decoded(structure: type[Structure]) -> None:
    data = pattern(structure.SIZE)
    value = structure.decode(data)
    assert value.encode() == data
    assert structure.decode(value.encode()) == value


@each_structure
def test_changing_one_field_changes_only_its_bytes(structure: type[Structure]) -> None:
    data = pattern(structure.SIZE)
    value = structure.decode(data)
    assert sum(field.size for field in structure.fields()) == structure.SIZE
    for field in structure.fields():
        encoded = value.replace(**{field.name: changed(getattr(value, field.name))}).encode()
        places = {index for index, (old, new) in enumerate(zip(data, encoded, strict=True)) if old != new}
        assert places, field.name
        assert places <= set(range(field.offset, field.offset + field.size)), field.name


@each_structure
def test_each_byte_belongs_to_the_field_that_the_map_names(structure: type[Structure]) -> None:
    data = pattern(structure.SIZE)
    value = structure.decode(data)
    for field in structure.fields():
        for offset in (field.offset, field.offset + field.size - 1):
            other = bytearray(data)
            other[offset] ^= 0xFF
            decoded = structure.decode(bytes(other))
            different = [
                candidate.name
                for candidate in structure.fields()
                if getattr(decoded, candidate.name) != getattr(value, candidate.name)
            ]
            assert different == [field.name]


@each_structure
def test_struct_compiled_and_interpreted_construct_agree(structure: type[Structure]) -> None:
    layout = structure.layout()
    data = pattern(structure.SIZE, seed=7)
    interpreted = layout.construct.parse(data)
    if layout.plain is not None:
        assert list(layout.plain.unpack(data)) == list(interpreted)
        assert layout.plain.pack(*interpreted) == data
    assert layout.compiled.parse(data) == interpreted
    assert layout.construct.build(interpreted) == layout.compiled.build(interpreted) == data


@each_structure
def test_numpy_reads_the_same_numbers(structure: type[Structure]) -> None:
    import numpy as np

    data = pattern(structure.SIZE, seed=3)
    row = np.frombuffer(data, dtype=structure.dtype())[0]
    value = structure.decode(data)
    for field in structure.fields():
        expected = getattr(value, field.name)
        if isinstance(expected, int) and field.size <= 8:
            assert int(row[field.name]) == expected
        else:
            assert row[field.name].tobytes() == data[field.offset : field.offset + field.size]


@each_structure
def test_defaults_fit_their_fields(structure: type[Structure]) -> None:
    assert len(structure().encode()) == structure.SIZE


@given(data=st.data())
def test_any_values_survive_encode_and_decode(data: st.DataObject) -> None:
    numbers = st.integers(0, 2**32 - 1)
    wide = st.integers(0, 2**128 - 1)
    value = Sample(
        number=data.draw(st.integers(0, 255)),
        where=Point(data.draw(st.integers(0, 65535)), data.draw(st.integers(0, 65535))),
        name=data.draw(st.binary(min_size=4, max_size=4)),
        vector=data.draw(wide),
        counts=data.draw(st.tuples(numbers, numbers, numbers)),
        wide=data.draw(st.tuples(wide, wide)),
        last=data.draw(st.integers(0, 2**64 - 1)),
    )
    assert Sample.decode(value.encode()) == value


def test_the_field_map_has_offsets_names_and_meanings() -> None:
    assert Sample.SIZE == 1 + 3 + 4 + 4 + 16 + 12 + 32 + 8
    assert Sample.fields()[:2] == (
        FieldInfo("number", 0, 1, "Number", "a small one"),
        FieldInfo("gap", 1, 3, "", "unused", hidden=True),
    )
    values = Sample(where=Point(3, 4)).field_values(0x100)
    assert [(field.name, field.offset, field.value) for field in values[2:4]] == [
        ("where.x", 0x104, 3),
        ("where.y", 0x106, 4),
    ]


def test_padding_is_not_shown_and_structures_are_slotted_and_frozen() -> None:
    sample = Sample(number=200, gap=b"\xaa\xbb\xcc", where=Point(3, 16), counts=(1, 2, 30))
    assert repr(sample) == (
        "Sample(number=0xc8, where=Point(x=3, y=0x10), name=b'\\x00\\x00\\x00\\x00', vector=0, "
        "counts=(1, 2, 0x1e), wide=(0, 0), last=0, note='not on the wire')"
    )
    assert not hasattr(sample, "__dict__")
    with pytest.raises(AttributeError):
        sample.number = 1  # type: ignore[misc]  # the very thing that must fail


def test_decode_reads_at_an_offset_and_leaves_the_rest_alone() -> None:
    assert Point.decode(b"??\x01\x00\x02\x00!!", 2) == Point(1, 2)


@pytest.mark.parametrize(("data", "offset"), [(b"", 0), (b"abc", 0), (b"abcdef", 3), (b"abcd", -1)])
def test_too_few_bytes_are_a_decode_error(data: bytes, offset: int) -> None:
    with pytest.raises(DecodeError, match="Point needs 4 bytes"):
        Point.decode(data, offset)


@pytest.mark.parametrize(
    "value",
    [
        Point(x=-1),
        Point(x=65536),
        Sample(name=b"abc"),
        Sample(name=b"abcde"),
        Sample(counts=(1, 2)),
        Sample(counts=(1, 2, 3, 4)),
        Sample(counts=(1, 2, 2**32)),
        Sample(gap=b""),
        Sample(vector=2**128),
        Sample(where=Point(x=-1)),
    ],
    ids=repr,
)
def test_a_value_that_does_not_fit_is_refused(value: Structure) -> None:
    with pytest.raises(UsageError):
        value.encode()
