"""`x`, `ln`: names of addresses and addresses of names (the command reference, 7.8)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.cplusplus_types import c_words
from kdnb.debugger.locals import local_variables, parameter_types
from kdnb.debugger.type_lookup import TypeLookup
from kdnb.debugger.typed import TypedReader, type_words
from kdnb.errors import ExpressionError, SymbolFileError, UnknownNameError
from kdnb.results.modules import ModuleList, NearestSymbols, SymbolInfo, SymbolList

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.modules import Module
    from kdnb.debugger.session import Session
    from kdnb.debugger.type_lookup import FoundVariable
    from kdnb.results.base import Result

SYMBOL_LIMIT = 10_000
"""Symbols that one `x` shows."""
VALUE_LIMIT = 64
"""Symbols of one `x` up to which the values of variables are read."""
MAX_VALUE = 0x1000
_TYPELESS = {True: " (<no parameter info>)", False: " = <no type information>", None: ""}
_ORDERS: dict[str, tuple[Callable[[SymbolInfo], tuple[object, ...]], bool]] = {
    "a": (lambda one: (one.address,), False),
    "A": (lambda one: (one.address,), True),
    "n": (lambda one: (one.name.lower(),), False),
    "N": (lambda one: (one.name.lower(),), True),
    "z": (lambda one: (one.size or 0, one.address), False),
    "Z": (lambda one: (one.size or 0, one.address), True),
}
_LETTERS = "012DtvqpfdaAnNzZ"


@command(
    "x",
    summary="List symbols that match a pattern.",
    syntax="x [/0|/1|/2] [/t] [/v] [/f|/d] [/s Size] [/a|/A|/n|/N|/z|/Z] [/q] [Module!]Pattern\nx *",
    details="* stands for any characters, ? for one, in either case; [a-f] for one of a set, # for any number of what "
    "stands before it. Without a module, the kernel and modules whose symbols are loaded are searched. x *! lists the "
    "modules, x * the local variables. /0 shows addresses only, /1 names, /2 both; /t types; /v kind and size too; "
    "/f functions only, /d variables only, /s those of that or of unknown size; /a /n /z sort by address, name or "
    "size, in capitals downwards; /q quotes names.",
    examples=("x nt!KeBug*", "x nt!*List*", "x *!", "x /v /n nt!Ke*", "x /d /t nt!Ps*"),
)
def examine_symbols(session: Session, arguments: Arguments) -> Result:
    """Symbols in address order."""
    letters, size = "", None
    while found := arguments.match(r"/(\w+)\s*"):
        if found[1] == "s":
            size = arguments.expression()
            continue
        unknown = [letter for letter in found[1] if letter not in _LETTERS]
        if unknown:
            raise ExpressionError(f"Syntax error at '/{found[1][:60]}'", ".hh x shows the options")
        letters += found[1]
    pattern = arguments.all()
    if not pattern:
        raise ExpressionError("Syntax error at '<EOL>'", "give a pattern: x nt!Ke*")
    if pattern in ("*!", "*!*!"):
        return ModuleList(tuple(m.info() for m in sorted(session.modules, key=lambda m: m.base)), session.pointer_size)
    if pattern == "*":
        return local_variables(session)
    return _matching(session, pattern, letters, size)


def _matching(session: Session, pattern: str, letters: str, size: int | None) -> SymbolList:
    found = session.symbols.search(pattern)
    if not found:
        near = session.symbols.near(pattern.strip("*"))
        hint = f"did you mean {', '.join(near)}?" if near else _why_nothing(session, pattern)
        raise UnknownNameError(f"Couldn't resolve 'x {pattern[:60]}'", hint, near)
    chosen = set(letters)
    if size is None and not chosen & set("fdvzZnN"):
        left_out = max(len(found) - SYMBOL_LIMIT, 0)
        with_values = len(found) <= VALUE_LIMIT and not chosen & set("01")
        shown = [_symbol(session, *one, with_value=with_values) for one in found[:SYMBOL_LIMIT]]
    else:
        every = [_symbol(session, *one) for one in found]
        kept = [one for one in every if _wanted(one, chosen) and (size is None or one.size in (size, None))]
        key, descending = next((_ORDERS[letter] for letter in letters if letter in _ORDERS), _ORDERS["a"])
        kept.sort(key=key, reverse=descending)
        left_out = max(len(kept) - SYMBOL_LIMIT, 0)
        with_values = len(kept) <= VALUE_LIMIT and not chosen & set("01")
        shown = [_symbol(session, one.address, one.name, with_value=with_values) for one in kept[:SYMBOL_LIMIT]]
    if "A" in chosen and not chosen & set("fdv"):
        shown.reverse()
    if "q" in chosen:
        shown = [replace(one, name=f'@!"{one.name}"') for one in shown]
    return SymbolList(tuple(shown), session.pointer_size, left_out, letters)


def _wanted(one: SymbolInfo, chosen: set[str]) -> bool:
    if "f" in chosen and "d" not in chosen:
        return one.kind == "func"
    return one.kind == "global" if "d" in chosen and "f" not in chosen else True


def _why_nothing(session: Session, pattern: str) -> str:
    """The next step where nothing matches."""
    module = session.modules.get(pattern.partition("!")[0])
    if module is None or len(module.symbols):
        return "lm lists modules"
    note = f": {module.symbol_note}" if module.symbol_note else ""
    return f"{module.name} has no symbols{note}"


def _symbol(session: Session, address: int, name: str, *, with_value: bool = False) -> SymbolInfo:
    """A symbol with its value or parameters, or with what WinDbg says behind the name where these aren't known."""
    module = session.modules.find(address)
    bare = name.partition("!")[2]
    same = [s for s in module.symbols.at(address - module.base) if s.name == bare] if module is not None else []
    kind = same[0].is_function if same else None
    variable = TypeLookup(session).variable(name) if kind is False else None
    if variable is not None and variable.address != address:
        variable = None
    value = _value(session, variable) if with_value and variable is not None else ""
    size = same[0].size if same else None
    of = "<function>" if kind else ""
    if variable is not None:
        size, of = variable.type.size, c_words(variable.type)
    takes = parameter_types(session, address) if kind and with_value else None
    details = f" = {value}" if value else f" ({', '.join(takes) or 'void'})" if takes is not None else _TYPELESS[kind]
    return SymbolInfo(
        address,
        name,
        details=details,
        size=size,
        kind={True: "func", False: "global", None: ""}[kind],
        type=of,
        is_private=size is not None,
    )


