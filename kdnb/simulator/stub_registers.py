"""Register APIs: contexts, control space, machine specific registers (protocol reference 3.4, 3.7, 3.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.constants import MachineType, Status
from kdnb.simulator.stub_halt import Halt, Outcome, refuse, reply

if TYPE_CHECKING:
    from kdnb.protocol.messages.get_context import ContextExBody
    from kdnb.protocol.messages.io import MsrBody
    from kdnb.protocol.messages.manipulate import Manipulate
    from kdnb.protocol.messages.memory import MemoryBody
    from kdnb.protocol.wire import Structure

_KPCR, _KPRCB, _SPECIAL_REGISTERS, _THREAD = range(4)
"""What TargetBaseAddress selects in the control space of an amd64 target."""


def get_context(halt: Halt, request: Manipulate, body: Structure) -> Outcome:
    if not halt.exists(request.processor):
        return refuse(request)
    halt.context_was_read = True
    return reply(request, data=halt.machine.get_context(request.processor))


def set_context(halt: Halt, request: Manipulate, body: Structure) -> Outcome:
    if not (halt.exists(request.processor) and halt.context_was_read):
        return refuse(request)
    if len(request.data) < len(halt.machine.get_context(request.processor)):
        return refuse(request)
    halt.machine.set_context(request.processor, request.data)
    return reply(request)


def get_context_ex(halt: Halt, request: Manipulate, body: ContextExBody) -> Outcome:
    """A window of the context; beyond its end nothing."""
    if not halt.exists(request.processor):
        return refuse(request)
    context = halt.machine.get_context(request.processor)
    offset = body.offset
    if offset >= len(context):
        return refuse(request)
    data = context[offset : offset + body.byte_count]
    halt.context_was_read = True
    return reply(request, data=data, byte_count=len(context), bytes_copied=len(data))


def set_context_ex(halt: Halt, request: Manipulate, body: ContextExBody) -> Outcome:
    """Parts are staged; the one that reaches the total commits them all."""
    if not (halt.exists(request.processor) and halt.context_was_read):
        return refuse(request)
    context = halt.machine.get_context(request.processor)
    end = body.offset + body.byte_count
    total = body.bytes_copied or end
    if end > min(total, len(context)) or len(request.data) < body.byte_count:
        return refuse(request)
    if body.offset == 0 or not halt.staged_context:
        halt.staged_context[:] = context
    halt.staged_context[body.offset : end] = request.data[: body.byte_count]
    if end == total:
        halt.machine.set_context(request.processor, bytes(halt.staged_context))
        halt.staged_context.clear()
    return reply(request, bytes_copied=body.byte_count)


def read_control_space(halt: Halt, request: Manipulate, body: MemoryBody) -> Outcome:
    processor = request.processor
    if not halt.exists(processor):
        return reply(request, Status.UNSUCCESSFUL, actual=0)
    if halt.machine.architecture.machine == MachineType.I386:
        return _read_processor_state(halt, request, body)
    if body.address not in _CONTROL_SPACE:
        return reply(request, Status.UNSUCCESSFUL, actual=0)
    data = _CONTROL_SPACE[body.address](halt, processor)[: body.transfer_count]
    return reply(request, data=data, actual=len(data))


def write_control_space(halt: Halt, request: Manipulate, body: MemoryBody) -> Outcome:
    """Special registers only; a shorter, older form leaves the rest as it is."""
    if not halt.exists(request.processor):
        return reply(request, Status.UNSUCCESSFUL, actual=0)
    if halt.machine.architecture.machine == MachineType.I386:
        return _write_processor_state(halt, request, body)
    if body.address != _SPECIAL_REGISTERS:
        return reply(request, Status.UNSUCCESSFUL, actual=0)
    old = halt.machine.get_special(request.processor)
    new = request.data[: min(body.transfer_count, len(old))]
    halt.machine.set_special(request.processor, new + old[len(new) :])
    return reply(request, actual=len(new))


def _processor_state(halt: Halt, processor: int) -> bytes:
    """KPROCESSOR_STATE, the control space of x86: it is read and written by byte offsets."""
    return halt.machine.get_context(processor) + halt.machine.get_special(processor)


def _read_processor_state(halt: Halt, request: Manipulate, body: MemoryBody) -> Outcome:
    data = _processor_state(halt, request.processor)[body.address : body.address + body.transfer_count]
    return reply(request, Status.SUCCESS if data else Status.UNSUCCESSFUL, data, actual=len(data))


def _write_processor_state(halt: Halt, request: Manipulate, body: MemoryBody) -> Outcome:
    old = _processor_state(halt, request.processor)
    new = request.data[: min(body.transfer_count, max(0, len(old) - body.address))]
    if not new:
        return reply(request, Status.UNSUCCESSFUL, actual=0)
    state = old[: body.address] + new + old[body.address + len(new) :]
    special = len(old) - len(halt.machine.get_special(request.processor))
    if state[:special] != old[:special]:
        halt.machine.set_context(request.processor, state[:special])
    if state[special:] != old[special:]:
        halt.machine.set_special(request.processor, state[special:])
    return reply(request, actual=len(new))


def read_msr(halt: Halt, request: Manipulate, body: MsrBody) -> Outcome:
    try:
        value = halt.machine.msr_read(halt.chosen(request), body.msr)
    except KeyError:
        return refuse(request, Status.NO_SUCH_DEVICE)
    return reply(request, low=value & 0xFFFFFFFF, high=value >> 32)


def write_msr(halt: Halt, request: Manipulate, body: MsrBody) -> Outcome:
    try:
        halt.machine.msr_write(halt.chosen(request), body.msr, body.value)
    except KeyError:
        return refuse(request, Status.NO_SUCH_DEVICE)
    return reply(request)


_CONTROL_SPACE = {
    _KPCR: lambda halt, processor: halt.machine.pcr(processor).to_bytes(8, "little"),
    _KPRCB: lambda halt, processor: halt.machine.prcb(processor).to_bytes(8, "little"),
    _SPECIAL_REGISTERS: lambda halt, processor: halt.machine.get_special(processor),
    _THREAD: lambda halt, processor: halt.machine.thread(processor).to_bytes(8, "little"),
}
