"""`bp bu bm ba bl bc bd be` (the command reference, 7.6)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import ExpressionError, UnknownNameError, UsageError
from kdnb.results.breakpoints import BreakpointList
from kdnb.results.values import Text
from kdnb.symbols.wildcards import compile_wildcard

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.breakpoints import Breakpoint
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

_OPTIONS = {"1": False, "p": True, "t": True, "c": True, "C": True, "w": False}
LARGEST_NUMBER = 9999
PATTERN_LIMIT = 32
"""Breakpoints that one `bm` may set: as many as a target takes."""


def _place(session: Session, arguments: Arguments) -> str:
    """The text of the address: of the expression that comes next, or of a name that may be known later."""
    if arguments.at_end or arguments.rest.startswith('"'):
        return f"0x{session.environment.instruction_pointer:x}"
    before = arguments.rest
    try:
        arguments.expression()
        return before[: len(before) - len(arguments.rest)].strip(" \t,")
    except UnknownNameError:
        found = re.match(r'[^\s,"]+', before)
        assert found is not None  # the expression began with a name
        arguments.rest = before[found.end() :].lstrip(" \t,")
        return found[0]


def _number(session: Session, arguments: Arguments) -> int | None:
    """The number that clings to the command's name: decimal, or an expression in brackets."""
    text = arguments.suffix
    if text.startswith("["):
        number = session.evaluate(text[1:-1])
        if number > LARGEST_NUMBER:
            raise ExpressionError(f"Range error in '{text[:60]}'", f"numbers go up to {LARGEST_NUMBER}")
        return number
    return int(text) if text else None


def _add(session: Session, arguments: Arguments, kind: str, size: int) -> Result:
    number = _number(session, arguments)
    options, condition = arguments.options(_OPTIONS), ""
    if "w" in options:
        condition = arguments.quoted() or ""
        if not condition:
            raise ExpressionError(f"Syntax error at '{arguments.rest[:60] or '<EOL>'}'", 'bp /w "Expression" Address')
        options |= arguments.options(_OPTIONS)
    place = _place(session, arguments)
    passes = 1
    if not arguments.at_end and not arguments.rest.startswith('"'):
        passes = arguments.expression()
    text = arguments.quoted()
    arguments.finish()
    breakpoint = session.breakpoints.add(
        place,
        kind=kind,
        size=size,
        number=number,
        symbolic=arguments.name == "bu",
        passes=max(passes, 1),
        command=f".if (@@c++({condition})) {{ {text or ''} }} .else {{ gc }}" if condition else text,
        one_shot="1" in options,
        process=session.evaluate(options["p"]) if "p" in options else None,
        thread=session.evaluate(options["t"]) if "t" in options else None,
        max_depth=session.evaluate(options["c"]) if "c" in options else None,
        min_depth=session.evaluate(options["C"]) if "C" in options else None,
    )
    return session.breakpoints.info(breakpoint)


@command(
    "bp",
    "bu",
    summary="Set a software breakpoint; bu keeps its name and follows the module over unload and load.",
    syntax="bp|bu[N] [/1] [/p EPROCESS] [/t ETHREAD] [/c Max] [/C Min] "
    '[/w "Expression"] [Address [Passes]] ["Commands"]',
    details="Without an address: the instruction pointer. /1 removes it at its first hit, Passes stops at the n-th, /p "
    "and /t want a process and a thread, /c and /C a call stack shallower or deeper than so many frames, /w a C++ "
    "expression that is not 0. Commands run at each hit; gc in them goes on. A name that is not known yet makes it "
    "deferred. N is decimal, or an expression in brackets.",
    examples=("bp nt!KeBugCheckEx", "bp5 nt!KeBugCheckEx+4 2", 'bu nt!KeBugCheckEx "k; r"', "bp /1 @rip"),
    suffix=r"\[[^\]]+\]|\d*",
    changes_target=True,
)
def set_breakpoint(session: Session, arguments: Arguments) -> Result:
    """A breakpoint; it goes into the target when that is resumed."""
    return _add(session, arguments, "software", 1)


