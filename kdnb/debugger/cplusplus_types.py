"""Types in C++ expressions: their names in text, in words, and the rules of arithmetic on them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdnb.symbols.types import (
    Array,
    BitField,
    Enumeration,
    Function,
    Pointer,
    PointerTo,
    Scalar,
    StructType,
)

if TYPE_CHECKING:
    from kdnb.symbols.types import FieldType

__all__ = [
    "BOOL",
    "DOUBLE",
    "INT",
    "INT64",
    "UINT",
    "UINT64",
    "TypeName",
    "arithmetic_type",
    "basic_type",
    "c_words",
    "fitted",
    "parse_type_name",
]

VOID = Scalar("void", 0)
BOOL = Scalar("bool", 1)
CHAR = Scalar("char", 1, True, False, True)
UCHAR = Scalar("unsigned char", 1, False, False, True)
WCHAR = Scalar("wchar_t", 2, False, False, True)
SHORT, USHORT = Scalar("short", 2, True), Scalar("unsigned short", 2)
INT, UINT = Scalar("int", 4, True), Scalar("unsigned int", 4)
LONG, ULONG = Scalar("long", 4, True), Scalar("unsigned long", 4)
INT64, UINT64 = Scalar("int64", 8, True), Scalar("unsigned int64", 8)
FLOAT, DOUBLE = Scalar("float", 4, True, True), Scalar("double", 8, True, True)

_BASIC = {
    **{"void": VOID, "bool": BOOL, "char": CHAR, "signed char": CHAR, "unsigned char": UCHAR, "wchar_t": WCHAR},
    **{"short": SHORT, "unsigned short": USHORT, "int": INT, "signed": INT, "unsigned": UINT, "unsigned int": UINT},
    **{"long": LONG, "unsigned long": ULONG, "long long": INT64, "unsigned long long": UINT64},
    **{"__int64": INT64, "unsigned __int64": UINT64, "int64": INT64, "unsigned int64": UINT64},
    **{"float": FLOAT, "double": DOUBLE},
}
# The names that Windows' headers give to them; other typedefs come from the PDB.
_WINDOWS = {
    **dict.fromkeys(("UCHAR", "BYTE", "BOOLEAN", "UINT8", "KIRQL"), UCHAR),
    **dict.fromkeys(("CHAR", "CCHAR", "INT8"), CHAR),
    **dict.fromkeys(("USHORT", "WORD", "UINT16"), USHORT),
    **dict.fromkeys(("SHORT", "CSHORT", "INT16"), SHORT),
    **dict.fromkeys(("ULONG", "DWORD", "UINT", "UINT32", "ULONG32"), ULONG),
    **dict.fromkeys(("LONG", "INT", "BOOL", "NTSTATUS", "INT32", "LONG32"), LONG),
    **dict.fromkeys(("ULONGLONG", "ULONG64", "DWORD64", "UINT64"), UINT64),
    **dict.fromkeys(("LONGLONG", "LONG64", "INT64"), INT64),
    "WCHAR": WCHAR,
}
_POINTER_SIZED = {
    **dict.fromkeys(("ULONG_PTR", "SIZE_T", "UINT_PTR", "DWORD_PTR"), (ULONG, UINT64)),
    **dict.fromkeys(("LONG_PTR", "SSIZE_T", "INT_PTR"), (LONG, INT64)),
}
_WORDS = {
    **{"Void": "void", "Char": "char", "UChar": "unsigned char", "Wchar": "wchar_t", "Bool": "bool"},
    **{"Int2B": "short", "Uint2B": "unsigned short", "Int4B": "long", "Uint4B": "unsigned long"},
    **{"Int8B": "int64", "Uint8B": "unsigned int64", "Float": "float", "Double": "double"},
}
_NAME = re.compile(
    r"\s*(?:(?:const|volatile|struct|union|class|enum)\s+)*"
    rf"((?:{'|'.join(sorted(_BASIC, key=len, reverse=True))})\b|(?:\w+!)?[A-Za-z_$][\w$]*(?:::[A-Za-z_$][\w$]*)*)"
    r"(?:\s+const\b)?((?:\s*\*(?:\s*const\b)?)*)\s*"
)


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type's name in a text: `unsigned long`, `nt!_EPROCESS *`."""

    name: str
    pointers: int
    """How many `*` follow."""
    end: int
    """Where the text goes on."""


def parse_type_name(text: str, at: int) -> TypeName | None:
    """What may be a type's name at a place in a text; whether there is such a type is another question."""
    found = _NAME.match(text, at)
    return TypeName(found[1], found[2].count("*"), found.end()) if found is not None else None


def basic_type(name: str, pointer_size: int) -> FieldType | None:
    """C's and Windows' own types (`int`, `ULONG`, `PVOID`, `PULONG`)."""
    if name in ("PVOID", "HANDLE", "LPVOID"):
        return PointerTo.make(VOID, pointer_size)
    if name in _POINTER_SIZED:
        return _POINTER_SIZED[name][pointer_size == 8]
    if name[:1] == "P" and name[1:] in _WINDOWS:
        return PointerTo.make(_WINDOWS[name[1:]], pointer_size)
    return _BASIC.get(name) or _WINDOWS.get(name)


def c_words(of: FieldType, *, kind: bool = True) -> str:
    """C's words for a type: `unsigned long`, `struct _EPROCESS *`, `unsigned char [15]`."""
    match of:
        case Scalar(word=word):
            return _WORDS.get(word, word)
        case StructType(name=name):
            return f"{of.kind.lower()} {name}" if kind else name
        case Enumeration(name=name):
            return name
        case Pointer():
            stars, target = "*", of.target
            while isinstance(target, Pointer) and len(stars) < 8:
                stars, target = stars + "*", target.target
            return f"{c_words(target, kind=kind)} {stars}"
        case Array(element=element, count=count):
            return f"{c_words(element, kind=kind)} [{count}]"
        case BitField(base=base):
            return c_words(base, kind=kind)
        case Function():
            return "<function>"
    return "<unknown>"


def fitted(of: FieldType, number: float) -> int | float:
    """A number as a type holds it."""
    if isinstance(of, Scalar) and of.is_float:
        return float(number)
    number = int(number)
    if of == BOOL:
        return int(number != 0)
    size = 8 * (of.size or 8)
    number &= (1 << size) - 1
    signed = isinstance(of, Scalar) and of.is_signed
    return number - (1 << size) if signed and number >> size - 1 else number


def arithmetic_type(one: FieldType, other: FieldType) -> Scalar:
    """The type in which two numbers are combined: int at least, the larger one, unsigned where one of them is."""
    first, second = _promoted(one), _promoted(other)
    if first.is_float or second.is_float:
        return DOUBLE
    wide = first.size > 4 or second.size > 4
    unsigned = any(not of.is_signed for of in (first, second) if not wide or of.size > 4)
    return (UINT64 if unsigned else INT64) if wide else (UINT if unsigned else INT)


def _promoted(of: FieldType) -> Scalar:
    while isinstance(of, (BitField, Enumeration)):
        of = of.base
    if isinstance(of, Scalar):
        return of if of.size >= 4 else INT
    return replace(UINT64, size=of.size or 8)
