"""`dt`: types and typed memory (the command reference, 7.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.commands.type_listing import list_types
from kdnb.debugger.cplusplus_types import basic_type, c_words
from kdnb.debugger.lists import LIST_LIMIT, walk_chain, walk_list
from kdnb.debugger.locals import typed_local
from kdnb.debugger.type_lookup import FoundType, FoundVariable, TypeLookup
from kdnb.debugger.type_rows import FieldPath, Selection, dump_struct, dump_variable, follow_path
from kdnb.debugger.typed import TypedReader, type_words
from kdnb.errors import ExpressionError, UnknownNameError
from kdnb.results.addresses import format_address
from kdnb.results.types import EnumInfo, TypeDump, TypeDumps
from kdnb.results.values import Text
from kdnb.symbols.types import Array, Enumeration, Pointer, StructType
from kdnb.symbols.wildcards import has_wildcard

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result
    from kdnb.results.memory import MemoryReader
    from kdnb.symbols.types import FieldType

DEEPEST = 9
"""Levels of `-r` and `-b` without a number."""
MAX_COUNT = 4096
_OPTIONS = "a[n] b c d e i l n o p r[n] s t v y"


@dataclass(slots=True)
class _Request:
    """What a `dt` asks for, as far as it has been read."""

    letters: set[str] = field(default_factory=set)
    depth: int = 0
    elements: int = 0
    size: int | None = None
    """Of types that a pattern lists; with a name it says nothing new, since the PDB has it."""
    link: str = ""
    header: str = ""
    """What stands above the fields: the pointer that led to them, where a local variable is."""
    name: str = ""
    count: int = 0
    """Of `Name[3]`: that many structs in a row."""
    address: int | None = None
    of: FieldType | None = None
    paths: list[FieldPath] = field(default_factory=list)


@command(
    "dt",
    summary="Show the layout of a type, or what lies at an address as that type.",
    syntax="dt [Options] [Module!]Type [Field ...] [Address] [-l Field]\ndt [Options] Address Type\n"
    "dt [Module!]Pattern*\ndt [Module!]Variable\ndt Address",
    details="Fields are chosen by name, by the beginning of one with * behind it, or by a path (Pcb.Header); each dot "
    "behind a field opens it by one level. -r[n] opens structs n levels deep and follows pointers, -b does not follow "
    "them. -a[n] gives array elements a row each, -v sizes and kinds, -o no offsets, -i no indent, -c all in one line, "
    "-p reads physical memory, -y takes the beginning of a field or type, -n says that a name follows, -l FIELD walks "
    "a list; with a pattern -d shows layouts, -s SIZE only those of that size, -v their sizes. Type[n] shows n of them "
    "in a row, -a[n] before a type of numbers n of these. A variable that points to a struct "
    "shows the struct. Types come from a PDB; a bare name is looked up in the kernel first, . is the last name.",
    examples=(
        "dt nt!_LIST_ENTRY",
        "dt nt!_LIST_ENTRY nt!PsLoadedModuleList",
        "dt nt!_KP*",
        "dt nt!_EPROCESS Pcb.Header. ImageFileName @$proc",
        "dt -r1 nt!_KPROCESS @$proc",
        "dt nt!_EPROCESS ImageFileName -l ActiveProcessLinks.Flink nt!PsActiveProcessHead",
        "dt nt!PsActiveProcessHead",
    ),
)
def display_type(session: Session, arguments: Arguments) -> Result:
    """A layout, a struct in memory, a list of them, or names of types."""
    request = _Request()
    while not arguments.at_end:
        options = arguments.match(r"-([A-Za-z][A-Za-z0-9]*)(?=\s|$)")
        if options is not None:
            _read_options(arguments, request, options[1])
        elif not request.name:
            _read_name(session, arguments, request)
        else:
            _read_field_or_address(session, arguments, request)
    if "h" in request.letters or not request.name:
        return Text("dt [Options] [Module!]Type [Field ...] [Address]; .hh dt says more")
    if has_wildcard(request.name):
        chosen = Selection(depth=request.depth, follows=False, verbose="v" in request.letters)
        return list_types(session, request.name, request.letters, request.size, chosen)
    session.options["dt_last"] = request.name
    return _show(session, request)


# --- reading the arguments ----------------------------------------------------------------------------


def _read_options(arguments: Arguments, request: _Request, text: str) -> None:
    for letter, number in re.findall(r"([A-Za-z])(\d*)", text):
        match letter:
            case "r" | "b":
                request.depth = min(int(number or DEEPEST), DEEPEST)
            case "a":
                request.elements = int(number or MAX_COUNT)
            case "l":
                request.link = arguments.word()
            case "s":
                request.size = arguments.session.evaluate(arguments.word())
            case "n" | "y" | "b" | "c" | "d" | "e" | "h" | "i" | "o" | "p" | "t" | "v":
                pass
            case _:
                raise ExpressionError(f"Syntax error at '-{text[:60]}'", f"options here: {_OPTIONS}")
        request.letters.add(letter)


def _read_name(session: Session, arguments: Arguments, request: _Request) -> None:
    """The first word: a type, a pattern, a variable, or an address at which one lies or that a type follows."""
    arguments.match(r"(?:struct|union|class|enum)\s+(?=\S)")
    before = arguments.rest
    bracketed = arguments.match(r"\(([A-Za-z_][^()]*)\)(?=\s|$)")  # a name with blanks in it
    name = arguments.word() if bracketed is None else bracketed[1].strip()
    if name == ".":
        last = session.options.get("dt_last")
        if not isinstance(last, str):
            raise ExpressionError("there is no last type", "dt nt!_LIST_ENTRY")
        name = last
        request.header = f"Using sym {name}"
    counted = re.fullmatch(r"(.*[^*?\\])\[(\d+)\]", name)
    if counted is not None:
        name, request.count = counted[1], min(int(counted[2]), MAX_COUNT)
    request.name = name
    if has_wildcard(name):
        return
    lookup = TypeLookup(session)
    found: FoundType | FoundVariable | None = lookup.find(name) if not name[0].isdigit() else None
    if found is None and "y" in request.letters:
        found = _begins_like(lookup, name, request)
    if found is None:
        found = lookup.variable(name)
        if found is None and (address := _leading_address(session, arguments, before, name, request)) is not None:
            if not arguments.at_end and not arguments.rest.startswith("-"):
                _read_name(session, arguments, request)  # dt Address Type
                request.address = address
                return
            found = _at_address(session, address, lookup)
        if found is None and ((of := lookup.typedef(name)) is not None or _is_local(session, name, request)):
            request.of = of if of is not None else request.of
            return
        if found is None and session.symbols.lookup(name) is not None:
            raise UnknownNameError(
                f"{name[:60]} is a function or has no known type", f"x /t {name[:60]}, ln {name[:60]}"
            )
        if found is None:
            raise lookup.unknown(name)
        request.address = found.address
        request.name = f"{found.module.name}!{found.name}"
    else:
        request.name = found.name
    request.of = found.type


def _is_local(session: Session, name: str, request: _Request) -> bool:
    """Whether it is a variable of the present frame; its type and place are taken then."""
    local = typed_local(session, name) if "!" not in name else None
    if local is None:
        return False
    request.of, request.address, data = local
    place = "a register" if request.address is None else f"0x{request.address:x}"
    request.header = f"Local var in {place} Type {c_words(request.of, kind=False)}"
    if request.address is None:
        if not isinstance(request.of, Pointer):
            raise UnknownNameError(f"{name[:60]} is {request.header.partition(' var ')[2]}", f"?? {name[:60]} shows it")
        request.address, request.of = int.from_bytes(data, "little"), request.of.target
        request.header += f"\n0x{format_address(request.address, session.pointer_size)} "
    return True


def _begins_like(lookup: TypeLookup, name: str, request: _Request) -> FoundType | None:
    """`-y`: the first type whose name begins like this; the header lists them where there are several."""
    names = lookup.search(f"{name}*") or lookup.search(f"{name.replace('!', '!_') if '!' in name else f'_{name}'}*")
    request.letters.discard("y")
    if len(names) > 1:
        request.header = "\n".join(f"{'':10}{one}" for one in names[:MAX_COUNT])
    return lookup.find(names[0]) if names else None


def _leading_address(session: Session, arguments: Arguments, text: str, name: str, request: _Request) -> int | None:
    """The address that the text begins with, where it is one rather than a name."""
    lookup = TypeLookup(session)
    if not re.match(r"[\d@(]|0x|poi|[A-Fa-f0-9`]+(\s|$)", text) or "n" in request.letters:
        return None
    if lookup.typedef(name) is not None:
        return None
    if basic_type(name, session.pointer_size) is not None:
        return None
    arguments.rest = text
    return arguments.expression() & session.address_mask


def _at_address(session: Session, address: int, lookup: TypeLookup) -> FoundVariable:
    """The variable at an address."""
    found = lookup.variable_at(address)
    if found is None:
        raise UnknownNameError(
            f"no variable of a known type is at {session.symbols.format(address)}", "dt Type Address names the type"
        )
    return found


def _read_field_or_address(session: Session, arguments: Arguments, request: _Request) -> None:
    is_named = request.letters & {"y", "n"}
    word = re.match(r"\S+", arguments.rest)
    assert word is not None
    path = FieldPath.parse(word[0], is_prefix="y" in request.letters)
    of = _struct_of(request.of)
    if path is not None and of is not None and path.matches(of.fields):
        arguments.word()
        request.paths.append(path)
        request.letters.discard("n")
        return
    if is_named and request.address is not None:
        raise ExpressionError(f"no field of {request.name} begins with '{word[0][:60]}'", f"dt {request.name}")
    # Options may stand behind the address, where an expression would take them for a difference.
    option = re.search(r"\s-[A-Za-z]\w*(?=\s|$)", arguments.rest)
    rest = arguments.rest[option.start() :].strip() if option is not None else ""
    if option is not None:
        arguments.rest = arguments.rest[: option.start()]
    try:
        request.address = arguments.expression() & session.address_mask
        arguments.rest = f"{arguments.rest} {rest}".strip()
    except UnknownNameError as error:
        raise UnknownNameError(error.message, f"dt {request.name} shows its fields", error.near) from error


def _struct_of(of: FieldType | None) -> StructType | None:
    """The struct whose fields can be named: of the type itself, or of the elements of an array."""
    while isinstance(of, Array):
        of = of.element
    if isinstance(of, Pointer):
        of = of.target
    return of if isinstance(of, StructType) else None


# --- answers ------------------------------------------------------------------------------------------


def _show(session: Session, request: _Request) -> Result:
    memory: MemoryReader = session.physical if "p" in request.letters else session.memory
    reader = TypedReader(session.memory, session.pointer_size, session.symbols.name_at)
    letters = request.letters
    chosen = Selection(
        tuple(request.paths), request.depth, "b" not in letters, request.elements, verbose="v" in letters
    )
    address = None if "t" in letters else request.address
    of = request.of
    header = request.header
    if isinstance(of, Pointer) and isinstance(of.target, StructType) and address is not None:
        pointer = int.from_bytes(memory.read(address, of.size), "little")
        if pointer:  # a variable that points to a struct shows the struct
            header = "\n".join(filter(None, (header, f"{reader.hex(pointer)} ")))
            address, of = pointer, of.target

    def dump(of: StructType, address: int | None = address) -> TypeDump:
        made = dump_struct(reader, request.name, of, address, chosen, memory)
        above = "\n".join(filter(None, (header, made.header)))
        compact, offsets, indent = "c" in letters, "o" not in letters, "i" not in letters
        return replace(made, header=above, offsets=offsets, indent=indent, is_compact=compact)

    if isinstance(of, StructType):
        if request.link:
            return _walk(session, request, of, dump)
        if request.count and address is not None:
            return TypeDumps(tuple(dump(of, address + index * of.size) for index in range(request.count)))
        return dump(of)
    if isinstance(of, Enumeration):
        text = "" if address is None else reader.words(of, memory.read(address, of.size))
        return EnumInfo(request.name, of.size, of.values, text)
    assert of is not None
    if request.address is None:  # a typedef of something that is no struct
        return Text(type_words(of))
    if request.elements and not isinstance(of, Array):
        return _numbers(reader, request, of, memory)
    if request.count:  # CHAR[8]: an array
        of = Array(of, request.count, request.count * of.size)
    made = dump_variable(reader, request.name, of, request.address or 0, chosen, memory)
    if "t" in letters:
        made = replace(made, fields=tuple(replace(field, text=None, value=None) for field in made.fields))
    return made


def _numbers(reader: TypedReader, request: _Request, of: FieldType, memory: MemoryReader) -> TypeDump:
    """`-a10 ULONG Address`: numbers in a row, each with its index."""
    array = Array(of, request.elements, request.elements * of.size)
    made = dump_variable(
        reader, request.name, array, request.address or 0, Selection(elements=request.elements), memory
    )
    rows = tuple(replace(field, depth=0) for field in made.fields if field.name.startswith("["))
    return replace(made, header=request.header, fields=rows, indent=False)


def _walk(session: Session, request: _Request, of: StructType, dump: Callable[[StructType, int], TypeDump]) -> Result:
    """`-l`: the structs of a list. A list head in a module's data (a variable) is no element and is left out."""
    if request.address is None:
        raise ExpressionError("a list needs an address", f"dt {request.name} -l {request.link} Address")
    offset, link = follow_path(of, request.link)
    base, back = 0, False
    if isinstance(link, StructType) and link.name == "_LIST_ENTRY":
        base = offset
    elif isinstance(link, Pointer) and _is_entry(link.target):
        container, _, last = request.link.rpartition(".")
        base = follow_path(of, container)[0] if container else offset
        back = last.lower() == "blink"
    elif not isinstance(link, Pointer):
        raise ExpressionError(f"{request.link} is no link", "-l takes a field that points to the next struct")
    start, memory = request.address, session.memory
    head = TypeLookup(session).variable_at(start)
    if head is not None and _is_entry(head.type) and base != start:
        found = walk_list(memory, start, limit=LIST_LIMIT, backwards=back)
        addresses = [at - base for at in found]
    elif head is not None and isinstance(head.type, Pointer):  # a variable that points to the first struct
        found = walk_chain(memory, memory.read_pointer(start), offset=offset)
        addresses = list(found)
    else:
        found = walk_chain(memory, start + base, offset=offset - base)
        addresses = [at - base for at in found if at == start + base or not _in_module(session, at)]
    dumps = []
    for address in addresses:
        session.require_stopped()  # sees a cancel
        dumps.append(dump(of, address))
    return TypeDumps(tuple(dumps), found.note, request.link)


def _is_entry(of: FieldType) -> bool:
    return isinstance(of, StructType) and of.name in ("_LIST_ENTRY", "_SINGLE_LIST_ENTRY")


def _in_module(session: Session, address: int) -> bool:
    """Whether a link lies in an image: then it is the head of the list."""
    return session.modules.find(address) is not None
