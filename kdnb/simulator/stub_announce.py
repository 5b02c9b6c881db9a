"""What the stub says on its own: state changes, prints, prompts (protocol reference 2, 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdnb.protocol.constants import SYSTEM_PROCESS_ID, MachineType, NewState, ReportFlags
from kdnb.protocol.context.amd64 import AMD64Context, AMD64SpecialRegisters
from kdnb.protocol.context.x86 import X86Context, X86SpecialRegisters
from kdnb.protocol.messages.control_report import ControlReportAmd64, ControlReportX86
from kdnb.protocol.messages.debug_io import DebugPrint, DebugPrompt
from kdnb.protocol.messages.state_change import ExceptionRecord64, LoadSymbols, StateChange64
from kdnb.simulator import events

if TYPE_CHECKING:
    from kdnb.protocol.wire import Structure
    from kdnb.simulator.architecture import Architecture
    from kdnb.simulator.machine import Machine
    from kdnb.simulator.stub_halt import Halt

INSTRUCTION_STREAM = 16
"""Bytes of code in a control report."""

LONGEST_PRINT = 512
"""Longest text of one print packet (protocol reference 4.1)."""

_EXCEPTION_PARAMETERS = 15
_FORMS: dict[MachineType, tuple[Any, Any, Any]] = {
    MachineType.AMD64: (AMD64Context, AMD64SpecialRegisters, ControlReportAmd64),
    MachineType.I386: (X86Context, X86SpecialRegisters, ControlReportX86),
}
"""CONTEXT, KSPECIAL_REGISTERS and control report of each machine."""


def state_change(halt: Halt, event: events.Trap | events.LoadSymbols) -> StateChange64:
    """The state change of `event` as the halt's processor reports it.

    The stub's own breakpoints among the reported bytes are given up first (2.5): their handles are free then.
    """
    machine, processor = halt.machine, halt.processor
    extend = machine.architecture.sign_extend
    context = _FORMS[machine.architecture.machine][0].decode(machine.get_context(processor))
    pc = getattr(context, machine.architecture.program_counter)
    halt.breakpoints.give_up_within(processor, pc, INSTRUCTION_STREAM)
    if isinstance(event, events.LoadSymbols):
        new_state, data = NewState.LoadSymbolsStateChange, _path(event)
        body: Structure = _load_symbols(event, extend(event.base))
    else:
        new_state, data, body = NewState.ExceptionStateChange, b"", _exception(event, machine.architecture)
    return StateChange64(
        new_state=new_state.value,
        processor_level=0,
        processor=processor,
        number_processors=len(machine.processors),
        thread=extend(machine.thread(processor)),
        program_counter=extend(pc),
        body=body,
        report=_control_report(machine, processor, context, pc),
        data=data,
    )


def debug_print(event: events.Print) -> DebugPrint:
    text = event.text[:LONGEST_PRINT]
    return DebugPrint(processor=event.processor, text=text)


def debug_prompt(event: events.Prompt) -> DebugPrompt:
    return DebugPrompt(processor=event.processor, text=event.text[:LONGEST_PRINT], max_length=event.max_length)


def _exception(trap: events.Trap, architecture: Architecture) -> ExceptionRecord64:
    parameters = tuple(architecture.sign_extend(value) for value in trap.parameters)[:_EXCEPTION_PARAMETERS]
    return ExceptionRecord64(
        code=trap.code,
        address=architecture.sign_extend(trap.address),
        number_parameters=len(parameters),
        information=parameters + (0,) * (_EXCEPTION_PARAMETERS - len(parameters)),
        first_chance=int(trap.first_chance),
    )


def _load_symbols(event: events.LoadSymbols, base: int) -> LoadSymbols:
    return LoadSymbols(
        path_name_length=len(_path(event)),
        base=base,
        process_id=event.process_id & SYSTEM_PROCESS_ID,
        checksum=event.checksum,
        size_of_image=event.size,
        unload=int(event.unload),
    )


def _path(event: events.LoadSymbols) -> bytes:
    return event.path + b"\0" if event.path else b""


def _control_report(machine: Machine, processor: int, context: Any, pc: int) -> Structure:
    _, special_type, report_type = _FORMS[machine.architecture.machine]
    special = special_type.decode(machine.get_special(processor))
    stream = machine.read_virtual(processor, pc, INSTRUCTION_STREAM)
    report: Structure = report_type(
        dr6=special.kernel_dr6,
        dr7=special.kernel_dr7,
        eflags=context.efl,
        instruction_count=len(stream),
        report_flags=int(ReportFlags.INCLUDES_SEGMENTS | ReportFlags.STANDARD_CODE_SEGMENT),
        instruction_stream=stream.ljust(INSTRUCTION_STREAM, b"\0"),
        cs=context.cs,
        ds=context.ds,
        es=context.es,
        fs=context.fs,
    )
    return report