@command(
    "ba",
    summary="Set a processor breakpoint: break on execution, write, or read and write of a place.",
    syntax='ba[N] e|w|r|i Size [/1] [Address [Passes]] ["Commands"]',
    details="Size is 1, 2, 4 or 8 bytes (1 for e) and the address is aligned to it. There are four.",
    examples=("ba e1 nt!KeBugCheckEx", "ba w4 @rsp&0`fffffff0|0xffffffff`00000000"),
    suffix=r"\[[^\]]+\]|\d*",
    changes_target=True,
)
def set_processor_breakpoint(session: Session, arguments: Arguments) -> Result:
    """A breakpoint in the debug registers."""
    access = arguments.match(r"([erwi])\s*([1248])(?=\s|,|$)")
    if access is None:
        raise ExpressionError(
            f"Syntax error at '{arguments.rest[:60] or '<EOL>'}'", "ba w4 ADDRESS: access e r w i, size 1 2 4 8"
        )
    return _add(session, arguments, access[1], int(access[2]))


@command(
    "bm",
    summary="Set a breakpoint on every symbol that matches a pattern.",
    syntax='bm [/a] [/d] Module!Pattern [Passes] ["Commands"]',
    details="Variables are left out; /a takes them too. /d sets them at addresses, as bp does; else they follow their "
    "names, as those of bu.",
    examples=("bm nt!KeBugCheck*",),
    tier="B",
    changes_target=True,
)
def set_matching_breakpoints(session: Session, arguments: Arguments) -> Result:
    """Breakpoints on functions."""
    options = arguments.options({"a": False, "d": False})
    with_data = "a" in options
    pattern = arguments.word()
    passes = arguments.expression() if not arguments.at_end and not arguments.rest.startswith('"') else 1
    text = arguments.quoted()
    arguments.finish()
    found = [each for each in session.symbols.search(pattern) if with_data or session.modules.is_code(each[0])]
    if not found:
        raise UnknownNameError(f"Couldn't resolve 'bm {pattern[:60]}'", f"x {pattern[:60]} shows what matches")
    if len(found) > PATTERN_LIMIT:
        raise UsageError(
            f"{pattern[:60]} matches {len(found)} symbols", "a target takes 32 breakpoints: narrow the pattern"
        )
    symbolic = "d" not in options
    added = [session.breakpoints.add(name, symbolic=symbolic, passes=passes, command=text) for _, name in found]
    return BreakpointList(tuple(session.breakpoints.info(one) for one in added), session.pointer_size)


def _numbers(session: Session, arguments: Arguments) -> list[int]:
    """Breakpoint numbers (decimal), ranges `1-3`, `[expressions]`, `"patterns"` of names, or `*`."""
    usage = 'give numbers, a range 1-3, [an expression], a "pattern", or *'
    if arguments.at_end:
        raise ExpressionError("Numeric expression missing from '<EOL>'", usage)
    known = [breakpoint.number for breakpoint in session.breakpoints]
    found: list[int] = []
    while not arguments.at_end:
        if arguments.match(r"\*(?=[\s,]|$)"):
            found += known
        elif (numbers := arguments.match(r"(\d{1,4})(?:-(\d{1,4}))?(?=[\s,]|$)")) is not None:
            first, last = int(numbers[1]), int(numbers[2] or numbers[1])
            inside = [number for number in known if first <= number <= last]
            found += inside if numbers[2] else [session.breakpoints[first].number]
        elif (bracket := arguments.match(r"\[([^\]]+)\]")) is not None:
            found.append(session.breakpoints[session.evaluate(bracket[1])].number)
        elif (pattern := arguments.quoted()) is not None:
            found += _named(session, pattern)
        else:
            raise ExpressionError(f"Syntax error at '{arguments.rest[:60]}'", usage)
    return list(dict.fromkeys(found))


def _named(session: Session, pattern: str) -> list[int]:
    """The breakpoints at names that match."""
    matches = compile_wildcard(pattern, symbols=True).fullmatch
    names = {
        one.number: {one.expression, session.symbols.format(one.address) if one.address is not None else ""}
        for one in session.breakpoints
    }
    return [number for number, known in names.items() if any(matches(name) for name in known)]


@command(
    "br",
    summary="Give breakpoints other numbers.",
    syntax="br OldNumber NewNumber [OldNumber NewNumber ...]",
    examples=("bp nt!KeBugCheckEx; br 0 9",),
    tier="C",
    needs_stop=False,
)
def renumber_breakpoints(session: Session, arguments: Arguments) -> Result:
    """Silent; the numbers are decimal."""
    words = arguments.all().split()
    if not words or len(words) % 2 or not all(word.isdecimal() and len(word) < 5 for word in words):
        raise ExpressionError(f"Syntax error at '{arguments.text[:60] or '<EOL>'}'", "br 0 9")
    for old, new in zip(words[::2], words[1::2], strict=True):
        session.breakpoints.renumber(int(old), int(new))
    return Text("")


