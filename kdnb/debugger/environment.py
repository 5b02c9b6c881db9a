"""What an expression may ask, answered by a session: registers, pseudo-registers, symbols, memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.debugger.cplusplus import evaluate_cplusplus, parse_leading_cplusplus
from kdnb.debugger.disassembly import effective_addresses
from kdnb.debugger.locals import local_variables
from kdnb.debugger.memory import PAGE_SIZE
from kdnb.debugger.segments import segment_base
from kdnb.debugger.stops import bugcheck_parameters
from kdnb.errors import ExpressionError, KdnbError
from kdnb.protocol.constants import MachineType
from kdnb.symbols.types import Function

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.debugger.cplusplus_operations import Value
    from kdnb.debugger.session import Session

__all__ = ["SessionEnvironment"]

USER_VARIABLES = 20
"""`$t0` to `$t19`."""


class SessionEnvironment:
    """Implements `expression.Environment`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.is_cplusplus = False
        self.typed: dict[str, Value] = {}
        """What `r?` set, by the variable's name; holds as long as the variable has that number."""

    @property
    def pointer_size(self) -> int:
        return self._session.pointer_size

    @property
    def instruction_pointer(self) -> int:
        self._session.require_stopped()
        return self._session.scope.pc

    @property
    def sign_extend(self) -> bool:
        return self._session.pointer_size == 4

    def register(self, name: str) -> int | None:
        return self._session.scope.find(name)

    def symbol(self, name: str) -> int | None:
        return self._session.symbols.lookup(name)

    def local(self, name: str) -> int | None:
        found = next((one for one in local_variables(self._session).variables if one.name == name), None)
        if found is not None and found.address is None:
            raise ExpressionError(f"{name} has no address: it is in {found.place}", "dv /V says where variables are")
        return found.address if found is not None else None

    def source_line(self, module: str, file: str, line: int) -> int | None:
        return self._session.symbols.source_line(module, file, line)

    def function_result(self, address: int) -> str:
        module = self._session.modules.find(address)
        pdb, types = (module.pdb, module.types) if module is not None else (None, None)
        if module is None or pdb is None or types is None:
            return ""
        index = pdb.procedure_type(address - module.base & self._session.address_mask)
        of = types.type_at(index) if index is not None else None
        return of.returns if isinstance(of, Function) else ""

    def segment(self, selector: int | str) -> int:
        return segment_base(self._session, selector)

    def cplusplus(self, text: str) -> int:
        return evaluate_cplusplus(text, self._session).number_or_address()

    def leading_cplusplus(self, text: str) -> tuple[int, str]:
        value, rest = parse_leading_cplusplus(text, self._session)
        return value.number_or_address(), rest

    def near(self, name: str) -> list[str]:
        return self._session.symbols.near(name)

    def read(self, address: int, size: int) -> bytes:
        return self._session.memory.read(address, size)

    def read_physical(self, address: int, size: int) -> bytes:
        return self._session.physical.read(address, size)

    def pseudo_register(self, name: str) -> int | None:
        session = self._session
        if name in session.variables:
            return session.variables[name]
        if name[:1] == "t" and name[1:].isdecimal() and int(name[1:]) < USER_VARIABLES:
            return 0
        if name.startswith("bp") and name[2:].isdecimal():
            return next((b.address for b in session.breakpoints if b.number == int(name[2:])), 0)
        if name.startswith("bug_"):
            return self._bug_check(name)
        if name.startswith("exr_"):
            return _exception_field(session, name[4:])
        answer = _ANSWERS.get(name)
        if answer is None:
            return None
        try:
            return answer(session)
        except KdnbError:
            return None

    def pseudo_register_names(self) -> list[str]:
        """Names that `pseudo_register` knows, without their `$`; those of parameters and breakpoints left out."""
        return sorted({*_ANSWERS, *(f"t{number}" for number in range(USER_VARIABLES)), *_EVENT_NAMES})

    def _bug_check(self, name: str) -> int | None:
        names = ("bug_code", "bug_param1", "bug_param2", "bug_param3", "bug_param4")
        values = bugcheck_parameters(self._session)
        return values[names.index(name)] if values is not None and name in names else None