def _value(session: Session, variable: FoundVariable) -> str:
    """What a variable holds, where its memory can be read."""
    if not 0 < variable.type.size <= MAX_VALUE:
        return ""
    data = session.memory.read_available(variable.address, variable.type.size)
    if len(data) < variable.type.size:
        return type_words(variable.type)
    return TypedReader(session.memory, session.pointer_size, session.symbols.name_at).words(variable.type, data)


@command(
    "ln",
    summary="Show the symbols nearest to an address.",
    syntax="ln [/D] [Address]",
    examples=("ln @rip", "ln nt!KeBugCheckEx", "ln nt!KeBugCheckEx+3"),
)
def list_nearest(session: Session, arguments: Arguments) -> Result:
    """The symbol at or before the address and the next one."""
    arguments.options({"D": False})
    address = arguments.expression(session.environment.instruction_pointer) & session.address_mask
    arguments.finish()
    nearest = session.symbols.nearest(address)
    if nearest is None:
        gone = session.modules.remembered.find(address)
        start = SymbolInfo(gone.start, gone.text_at(gone.start), address - gone.start) if gone is not None else None
        return NearestSymbols(address, session.pointer_size, start)
    module = nearest.module
    name = f"{module.name}!{nearest.name}" if nearest.name else module.name
    begin = address - nearest.displacement
    before = SymbolInfo(begin, name, nearest.displacement)
    if not nearest.name:
        return NearestSymbols(address, session.pointer_size, before)
    rva = address - module.base
    following = module.symbols.next_symbol(rva)
    after = SymbolInfo(module.base + following.rva, f"{module.name}!{following.name}") if following else None
    exact = tuple(
        _symbol(session, address, f"{module.name}!{symbol.name}", with_value=True) for symbol in module.symbols.at(rva)
    )
    return NearestSymbols(
        address, session.pointer_size, before, after, exact, _source(module, rva, nearest.displacement)
    )


def _source(module: Module, rva: int, displacement: int) -> str:
    """`file.c(120)+0x3`, where the PDB has lines of this function."""
    try:
        line = module.pdb.line_at(rva) if module.pdb is not None else None
    except SymbolFileError:
        return ""
    if line is None or line.rva < rva - displacement:
        return ""  # a line of the function before
    behind = f"+0x{rva - line.rva:x}" if rva > line.rva else ""
    return f"{line.file}({line.line}){behind}"
