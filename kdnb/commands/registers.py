"""`r` and its masks (the command reference, 3)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.commands.aliases import aliases_of
from kdnb.commands.declare import command
from kdnb.errors import ExpressionError, UnknownNameError, UsageError
from kdnb.results.registers import RegisterSet, RegisterValues
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

MASKS = {
    0x1: "Integer state (32-bit)",
    0x2: "Integer state (64-bit)",
    0x8: "Segment registers",
    0x20: "Debug registers",
    0x40: "SSE XMM registers",
    0x80: "Control registers",
    0x100: "Descriptor and task registers",
}
TYPES = ("ib", "ub", "iw", "uw", "id", "ud", "iq", "uq", "f", "d")
SPECIAL_MASK = 0x20 | 0x80 | 0x100
_NAME = re.compile(r"@?(\$?[A-Za-z_]\w*)(?::(\w+))?\s*(=)?\s*")


@command(
    "r",
    summary="Show or change registers.",
    syntax="r\nr Register[:Type][, Register ...]\nr Register=Value[, Register=Value ...]",
    details="Registers, their parts (al, r8d), flags (zf) and pseudo-registers ($t0 to $t19, $ip, $proc) have names "
    "without @ here. A type (ib ub iw uw id ud iq uq f d) cuts the value into pieces, the highest first: r rax:uw. "
    "A change shows nothing. `1r` shows another processor's registers.",
    examples=("r", "r rax, rbx", "r zf", "r rax:uw", "r $t0=poi(@rsp)", "r $t0"),
)
def show_or_set_registers(session: Session, arguments: Arguments) -> Result:
    """All registers, some of them, or a change."""
    if arguments.at_end:
        mask = session.options.get("rm", 0)
        assert isinstance(mask, int)
        return _snapshot(session, mask)
    if arguments.match(r"\.$"):
        raise ExpressionError("Syntax error at '.'", "name the registers: r rax, rbx")
    fixed = arguments.match(r"\$\.u(\d)\s*=\s*(.*)$")
    if fixed is not None:
        aliases_of(session)[f"$u{fixed[1]}"] = fixed[2].strip('"')
        return Text("")
    values: dict[str, int] = {}
    widths: dict[str, int] = {}
    types: dict[str, str] = {}
    while not arguments.at_end:
        found = arguments.match(_NAME.pattern)
        if found is None or (found[2] and found[3]):
            raise ExpressionError(f"Bad register error at 'r {arguments.text[:60]}'", "r lists the registers")
        name = found[1].lower()
        if found[2]:
            if found[2] not in TYPES:
                raise ExpressionError(f"Bad register error at 'r {arguments.text[:60]}'", f"types: {' '.join(TYPES)}")
            types[name] = found[2]
        if found[3]:
            _assign(session, name, arguments)
        else:
            values[name], widths[name] = _read(session, name, arguments.text)
    return RegisterValues(values, widths, types)


def _snapshot(session: Session, mask: int) -> RegisterSet:
    return session.scope.snapshot(mask, special=bool(mask & SPECIAL_MASK))


def _read(session: Session, name: str, text: str) -> tuple[int, int]:
    """Value of a register or pseudo-register, and how many hex digits show it."""
    if not name.startswith("$"):
        if not session.registers.has(name):
            raise UnknownNameError(f"Bad register error at 'r {text[:60]}'", "r lists the registers")
        return session.scope.get(name), -(-session.registers.width(name) // 4)
    value = session.environment.pseudo_register(name[1:])
    if value is None:
        raise UnknownNameError(f"Bad register error at 'r {text[:60]}'", f"{name} is unknown or not available here")
    return value, 16


def _assign(session: Session, name: str, arguments: Arguments) -> None:
    if re.fullmatch(r"\$t1?\d", name):
        session.variables[name[1:]] = arguments.expression()
        return
    session.require_writable("a register would change")
    if session.scope.context is not None:
        origin = session.scope.context.origin
        raise UsageError(f"registers of a context set by {origin} can't be changed", ".cxr resets it")
    if name == "$ip":
        session.registers.move_pc(arguments.expression())
    elif session.registers.has(name):
        session.registers.set(name, arguments.expression())
    else:
        raise UnknownNameError(f"Bad register error at 'r {arguments.text[:60]}'", "r lists the registers")


@command(
    "rM",
    summary="Show the registers that a mask selects, once.",
    syntax="rM Mask",
    details="Bits: 2 integer, 8 segments, 20 debug, 40 XMM, 80 control, 100 descriptor tables. They add up.",
    examples=("rM 80", "rM 2", "rM 28"),
    tier="B",
)
def show_by_mask(session: Session, arguments: Arguments) -> Result:
    """Groups of registers without the current instruction."""
    mask = arguments.expression()
    return _only(_snapshot(session, mask), mask)


def _only(value: RegisterSet, mask: int) -> RegisterSet:
    return RegisterSet(value.machine, value.processor, value.values, value.changed, mask=mask, heading=value.heading)


@command("rX", summary="Show the XMM registers.", syntax="rX", examples=("rX",), tier="B")
def show_vectors(session: Session, arguments: Arguments) -> Result:
    """As `rM 40`."""
    return _only(_snapshot(session, 0x40), 0x40)


@command(
    "rm",
    summary="Show or set the mask of register groups that r shows.",
    syntax="rm [Mask]",
    examples=("rm", "rm a"),
    tier="B",
    needs_stop=False,
)
def register_mask(session: Session, arguments: Arguments) -> Result:
    """The mask in words, or a new one."""
    if not arguments.at_end:
        session.options["rm"] = arguments.expression()
        return Text("")
    default = 0xA if session.pointer_size == 8 else 0x9
    mask = session.options.get("rm") or default
    assert isinstance(mask, int)
    lines = [f"Register output mask is {mask:x}:"]
    lines += [f"{bit:8x} - {meaning}" for bit, meaning in MASKS.items() if mask & bit]
    return Text("\n".join(lines))
