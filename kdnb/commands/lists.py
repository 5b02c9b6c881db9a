"""`!list`: commands for every element of a chain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.commands.memory_display import display_list
from kdnb.debugger.lists import LIST_LIMIT, walk_chain, walk_list
from kdnb.debugger.type_lookup import TypeLookup
from kdnb.debugger.type_rows import follow_path
from kdnb.errors import ExpressionError
from kdnb.results.lists import ForEach
from kdnb.results.values import Text
from kdnb.symbols.types import StructType

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.lists import ListWalk
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

_USAGE = '!list -t nt!_EPROCESS.ActiveProcessLinks.Flink -x "dt nt!_EPROCESS ImageFileName @$extret" Address'
SHOWN_WITHOUT_COMMAND = "dp @$extret L1"
ELEMENT = "extret"
"""The pseudo-register that holds the element's address."""


@command(
    "!list",
    summary="Run commands for each element of a linked list.",
    syntax='!list [-t [Module!]Type.Field] [-x "Commands"] [-a "Arguments"] [-e] [-m Max] Address\n!list "..."\n'
    "!list -h",
    details="Address is the first element (of the type), or a list head in a module's data (a variable of type "
    "_LIST_ENTRY), which is no element itself. @$extret is the element's address; commands that don't name it get it "
    "at their end, and -a is put behind that. -e shows the commands too. All of it may stand in quotes. "
    "Without -t the address is that of links themselves. The walk ends where a list is damaged or runs in a circle.",
    examples=(
        '!list -t nt!_EPROCESS.ActiveProcessLinks.Flink -x "dt nt!_EPROCESS ImageFileName @$extret" '
        "nt!PsActiveProcessHead",
        '!list -x "? @$extret" -m 3 nt!PsLoadedModuleList',
    ),
    tier="B",
)
def for_each_element(session: Session, arguments: Arguments) -> Result:
    """The commands' values, element by element."""
    if arguments.rest.startswith('"') and arguments.rest.endswith('"'):  # all of it in quotes, as WinDbg documents it
        arguments.rest = re.sub(r'\\(["\\])', r"\1", arguments.rest[1:-1]).strip()
    if arguments.match(r"-h$"):
        return Text(_USAGE)
    path, commands, behind, limit, echo = "", SHOWN_WITHOUT_COMMAND, "", LIST_LIMIT, False
    while (option := arguments.match(r"-([txame])(?=\s|$)")) is not None:
        match option[1]:
            case "t":
                path = arguments.word()
            case "x":
                commands = _text(arguments)
            case "a":
                behind = _text(arguments)
            case "m":
                limit = min(arguments.expression(), LIST_LIMIT)
            case "e":
                echo = True
    if arguments.at_end:
        raise ExpressionError("Syntax error at '<EOL>'", _USAGE)
    address = arguments.expression() & session.address_mask
    arguments.finish()
    base, walk = _walk(session, path, address, limit)
    if "$extret" not in commands + behind:
        commands = f"{commands} @$extret"
    return _run(session, f"{commands} {behind}".strip(), [link - base for link in walk], walk.note, echo=echo)


def _text(arguments: Arguments) -> str:
    quoted = arguments.quoted()
    return arguments.word() if quoted is None else quoted


def _walk(session: Session, path: str, address: int, limit: int) -> tuple[int, ListWalk]:
    """Offset of the link in an element, and the links."""
    base, offset, back = 0, 0, False
    if path:
        type_name, dot, field_path = path.partition(".")
        if not dot:
            raise ExpressionError(f"'-t {path[:60]}' names no field", _USAGE)
        _, of = TypeLookup(session).require_struct(type_name)
        offset, link = follow_path(of, field_path)
        container, _, last = field_path.rpartition(".")
        if isinstance(link, StructType):
            base = offset
        elif container:
            base = follow_path(of, container)[0]
            back = last.lower() == "blink"
    head = TypeLookup(session).variable_at(address)
    if head is not None and isinstance(head.type, StructType) and head.type.name == "_LIST_ENTRY":
        return base, walk_list(session.memory, address, limit=limit, backwards=back)
    return base, walk_chain(session.memory, address + base, offset=offset - base, limit=limit)


def _run(session: Session, commands: str, addresses: list[int], note: str, *, echo: bool) -> ForEach:
    from kdnb.commands.run import execute  # it imports the table of all commands, and so this module

    results: list[Result] = []
    before = session.variables.get(ELEMENT)
    try:
        for address in addresses:
            session.require_stopped()  # sees a cancel
            session.variables[ELEMENT] = address
            results += [Text(commands)] if echo else []
            results += execute(session, re.sub(r"@@\(?\$extret\)?", "@$extret", commands))
    finally:
        session.variables.pop(ELEMENT, None)
        if before is not None:
            session.variables[ELEMENT] = before
    return ForEach(tuple(results), tuple(addresses), note)


@command(
    "!dflink",
    "!dblink",
    summary="Show the entries of a LIST_ENTRY chain, forwards (!dflink) or backwards (!dblink).",
    syntax="!dflink|!dblink Address [Count]",
    details="Address is the first entry that is shown; 32 (decimal) unless a count is given. dl does more.",
    examples=("!dflink nt!PsActiveProcessHead", "!dblink nt!PsActiveProcessHead 2"),
    tier="C",
)
def show_links(session: Session, arguments: Arguments) -> Result:
    """As dl and dlb, four doublewords an entry."""
    address = arguments.expression() & session.address_mask
    count = arguments.expression(0x20)
    arguments.finish()
    arguments.name = "dlb" if arguments.name == "!dblink" else "dl"
    arguments.rest = f"0x{address:x} 0x{count:x} 0x{16 // session.pointer_size:x}"
    return display_list(session, arguments)


@command(
    "!validatelist",
    summary="Check a LIST_ENTRY chain: each entry must point back to the one before it.",
    syntax="!validatelist Address",
    details="Address is the list's head or any entry: the chain has to come back to it.",
    examples=("!validatelist nt!PsActiveProcessHead",),
    tier="C",
)
def validate_list(session: Session, arguments: Arguments) -> Result:
    """How many entries there are, and what is wrong."""
    address = arguments.expression() & session.address_mask
    arguments.finish()
    found = walk_list(session.memory, address)
    if found.note:
        return Text(f"{found.note} (after {len(found)} entries)")
    return Text(f"Found list end after {len(found)} entries")
