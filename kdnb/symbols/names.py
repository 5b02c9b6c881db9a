"""Names in files of symbols: made printable, since they are anyone's text, and without their decoration."""

from __future__ import annotations

import re

__all__ = ["printable_name", "type_name", "undecorate", "undecorate_cplusplus"]

_DECORATED = re.compile(r"[_@]([^@?]+)(?:@\d+)?")
_STRING = "??_C@"
_SPELLING = (
    # The library spells as LLVM does, dbghelp and MSVC's own names of procedures like this.
    (re.compile(r"\b(?:class|struct|union|enum) "), ""),
    (re.compile(r", "), ","),
    (re.compile(r"(?<!operator)>(?=>)"), "> "),
    (re.compile(r"\b(const|volatile)(?=[,>])"), r"\1 "),
    (re.compile(r"\((__\w+) (?=\*)"), r"(\1"),
    (re.compile(r" dtor'"), " destructor'"),
    (re.compile(r" ctor closure'"), " constructor closure'"),
)


def printable_name(text: str) -> str:
    """A name without what would end a line or steer a terminal: each such character becomes `.`."""
    return text if text.isprintable() else "".join(one if one.isprintable() else "." for one in text)


def undecorate(name: str) -> str:
    """An x86 C name without the signs of its calling convention: `_f`, `_f@8` and `@f@8` are all `f`."""
    found = _DECORATED.fullmatch(name)
    return found[1] if found else name


def undecorate_cplusplus(name: str) -> str:
    """The qualified name in a decorated C++ name, `std::bad_alloc::what`, without types, as WinDbg shows it.

    Names that are not decorated, or can't be read, come back as they are.
    """
    if not name.startswith("?"):
        return name
    if name.startswith(_STRING):
        return "`string'"
    from demangle import DemanglingError, parse

    try:
        tree = parse(name, language="msvc")
        declarator = getattr(tree, "declarator", None)
        text = (declarator if declarator is not None else tree).spell()
    except (DemanglingError, RecursionError):
        return name
    return _as_msvc(text.removeprefix("const "))


def type_name(decorated: str) -> str:
    """The type in the name of a type descriptor: `.?AVbad_alloc@std@@` is `std::bad_alloc`."""
    from demangle import DemanglingError, demangle_type

    try:
        return _as_msvc(demangle_type(decorated, language="msvc"))
    except (DemanglingError, RecursionError):
        return decorated


def _as_msvc(text: str) -> str:
    for pattern, instead in _SPELLING:
        text = pattern.sub(instead, text)
    return text