@command(
    "bs",
    "bsc",
    summary="Change the commands of a breakpoint (bs), or its condition and commands (bsc).",
    syntax='bs Number "Commands"\nbsc Number "Condition" ["Commands"]',
    details="With bsc the target runs on where the condition is 0.",
    examples=('bp nt!KeBugCheckEx; bs 0 "k"', 'bp nt!KeBugCheckEx; bsc 0 "@rcx == 5" "r"'),
    tier="C",
    needs_stop=False,
)
def change_commands(session: Session, arguments: Arguments) -> Result:
    """Silent; without commands there are none afterwards."""
    number = arguments.match(r"\d{1,4}(?=\s|$)")
    if number is None:
        raise ExpressionError(f"Syntax error at '{arguments.rest[:60] or '<EOL>'}'", 'bs 0 "k"')
    breakpoint = session.breakpoints[int(number[0])]
    texts: list[str] = []
    while (text := arguments.quoted()) is not None:
        texts.append(text)
    arguments.finish()
    if arguments.name == "bsc":
        if not texts:
            raise ExpressionError("Syntax error at '<EOL>'", 'bsc 0 "@rcx == 5" "k"')
        condition, texts = texts[0], texts[1:]
        texts = [f".if ({condition}) {{ {'; '.join(texts)} }} .else {{ gc }}"]
    breakpoint.command = "; ".join(texts)
    return Text("")


@command(
    ".bpcmds",
    summary="Show the commands that would set the present breakpoints again.",
    syntax=".bpcmds",
    examples=("bp nt!KeBugCheckEx; .bpcmds",),
    tier="C",
    needs_stop=False,
)
def breakpoint_commands(session: Session, arguments: Arguments) -> Result:
    """One line for each, to keep and run later."""
    arguments.finish()
    return Text("\n".join(_as_command(breakpoint) for breakpoint in session.breakpoints))


def _as_command(breakpoint: Breakpoint) -> str:
    kind = "bu" if breakpoint.symbolic else "bp"
    head = f"ba{breakpoint.number} {breakpoint.kind}{breakpoint.size}"
    parts = [head if breakpoint.is_hardware else f"{kind}{breakpoint.number}"]
    parts += ["/1"] if breakpoint.one_shot else []
    given = (
        ("p", breakpoint.process),
        ("t", breakpoint.thread),
        ("c", breakpoint.max_depth),
        ("C", breakpoint.min_depth),
    )
    parts += [f"/{letter} 0x{value:x}" for letter, value in given if value is not None]
    parts.append(breakpoint.expression)
    parts += [f"0x{breakpoint.passes:x}"] if breakpoint.passes > 1 else []
    escaped = breakpoint.command.replace("\\", "\\\\").replace('"', '\\"')
    parts += [f'"{escaped}"'] if escaped else []
    return " ".join(parts) + ("" if breakpoint.enabled else f"; bd {breakpoint.number}")


@command(
    "bl",
    summary="List breakpoints.",
    syntax="bl [/L] [Numbers]",
    details="Number, e enabled or d disabled (u: follows its name), address, passes left (of all), name, commands.",
    examples=("bl",),
    needs_stop=False,
)
def list_breakpoints(session: Session, arguments: Arguments) -> Result:
    """The table, or a part of it."""
    arguments.options({"L": False})  # addresses instead of source lines: they always are
    listed = session.breakpoints.listing()
    if arguments.at_end:
        return listed
    wanted = _numbers(session, arguments)
    return replace(listed, breakpoints=tuple(b for b in listed.breakpoints if b.number in wanted))


@command(
    "bc",
    "bd",
    "be",
    summary="Clear (bc), disable (bd) or enable (be) breakpoints.",
    syntax='bc|bd|be Number|From-To|[Expression]|"Pattern"|* ...',
    details="Numbers are decimal; a pattern chooses those at names that match.",
    examples=("bc *", "bd *", "be *"),
    needs_stop=False,
)
def change_breakpoints(session: Session, arguments: Arguments) -> Result:
    """Silent, as in WinDbg."""
    numbers = _numbers(session, arguments)
    if arguments.name == "bc":
        session.breakpoints.remove(numbers)
    else:
        session.breakpoints.enable(numbers, enabled=arguments.name == "be")
    return Text("")
