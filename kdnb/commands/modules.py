"""`lm`, `x`, `ln`: images and their names (the command reference, 7.8)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.type_lookup import TypeLookup
from kdnb.debugger.typed import TypedReader, type_words
from kdnb.errors import ExpressionError, SymbolFileError, UnknownNameError
from kdnb.results.modules import ModuleList, NearestSymbols, SymbolInfo, SymbolList
from kdnb.symbols.wildcards import compile_wildcard

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.modules import Module
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

SYMBOL_LIMIT = 10_000
"""Symbols that one `x` shows."""
VALUE_LIMIT = 64
"""Symbols of one `x` up to which the values of variables are read."""
MAX_VALUE = 0x1000
_TYPELESS = {True: " (<no parameter info>)", False: " = <no type information>", None: ""}
_USER_LIMIT = {8: 1 << 47, 4: 1 << 31}


@command(
    "lm",
    summary="List loaded modules.",
    syntax="lm[v][k|u][o][l][e][f|n|t][1m][sm] [a Address] [m Pattern]",
    details="v shows details, f paths, n image names, t timestamps, 1m names only, o those with symbols, e those "
    "without, k kernel and u user space only, sm sorts by name. lmvm NAME is the same as lm v m NAME.",
    examples=("lm", "lmvm nt", "lm m d*", "lm a @rip", "lmn", "lm1m"),
    suffix="(?:sm|1m|[Dovlkuefintpca])*m?",
)
def list_modules(session: Session, arguments: Arguments) -> Result:
    """Modules in address order."""
    options = arguments.suffix
    pattern = _trailing_pattern(arguments, options)
    address = None
    if pattern is None:
        while not arguments.at_end and address is None and pattern is None:
            word = arguments.word()
            if word == "a":
                address = arguments.expression()
            elif word in ("m", "M"):
                pattern = arguments.word()
            elif re.fullmatch(r"(?:sm|1m|[Dovlkuefintpc])+", word):
                options += word
            else:
                raise ExpressionError(f"Syntax error at '{word[:60]}'", ".hh lm shows the options")
    modules = sorted(session.modules, key=lambda module: module.base)
    modules = [m for m in modules if _wanted(session, m, options, pattern, address)]
    if "sm" in options:
        modules.sort(key=lambda module: module.name.lower())
    verbose = "v" in options
    headers = verbose or "t" in options
    infos = tuple(module.info(headers=headers) for module in modules)
    return ModuleList(infos, session.pointer_size, verbose, options)


def _trailing_pattern(arguments: Arguments, options: str) -> str | None:
    """The pattern where the options end with `m` (`lmvm nt`)."""
    if options.endswith("m") and not options.endswith(("1m", "sm")):
        return arguments.word()
    if options.endswith("a"):
        arguments.rest = f"a {arguments.rest}"
    return None


def _wanted(session: Session, module: Module, options: str, pattern: str | None, address: int | None) -> bool:
    options = options.replace("sm", "").replace("1m", "")
    if pattern is not None and not compile_wildcard(pattern).fullmatch(module.name):
        return False
    if address is not None and (address & session.address_mask) not in module:
        return False
    user = module.base < _USER_LIMIT[session.pointer_size]
    if ("k" in options and user) or ("u" in options and not user):
        return False
    loaded = module.symbol_status != "deferred"
    return not (("o" in options or "l" in options) and not loaded) and not ("e" in options and loaded)


@command(
    "x",
    summary="List symbols that match a pattern.",
    syntax="x [Module!]Pattern",
    details="* stands for any characters, ? for one, in either case. Without a module, the kernel and modules "
    "whose symbols are loaded are searched. x *! lists the modules.",
    examples=("x nt!KeBug*", "x nt!*List*", "x *!"),
)
def examine_symbols(session: Session, arguments: Arguments) -> Result:
    """Symbols in address order."""
    arguments.match(r"(?:/\w+\s+)*")
    pattern = arguments.all()
    if not pattern:
        raise ExpressionError("Syntax error at '<EOL>'", "give a pattern: x nt!Ke*")
    if pattern in ("*!", "*!*!"):
        return ModuleList(tuple(m.info() for m in sorted(session.modules, key=lambda m: m.base)), session.pointer_size)
    found = session.symbols.search(pattern)
    with_values = len(found) <= VALUE_LIMIT
    shown = tuple(_symbol(session, address, name, with_value=with_values) for address, name in found[:SYMBOL_LIMIT])
    if not found:
        near = session.symbols.near(pattern.strip("*"))
        raise UnknownNameError(
            f"Couldn't resolve 'x {pattern[:60]}'",
            f"did you mean {', '.join(near)}?" if near else "lm lists modules",
            near,
        )
    return SymbolList(shown, session.pointer_size, len(found) - len(shown))


def _symbol(session: Session, address: int, name: str, *, with_value: bool = False) -> SymbolInfo:
    """A symbol with its value, or with what WinDbg says behind the name of one whose type isn't known."""
    module = session.modules.find(address)
    bare = name.partition("!")[2]
    same = [s for s in module.symbols.at(address - module.base) if s.name == bare] if module is not None else []
    kind = same[0].is_function if same else None
    value = _value(session, address, name) if with_value and kind is False else ""
    return SymbolInfo(address, name, details=f" = {value}" if value else _TYPELESS[kind])


def _value(session: Session, address: int, name: str) -> str:
    """What a variable holds, where a PDB knows its type and its memory can be read."""
    variable = TypeLookup(session).variable(name)
    if variable is None or variable.address != address or not 0 < variable.type.size <= MAX_VALUE:
        return ""
    data = session.memory.read_available(address, variable.type.size)
    if len(data) < variable.type.size:
        return type_words(variable.type)
    return TypedReader(session.memory, session.pointer_size, session.symbols.name_at).words(variable.type, data)


@command(
    "ln",
    summary="Show the symbols nearest to an address.",
    syntax="ln [Address]",
    examples=("ln @rip", "ln nt!KeBugCheckEx", "ln nt!KeBugCheckEx+3"),
)
def list_nearest(session: Session, arguments: Arguments) -> Result:
    """The symbol at or before the address and the next one."""
    address = arguments.expression(session.environment.instruction_pointer) & session.address_mask
    nearest = session.symbols.nearest(address)
    if nearest is None:
        return NearestSymbols(address, session.pointer_size)
    module = nearest.module
    name = f"{module.name}!{nearest.name}" if nearest.name else module.name
    begin = address - nearest.displacement
    before = SymbolInfo(begin, name, nearest.displacement)
    if not nearest.name:
        return NearestSymbols(address, session.pointer_size, before)
    rva = address - module.base
    following = module.symbols.next_symbol(rva)
    after = SymbolInfo(module.base + following.rva, f"{module.name}!{following.name}") if following else None
    exact = tuple(_symbol(session, address, f"{module.name}!{symbol.name}") for symbol in module.symbols.at(rva))
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
