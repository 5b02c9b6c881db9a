"""`r` and its masks (the command reference, 3)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.commands.aliases import aliases_of
from kdnb.commands.declare import command
from kdnb.errors import ExpressionError, UnknownNameError, UnsupportedError, UsageError
from kdnb.results.registers import RegisterSet, RegisterValues
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

MASKS = {
    0x1: "Integer state (32-bit)",
    0x2: "Integer state (64-bit)",
    0x4: "Floating-point state",
    0x8: "Segment registers",
    0x10: "MMX registers",
    0x20: "Debug registers",
    0x40: "SSE XMM registers",
    0x80: "Control registers",
    0x100: "Descriptor and task registers",
    0x800: "SSE XMM registers as integers",
}
NOT_SENT = 0x200 | 0x400 | 0x1000 | 0x2000 | 0x4000
"""YMM, ZMM and opmask registers: no target sends them."""
TYPES = ("ib", "ub", "iw", "uw", "id", "ud", "iq", "uq", "f", "d")
SPECIAL_MASK = 0x20 | 0x80 | 0x100
_NAME = re.compile(r"@?(\$?[A-Za-z_]\w*)(?::(\w+))?\s*(=)?\s*")


@command(
    "r",
    summary="Show or change registers.",
    syntax="r\nr.\nr Register[:Type][, Register ...]\nr Register=Value[, Register=Value ...]",
    details="Registers, their parts (al, r8d), flags (zf) and pseudo-registers ($t0 to $t19, $ip, $proc) have names "
    "without @ here. A type (ib ub iw uw id ud iq uq f d) cuts the value into pieces, the highest first: r rax:uw; a "
    "number before it says how many of the lowest: r xmm0:2ud. "
    "A change shows nothing. r. shows those that the current instruction uses. `1r` shows another processor's.",
    examples=("r", "r.", "r rax, rbx", "r zf", "r rax:uw", "r $t0=poi(@rsp)", "r $t0"),
)
def show_or_set_registers(session: Session, arguments: Arguments) -> Result:
    """All registers, some of them, or a change."""
    if arguments.at_end:
        mask = session.options.get("rm", 0)
        assert isinstance(mask, int)
        return _snapshot(session, mask)
    if arguments.match(r"\.$"):
        return _used_registers(session)
    fixed = arguments.match(r"\$\.u(\d)\s*(=)?\s*(.*)$")
    if fixed is not None and not fixed[2]:
        return Text(f"$.u{fixed[1]}={aliases_of(session).get(f'$u{fixed[1]}', '')}")
    if fixed is not None:
        aliases_of(session)[f"$u{fixed[1]}"] = fixed[3].strip('"')
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
            if re.fullmatch(rf"\d*(?:{'|'.join(TYPES)})", found[2]) is None:
                raise ExpressionError(f"Bad register error at 'r {arguments.text[:60]}'", f"types: {' '.join(TYPES)}")
            types[name] = found[2]
        if found[3]:
            _assign(session, name, arguments)
        else:
            values[name], widths[name] = _read(session, name, arguments.text)
    return RegisterValues(values, widths, types)


def _used_registers(session: Session) -> RegisterValues:
    """The registers that the operands of the current instruction name."""
    (here,) = session.disassemble(session.scope.pc, 1)
    operands = re.sub(r"\S+!\S+", "", here.operands)
    names = [name for name in dict.fromkeys(re.findall(r"\b[a-z]\w*", operands)) if session.registers.has(name)]
    found = {name: _read(session, name, name) for name in names}
    return RegisterValues(
        {name: value for name, (value, _) in found.items()}, {name: digits for name, (_, digits) in found.items()}
    )


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
    details="Bits: 2 integer (1 on 32-bit targets), 4 x87, 8 segments, 10 MMX, 20 debug, 40 XMM, 80 control, 100 "
    "descriptor tables, 800 XMM as integers. They add up.",
    examples=("rM 80", "rM 2", "rM 28"),
    tier="B",
)
def show_by_mask(session: Session, arguments: Arguments) -> Result:
    """Groups of registers without the current instruction."""
    mask = _mask(arguments)
    arguments.finish()
    return _only(_snapshot(session, mask), mask)


def _mask(arguments: Arguments) -> int:
    """A mask of groups that there are."""
    mask = arguments.expression()
    if mask & NOT_SENT:
        raise _not_sent()
    unknown = mask & ~sum(MASKS)
    if unknown or not mask:
        raise ExpressionError(f"Range error in '{arguments.text[:60]}'", f"bits here: {sum(MASKS):x}")
    return mask


def _only(value: RegisterSet, mask: int) -> RegisterSet:
    return RegisterSet(value.machine, value.processor, value.values, value.changed, mask=mask, heading=value.heading)


@command(
    "rF",
    "rX",
    summary="Show the floating-point (rF) or XMM registers (rX).",
    syntax="rF\nrX",
    details="rF: control, status and tag word of the x87 unit, MXCSR, st0 to st7. rX: each as four floats.",
    examples=("rF", "rX"),
    tier="B",
)
def show_vectors(session: Session, arguments: Arguments) -> Result:
    """As `rM 4`, `rM 40`."""
    arguments.finish()
    mask = 0x4 if arguments.name == "rF" else 0x40
    return _only(_snapshot(session, mask), mask)


@command(
    "rY",
    "rYI",
    "rZ",
    "rZI",
    "rK",
    summary="YMM, ZMM and opmask registers: no target sends them.",
    syntax="rY|rYI|rZ|rZI|rK",
    tier="C",
)
def show_wide_vectors(session: Session, arguments: Arguments) -> Result:
    """One line that says so."""
    raise _not_sent()


def _not_sent() -> UnsupportedError:
    return UnsupportedError("YMM, ZMM and opmask registers are not in the CONTEXT that targets send", "rX shows XMM")


@command(
    "rm",
    summary="Show or set the mask of register groups that r shows.",
    syntax="rm [Mask]\nrm ?",
    examples=("rm", "rm a"),
    tier="B",
    needs_stop=False,
)
def register_mask(session: Session, arguments: Arguments) -> Result:
    """The mask in words, or a new one."""
    if arguments.match(r"\?$"):
        return Text("\n".join(f"{bit:8x} - {meaning}" for bit, meaning in MASKS.items()))
    if not arguments.at_end:
        chosen = _mask(arguments)
        arguments.finish()
        session.options["rm"] = chosen
        return Text("")
    default = 0xA if session.pointer_size == 8 else 0x9
    mask = session.options.get("rm") or default
    assert isinstance(mask, int)
    lines = [f"Register output mask is {mask:x}:"]
    lines += [f"{bit:8x} - {meaning}" for bit, meaning in MASKS.items() if mask & bit]
    return Text("\n".join(lines))
