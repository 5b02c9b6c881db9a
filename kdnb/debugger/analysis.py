"""Triage of a bug check: the fault behind it, its stack, and the first frame that is not the kernel's.

Only what the target itself says is used: the bug check's parameters, the trap frame or records that they point to,
unwind data and symbols. Nothing is looked up anywhere, and no blame is certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.debugger.disassembly import disassemble
from kdnb.debugger.loader_list import clean
from kdnb.debugger.saved_registers import read_context, read_trap_frame
from kdnb.debugger.stacks import walk
from kdnb.debugger.stops import bugcheck_parameters
from kdnb.debugger.task_state import MAIN_TASK, read_task
from kdnb.debugger.type_lookup import TypeLookup
from kdnb.errors import KdnbError
from kdnb.protocol import names
from kdnb.protocol.constants import MachineType, Status
from kdnb.results.analysis import Analysis

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.debugger.session import Session
    from kdnb.results.disassembly import Instruction
    from kdnb.results.modules import UnloadedModule
    from kdnb.results.stack import Frame, Stack

__all__ = ["analyze"]

USER_INITIATED = 0x10000000
DRIVER_UNLOADED = 0xCE
"""DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS"""
TOUCHED = {0x50: (0, 1), 0xA: (0, 2), 0xD1: (0, 2), DRIVER_UNLOADED: (0, 1)}
"""Bug checks whose parameters tell the memory that was touched, and how."""
ACCESS_WORDS = {0: "read", 1: "write", 2: "write", 8: "execute", 16: "execute"}
EXCEPTION_RECORD_INFORMATION = {8: (0x18, 0x20), 4: (0x10, 0x14)}
"""Offsets of NumberParameters and ExceptionInformation in EXCEPTION_RECORD, by pointer size."""
UNEXPECTED_KERNEL_MODE_TRAP, DOUBLE_FAULT = 0x7F, 8
KERNEL_MODULES = frozenset(("nt", "hal"))


@dataclass(frozen=True, slots=True)
class Fault:
    """The moment at which things went wrong."""

    registers: Mapping[str, int] | None = None
    trap_frame: int | None = None
    context_record: int | None = None
    exception_record: int | None = None
    task: int | None = None
    """Selector of the TSS with the registers."""
    exception_code: int = 0
    touched: int | None = None
    access: str = ""
    command: str = "k"
    """What shows the stack of the fault."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """Where to look first; empty where nothing is known."""

    symbol: str = ""
    module: str = ""
    image: str = ""
    is_unloaded: bool = False


def analyze(session: Session, *, verbose: bool = True) -> Analysis:
    """What can be said about the present stop."""
    session.require_stopped()
    unknown: list[str] = []
    values = bugcheck_parameters(session)
    code = values[0] & 0xFFFFFFFF if values else 0
    parameters = values[1:] if values else ()
    if not values:
        unknown.append("there was no bug check: this is where the processor stands")
    here = session.unwind()
    fault = _fault(session, code & ~USER_INITIATED, parameters, here, unknown)
    stack = walk(session, registers=fault.registers) if fault.registers is not None else here
    suspect = _suspect(session, stack, code, parameters)
    if suspect.is_unloaded:
        unknown.append(f"{suspect.image} was unloaded: .reload /unl {suspect.image} brings its names back")
    return Analysis(
        code=code,
        name=names.bugcheck_name(code) or "" if code else "",
        explanation=names.bugcheck_text(code) or "" if code else "",
        parameters=parameters,
        meanings=names.bugcheck_parameters(code) if code else (),
        address_size=session.pointer_size,
        stack=stack,
        verbose=verbose,
        exception_code=fault.exception_code,
        trap_frame=fault.trap_frame,
        exception_record=fault.exception_record,
        task=fault.task,
        context_record=fault.context_record,
        faulting_address=fault.touched,
        access=fault.access,
        faulting_ip=stack[0].instruction_pointer if fault.registers is not None and len(stack) else None,
        faulting_symbol=stack[0].symbol if fault.registers is not None and len(stack) else "",
        faulting_instruction=_instruction(session, stack, fault),
        process_name=_process_name(session, unknown),
        symbol=suspect.symbol,
        module=suspect.module,
        image=suspect.image,
        bucket=_bucket(code, fault, suspect),
        stack_command=fault.command,
        unknown=tuple(unknown),
    )


def _fault(session: Session, code: int, parameters: tuple[int, ...], here: Stack, unknown: list[str]) -> Fault:
    """The fault: from the records that the parameters point to, or from a trap frame on the stack."""
    touched, access = _touched(code, parameters)
    try:
        if code == 0x7E and len(parameters) == 4:
            return _from_records(session, parameters[2], parameters[3])
        if code == 0x3B and len(parameters) == 4:
            context = parameters[2]
            values = read_context(session, context)
            code_of = parameters[0] & 0xFFFFFFFF
            return Fault(values, None, context, None, None, code_of, touched, access, f".cxr 0x{context:x} ; kb")
        if (
            code == UNEXPECTED_KERNEL_MODE_TRAP
            and parameters[0] == DOUBLE_FAULT
            and session.machine == MachineType.I386
        ):
            return Fault(read_task(session, MAIN_TASK), task=MAIN_TASK, command=f".tss 0x{MAIN_TASK:x} ; kb")
        if code == 0x8E and len(parameters) == 4:
            return _from_trap_frame(session, parameters[2], parameters[0] & 0xFFFFFFFF, touched, access)
    except KdnbError as error:
        unknown.append(f"the record that the bug check points to can't be read ({error.message})")
    frame = next((frame.trap_frame for frame in here if frame.trap_frame is not None), None)
    if code and frame is not None:
        try:
            exception = Status.ACCESS_VIOLATION if code in TOUCHED and code != DRIVER_UNLOADED else 0
            return _from_trap_frame(session, frame, int(exception), touched, access)
        except KdnbError as error:
            unknown.append(f"the trap frame on the stack can't be read ({error.message})")
    elif code:
        unknown.append("no trap frame on the stack: the faulting instruction is not known")
    return Fault(touched=touched, access=access)


def _from_trap_frame(session: Session, address: int, exception: int, touched: int | None, access: str) -> Fault:
    values = session.registers.values() | read_trap_frame(session, address)
    return Fault(values, address, None, None, None, exception, touched, access, f".trap 0x{address:x} ; kb")


def _from_records(session: Session, record: int, context: int) -> Fault:
    memory, size = session.memory, session.pointer_size
    count_at, information_at = EXCEPTION_RECORD_INFORMATION[size]
    exception = memory.read_u32(record)
    touched, access = None, ""
    if exception == Status.ACCESS_VIOLATION and memory.read_u32(record + count_at) >= 2:
        access = ACCESS_WORDS.get(memory.read_pointer(record + information_at), "")
        touched = memory.read_pointer(record + information_at + size)
    values = read_context(session, context)
    return Fault(values, None, context, record, None, exception, touched, access, f".cxr 0x{context:x} ; kb")


def _touched(code: int, parameters: tuple[int, ...]) -> tuple[int | None, str]:
    places = TOUCHED.get(code)
    if places is None or len(parameters) < 4:
        return None, ""
    return parameters[places[0]], ACCESS_WORDS.get(parameters[places[1]], "")


def _suspect(session: Session, stack: Stack, code: int, parameters: tuple[int, ...]) -> Suspect:
    """The first frame outside the kernel, else the first with a module at all; an unloaded driver counts as well."""
    inside: Frame | None = None
    for frame in stack:
        gone = session.modules.remembered.find(frame.instruction_pointer) if not frame.module else None
        if gone is not None:
            return _unloaded(gone)
        if frame.module and frame.module not in KERNEL_MODULES:
            return _in_module(session, frame)
        inside = inside or (frame if frame.module else None)
    if code == DRIVER_UNLOADED and parameters:  # the kernel touched data of the driver
        gone = session.modules.remembered.find(parameters[0])
        if gone is not None:
            return _unloaded(gone)
    return _in_module(session, inside) if inside is not None else Suspect()


def _in_module(session: Session, frame: Frame) -> Suspect:
    module = session.modules.get(frame.module)
    return Suspect(frame.symbol, frame.module, module.image_name if module is not None else "")


def _unloaded(gone: UnloadedModule) -> Suspect:
    return Suspect(f"{gone.name}!Unloaded", gone.name.rpartition(".")[0] or gone.name, gone.name, is_unloaded=True)


def _instruction(session: Session, stack: Stack, fault: Fault) -> Instruction | None:
    if fault.registers is None or not len(stack):
        return None
    pc = stack[0].instruction_pointer
    found = disassemble(session.memory, pc, 1, session.machine, session.symbols.name_at)
    return found[0] if found else None


def _process_name(session: Session, unknown: list[str]) -> str:
    """ImageFileName of the current process, by the kernel's types."""
    try:
        _, of = TypeLookup(session).require_struct("nt!_EPROCESS")
        field = of.field("ImageFileName")
        if field is None:
            return ""
        data = session.memory.read_available(session.processes.current() + field.offset, field.type.size)
        return clean(data.split(b"\0", 1)[0].decode("latin-1"))
    except KdnbError as error:
        unknown.append(f"the process has no name here ({error.message})")
        return ""


def _bucket(code: int, fault: Fault, suspect: Suspect) -> str:
    """A name for this kind of failure, in WinDbg's fashion: `AV_buggy!Function`."""
    if not code or not suspect.symbol:
        return ""
    if fault.exception_code == Status.ACCESS_VIOLATION:
        kind = "AV"
    else:
        kind = f"0x{code & ~USER_INITIATED:X}" + (f"_{fault.exception_code:x}" if fault.exception_code else "")
    return f"{kind}_{suspect.symbol.split('+', 1)[0]}"
