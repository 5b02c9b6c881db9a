"""`!gflag !ioctldecode !obja !address`: numbers and addresses in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.address_usage import describe_address
from kdnb.errors import ExpressionError, MemoryReadError, UnsupportedError
from kdnb.protocol.decoded_names import DEVICE_TYPES, GLOBAL_FLAGS, OBJECT_ATTRIBUTES
from kdnb.results.decoded import GlobalFlags, IoControlCode, ObjectAttributes
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

MASK = 0xFFFF_FFFF


@command(
    "!gflag",
    summary="Show or change the kernel's global flags (NtGlobalFlag).",
    syntax="!gflag\n!gflag [+|-]Value\n!gflag +|-Abbreviation\n!gflag -?",
    details="A value without a sign becomes the new one; + sets bits, - clears them. -? lists the abbreviations.",
    examples=("!gflag", "!gflag -?"),
    tier="B",
)
def global_flags(session: Session, arguments: Arguments) -> Result:
    """The flags in force."""
    if arguments.match(r"-\?$"):
        return Text("\n".join(f"0x{bit:08x} {short} - {meaning}" for bit, (short, meaning) in GLOBAL_FLAGS.items()))
    if arguments.at_end:
        return _in_words(session.memory.read_u32(_place(session)))
    sign = arguments.match(r"[+-]")
    named = arguments.match(r"([A-Za-z]\w\w)$")
    known = {short: bit for bit, (short, _) in GLOBAL_FLAGS.items()}
    bits = known.get(named[1].lower()) if named is not None and sign is not None else None
    if bits is None:
        arguments.rest = named[1] if named is not None else arguments.rest
        bits = arguments.expression()
    arguments.finish()
    if bits > MASK:
        raise ExpressionError(f"Range error in '!gflag {arguments.text[:60]}'", "32 bits")
    session.require_writable("!gflag would change a kernel variable")
    place = _place(session)
    value = session.memory.read_u32(place)
    value = bits if sign is None else value | bits if sign[0] == "+" else value & ~bits
    session.memory.write(place, value.to_bytes(4, "little"))
    return _in_words(value, is_new=True)


def _place(session: Session) -> int:
    place = session.symbols.lookup("nt!NtGlobalFlag")
    if place is None:
        raise UnsupportedError("nt!NtGlobalFlag is not known", "give the kernel's PDB with .sympath")
    return place


def _in_words(value: int, *, is_new: bool = False) -> GlobalFlags:
    return GlobalFlags(value, tuple(words for bit, words in GLOBAL_FLAGS.items() if value & bit), is_new)


@command(
    "!ioctldecode",
    summary="Take an I/O control code apart.",
    syntax="!ioctldecode Code",
    details="Device type, method, access and function, as CTL_CODE puts them together. Codes themselves are not known "
    "by name. !irp shows the code as the third argument of a device control request.",
    examples=("!ioctldecode 0x1280ce", "!ioctldecode 220003"),
    tier="C",
    needs_stop=False,
)
def decode_control_code(session: Session, arguments: Arguments) -> Result:
    """The parts."""
    code = arguments.expression()
    arguments.finish()
    if code > MASK:
        raise ExpressionError(f"Range error in '!ioctldecode {arguments.text[:60]}'", "a code has 32 bits")
    device = code >> 16
    names = DEVICE_TYPES.get(device, ())
    return IoControlCode(code, device, names, code & 3, code >> 14 & 3, code >> 2 & 0xFFF)


@command(
    "!obja",
    summary="Show an OBJECT_ATTRIBUTES record: the name, the directory and the flags with which an object is opened.",
    syntax="!obja Address",
    details="The third argument of NtCreateFile and NtOpenFile, and one of most calls that open something by name.",
    examples=("!obja @rsp",),
    tier="C",
)
def object_attributes(session: Session, arguments: Arguments) -> Result:
    """The record."""
    address = arguments.expression() & session.address_mask
    arguments.finish()
    size = session.pointer_size
    data = session.memory.read(address, 4 * size)
    root, name_at = (int.from_bytes(data[at : at + size], "little") for at in (size, 2 * size))
    attributes = int.from_bytes(data[3 * size : 3 * size + 4], "little")
    name, problem = "", ""
    if name_at:
        try:
            name = session.memory.read_counted_string(name_at, wide=True)
        except MemoryReadError as error:
            problem = error.message
    names = tuple(word for bit, word in OBJECT_ATTRIBUTES.items() if attributes & bit)
    return ObjectAttributes(address, size, root, name, attributes, names, problem)


@command(
    "!address",
    summary="Tell what an address is used for: an image, a thread's stack, pool, a range of the process.",
    syntax="!address Address",
    details="Asked are the module list, the stacks of all threads, the pool bounds of the debugger data block, and for "
    "user addresses the process's VADs; what none of them knows is <unknown>. Protect is what the page tables say. "
    "There is no list of all regions.",
    examples=("!address @rsp", "!address nt"),
    tier="B",
)
def address_usage(session: Session, arguments: Arguments) -> Result:
    """One region."""
    if arguments.at_end or re.match(r"[-/]", arguments.rest):
        raise ExpressionError(f"Syntax error at '{arguments.rest[:60] or '<EOL>'}'", "!address ADDRESS; !vad, lm, !vm")
    address = arguments.expression() & session.address_mask
    arguments.finish()
    return describe_address(session, address)