def _exception_field(session: Session, name: str) -> int | None:
    """A part of the exception of the present stop: `code`, `chance`, `numparams`, `param0` ..."""
    stop = session.last_stop
    if stop is None or not stop.code:
        return None
    if re.fullmatch(r"param\d{1,2}", name):
        index = int(name[5:])
        return stop.parameters[index] if index < len(stop.parameters) else None
    known = {"code": stop.code, "chance": 1 if stop.first_chance else 2, "numparams": len(stop.parameters)}
    return known.get(name)


def _return_address(session: Session) -> int | None:
    frames = session.unwind(1).frames
    return frames[0].return_address or None if frames else None


_RESULT_REGISTERS = {MachineType.AMD64: "rax", MachineType.ARM64: "x0"}


def _result_register(session: Session) -> int:
    return session.scope.get(_RESULT_REGISTERS.get(session.machine, "eax"))


def _entry_point(session: Session) -> int | None:
    """Where the program of the process that is seen begins."""
    peb, size = session.processes.peb(session.address_space.process), session.pointer_size
    if not peb:
        return None
    base = session.memory.read_pointer(peb + 2 * size)
    header = session.memory.read_u32(base + 0x3C)
    return base + session.memory.read_u32(base + header + 0x28)


def _effective_address(session: Session, index: int) -> int | None:
    """Of the instruction at the scope's instruction pointer, whose registers are known."""
    (here,) = session.disassemble(session.scope.pc, 1)
    found = effective_addresses(here, session.scope.values(), session.machine)
    return found[index] if index < len(found) else None


_ARGUMENT_REGISTERS = {MachineType.AMD64: "rcx", MachineType.ARM64: "x0"}


def _argument_register(session: Session) -> int | None:
    """The first argument at a function's start; x86 passes it on the stack."""
    name = _ARGUMENT_REGISTERS.get(session.machine)
    return session.scope.get(name) if name is not None else None


_EVENT_NAMES = ("bug_code", "exr_chance", "exr_code", "exr_numparams")


def _wide_result(session: Session) -> int:
    """As `$retreg`; x86 gives 64 bits back in edx and eax."""
    if session.machine != MachineType.I386:
        return _result_register(session)
    return (session.scope.get("edx") & 0xFFFF_FFFF) << 32 | session.scope.get("eax") & 0xFFFF_FFFF


_ANSWERS: dict[str, Callable[[Session], int | None]] = {
    "ip": lambda s: s.scope.pc,
    "eventip": lambda s: s.last_stop.address if s.last_stop is not None else None,
    "previp": lambda s: s.previous_stop.address if s.previous_stop is not None else None,
    "exentry": _entry_point,
    "ea": lambda s: _effective_address(s, 0),
    "ea2": lambda s: _effective_address(s, 1),
    "argreg": _argument_register,
    "csp": lambda s: s.scope.sp,
    "scopeip": lambda s: s.scope.pc,
    "frame": lambda s: s.scope.frame,
    "ra": _return_address,
    "retreg": _result_register,
    "retreg64": _wide_result,
    "exp": lambda s: 0,
    "p": lambda s: 0,
    "ptrsize": lambda s: s.pointer_size,
    "pagesize": lambda s: PAGE_SIZE,
    "thread": lambda s: s.processes.current_thread(),
    "proc": lambda s: s.address_space.process or s.processes.current(),
    "peb": lambda s: s.processes.peb(s.address_space.process),
    "teb": lambda s: s.processes.teb(),
    "pcr": lambda s: s.processes.pcr(),
    "prcb": lambda s: s.processes.prcb(),
    "pcrb": lambda s: s.processes.prcb(),
    "tid": lambda s: s.processes.thread(s.processes.current_thread(), 0).tid,
    "tpid": lambda s: s.processes.thread(s.processes.current_thread(), 0).pid,
}
