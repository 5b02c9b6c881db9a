"""Types read from PDBs: every struct of every PDB at hand against `llvm-pdbutil`, and the forms one by one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from purepdb import PDB

from kdnb.errors import SymbolFileError
from kdnb.symbols.type_records import ArrayRecord, BitFieldRecord, FieldList
from kdnb.symbols.types import Array, BitField, Enumeration, Pointer, Scalar, StructType, TypeTable

if TYPE_CHECKING:
    from tests.windows_files import WindowsFiles

SOURCE = r"""
enum Colour { RED = -1, GREEN, BLUE = 0x70000000 };
enum class Small : unsigned char { A = 200 };
struct Node { Node *next; Node *previous; };
union Word { unsigned int value; struct { unsigned int low : 12; unsigned int : 4; unsigned int high : 16; } bits; };
struct Base { int first; virtual int work(); };
struct Derived : Base { long long second; static int shared; struct Inner { short s; } inner; Inner many[3][2]; };
struct Plain { char text[15]; unsigned char byte; wchar_t wide[4]; const volatile int *pointer; double d; float f;
               bool flag; Colour colour; Small small; Word word; Node list; int (*call)(int, char);
               struct Opaque *opaque; unsigned long long big; };
int Base::work() { return 1; }
int Derived::shared = 3;
Plain plain; Derived derived;
extern "C" int entry() { return derived.first + plain.byte + derived.work(); }
extern "C" int _fltused = 0;
"""


def table_of(path: Path) -> TypeTable:
    return TypeTable(PDB.from_bytes(path.read_bytes()).msf.read_stream(2))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("types")
    (folder / "types.cpp").write_text(SOURCE)
    compiler = "clang --target=x86_64-pc-windows-msvc -g -gcodeview -ffreestanding -fno-rtti -c types.cpp -o types.obj"
    linker = "lld-link /debug /subsystem:native /entry:entry /nodefaultlib /force /out:types.exe types.obj"
    for command in (compiler, linker):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder / "types.pdb"


@pytest.fixture(scope="module")
def types(built: Path) -> TypeTable:
    return table_of(built)


def oracle(path: Path) -> dict[int, tuple[str, int, list[tuple[str, int]]]]:
    """Type index -> (name, size, members with offsets) of each defined struct, as llvm-pdbutil prints them.

    By index, since unnamed structs in one struct share their name.
    """
    command = ["llvm-pdbutil", "dump", "-types", str(path)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lists: dict[str, list[tuple[str, int]]] = {}
    found: dict[int, tuple[str, int, list[tuple[str, int]]]] = {}
    index = name = fields = ""
    for line in text.splitlines():
        if head := re.match(r"\s+(0x[0-9A-F]+) \| (LF_\w+) .*?(?:`(.*)`)?$", line):
            index, name = head[1], head[3] or ""
            if head[2] == "LF_FIELDLIST":
                lists[index] = []
        elif member := re.match(r"\s+- LF_MEMBER \[name = `(.*)`, Type = .*, offset = (\d+),", line):
            lists[index].append((member[1], int(member[2])))
        elif where := re.search(r"field list: (\S+)$", line):
            fields = where[1]
        elif (size := re.search(r"options: (.*?),? sizeof (\d+)$", line)) and name and "forward ref" not in size[1]:
            found[int(index, 16)] = (name, int(size[2]), lists.get(fields, []))
    return found


_PARTS = (
    # a part of a field list in llvm-pdbutil's words, and the numbers and names that ours must have
    ("m", r"- LF_MEMBER \[name = `(.*)`, Type = (0x\w+).*, offset = (\d+), attrs"),
    ("s", r"- LF_STMEMBER \[name = `(.*)`, type = (0x\w+)"),
    ("e", r"- LF_ENUMERATE \[(.*) = (-?\d+)\]"),
    ("b", r"- LF_BCLASS\n\s+type = (0x\w+), offset = (\d+)"),
    ("v", r"- LF_I?VBCLASS\n\s+base = (0x\w+), vbptr = .*, vbptr offset = \d+, vtable index = (\d+)"),
    ("n", r"- LF_NESTTYPE \[name = `(.*)`, parent = (0x\w+)"),
    ("t", r"- LF_VFUNCTAB type = (0x\w+)"),
)


def field_differences(path: Path) -> list[str]:
    """Of all field lists, bit fields and arrays: those that llvm-pdbutil reads otherwise."""
    text = subprocess.run(
        ["llvm-pdbutil", "dump", "-types", str(path)], check=True, capture_output=True, text=True
    ).stdout
    types, wrong = table_of(path), []
    for record in re.split(r"\n   (?=0x)", text):
        index, kind = record[:6], record[9:].split(maxsplit=1)[0]
        ours = types._record(int(index, 16)) if index.startswith("0x") else None
        if kind == "LF_FIELDLIST" and isinstance(ours, FieldList):
            expected = [
                (tag, *(int(part, 0) if re.fullmatch(r"-?\d+|0x\w+", part) else part for part in parts))
                for tag, form in _PARTS
                for found in re.findall(form, record)
                for parts in [found if isinstance(found, tuple) else (found,)]
            ]
            read = _fields(ours)
        elif kind == "LF_BITFIELD" and isinstance(ours, BitFieldRecord):
            expected = list(map(int, re.findall(r"bit offset = (\d+), # bits = (\d+)", record)[0]))
            read = [ours.position, ours.length]
        elif kind == "LF_ARRAY" and isinstance(ours, ArrayRecord):
            expected = list(map(int, re.findall(r"size: (\d+)", record)))
            read = [ours.size]
        else:
            continue
        if sorted(read, key=str) != sorted(expected, key=str):
            wrong.append(f"{index}: {read} against {expected}")
    return wrong


def _fields(ours: FieldList) -> list[tuple[object, ...]]:
    return [
        *(("m", one.name, one.type_index, one.offset) for one in ours.members),
        *(("s", one.name, one.type_index) for one in ours.statics),
        *(("e", one.name, one.value) for one in ours.enumerators),
        *(("v" if one.is_virtual else "b", one.type_index, one.offset) for one in ours.bases),
        *(("n", one.name, one.type_index) for one in ours.nested),
        *([("t", ours.vtable)] if ours.vtable else []),
    ]


GUEST = sorted((Path(__file__).parents[2] / "kdnb/simulator/guest/images").glob("*.pdb"))


def differences(path: Path) -> list[str]:
    types, wrong = table_of(path), []
    for index, (name, size, members) in oracle(path).items():
        ours = types.type_at(index)
        if not isinstance(ours, StructType) or types.lookup(name) is None:
            wrong.append(f"{name}: not found")
            continue
        own = [(field.name, field.offset) for field in ours.fields]
        if ours.size != size or [entry for entry in own if entry in members] != members:
            wrong.append(f"{name}: {ours.size} {own} against {size} {members}")
    return wrong


@pytest.mark.external("llvm-pdbutil")
@pytest.mark.parametrize("path", GUEST, ids=lambda path: path.name)
def test_every_struct_of_the_guest_agrees_with_llvm_pdbutil(path: Path) -> None:
    assert "_UNICODE_STRING" in {name for name, _, _ in oracle(path).values()}  # in user images there is little more
    assert differences(path) == []


@pytest.mark.external("llvm-pdbutil")
@pytest.mark.parametrize("name", ["attach_amd64.pdb", "attach_x86.pdb", "inject_dll_x86.pdb"])
def test_every_struct_by_msvc_agrees_with_llvm_pdbutil(msvc: WindowsFiles, name: str) -> None:
    path = msvc.path(name)
    assert len(oracle(path)) > 400
    assert differences(path) == []
    assert field_differences(path) == []


@pytest.mark.external("clang", "lld-link", "llvm-pdbutil")
def test_every_struct_of_a_built_pdb_agrees_with_llvm_pdbutil(built: Path) -> None:
    assert {"Plain", "Derived", "Word"} <= {name for name, _, _ in oracle(built).values()}
    assert differences(built) == []


@pytest.mark.external("clang", "lld-link")
class TestForms:
    def test_a_lookup_takes_any_case(self, types: TypeTable) -> None:
        plain = types.lookup("PLAIN")
        assert isinstance(plain, StructType)
        assert plain.field("TEXT") == plain.fields[0]

    def test_arrays_count_their_elements(self, types: TypeTable) -> None:
        derived = types.lookup("Derived")
        assert isinstance(derived, StructType)
        many = derived.field("many")
        assert many is not None
        assert isinstance(many.type, Array)
        assert (many.type.count, many.type.size) == (3, 12)

    def test_bit_fields_have_position_and_length(self, types: TypeTable) -> None:
        word = types.lookup("Word")
        assert isinstance(word, StructType)
        assert word.kind == "union"
        bits = word.fields[1].type
        assert isinstance(bits, StructType)
        assert [(f.type.position, f.type.length) for f in bits.fields if isinstance(f.type, BitField)] == [
            (0, 12),
            (16, 16),
        ]

    def test_enumerations_name_negative_and_large_values(self, types: TypeTable) -> None:
        colour = types.lookup("Colour")
        assert isinstance(colour, Enumeration)
        assert colour.values == {0xFFFFFFFF: "RED", 0: "GREEN", 0x70000000: "BLUE"}
        small = types.lookup("Small")
        assert isinstance(small, Enumeration)
        assert (small.size, small.values) == (1, {200: "A"})

    def test_pointers_lead_to_the_definition_and_not_to_the_forward_reference(self, types: TypeTable) -> None:
        node = types.lookup("Node")
        assert isinstance(node, StructType)
        following = node.fields[0].type
        assert isinstance(following, Pointer)
        assert following.size == 8
        assert isinstance(following.target, StructType)
        assert following.target.fields == node.fields

    def test_a_base_class_comes_first_with_its_fields(self, types: TypeTable) -> None:
        derived = types.lookup("Derived")
        assert isinstance(derived, StructType)
        names = [field.name for field in derived.fields]
        assert names.index("first") < names.index("second")

    def test_const_and_volatile_are_looked_through(self, types: TypeTable) -> None:
        plain = types.lookup("Plain")
        assert isinstance(plain, StructType)
        pointer = plain.field("pointer")
        assert pointer is not None
        assert isinstance(pointer.type, Pointer)
        assert pointer.type.target == Scalar("Int4B", 4, True)


def test_names_are_searched_with_wildcards() -> None:
    types = table_of(next(path for path in GUEST if path.name == "ntkrnlmp.pdb"))
    assert {"_KPCR", "_KPRCB"} <= set(types.search("_KP*"))


def test_a_damaged_stream_is_an_error_or_an_unknown_and_never_a_crash() -> None:
    stream = PDB.from_bytes(GUEST[-1].read_bytes()).msf.read_stream(2)
    for cut in (0, 10, 56, 57, 100, 1000, len(stream) - 3):
        for damage in (b"", b"\xff" * 40):
            piece = stream[:cut] + damage + stream[cut + len(damage) :][: 0 if not damage else None]
            try:
                types = TypeTable(piece)
                for name in types.search("*"):
                    found = types.lookup(name)
                    if isinstance(found, StructType):
                        _ = found.fields
            except SymbolFileError:
                continue
