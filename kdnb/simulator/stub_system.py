"""APIs about the whole machine: version, continue, other processors, reboot, bug check.

protocol reference 3.2, 3.6, 3.10, 3.11; what a current kernel refuses is in 3.9.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.protocol.constants import MachineType, Status, VersionFlags
from kdnb.protocol.messages.version import VersionBody
from kdnb.simulator.stub_halt import Effect, Halt, Outcome, Resume, Switch, refuse

if TYPE_CHECKING:
    from kdnb.protocol.messages.execution import Continue2Amd64, Continue2X86, ContinueBody
    from kdnb.protocol.messages.manipulate import Manipulate
    from kdnb.protocol.wire import Structure

FREE_BUILD = 0xF
PROTOCOL_VERSION = 6
CONTEXT_VERSIONS = {MachineType.AMD64: 2, MachineType.I386: 0}
PACKET_TYPES, STATE_CHANGES, MANIPULATE_APIS = 0x0C, 3, 0x33
"""The three Max fields as a Windows 10 kernel gives them: hints, not limits (vector V7)."""


def get_version(halt: Halt, request: Manipulate, body: Structure) -> Outcome:
    machine = halt.machine
    machine_type = machine.architecture.machine
    extend = machine.architecture.sign_extend
    flags = VersionFlags.MP | VersionFlags.DATA
    version = VersionBody(
        major=FREE_BUILD,
        minor=machine.build,
        protocol=PROTOCOL_VERSION,
        secondary=CONTEXT_VERSIONS[machine_type],
        flags=int(flags | VersionFlags.PTR64 if machine_type.pointer_size == 8 else flags),
        machine=int(machine_type),
        max_packet_type=PACKET_TYPES,
        max_state_change=STATE_CHANGES,
        max_manipulate=MANIPULATE_APIS,
        kernel_base=extend(machine.kernel_base),
        loaded_module_list=extend(machine.loaded_module_list),
        debugger_data_list=machine.debugger_data_list,
    )
    return replace(request, status=Status.SUCCESS.value, body=version)


def resume(halt: Halt, request: Manipulate, body: ContinueBody) -> Outcome:
    return Resume(body.status)


def resume_with_control_set(halt: Halt, request: Manipulate, body: Continue2Amd64 | Continue2X86) -> Outcome:
    return Resume(body.status, bool(body.trace), body.dr7)


def switch_processor(halt: Halt, request: Manipulate, body: Structure) -> Outcome:
    """A processor that doesn't exist leaves the current one talking (a guess: stubs differ, 3.11)."""
    return Switch(request.processor if halt.exists(request.processor) else halt.processor)


def reboot(halt: Halt, request: Manipulate, body: Structure) -> Outcome:
    return Effect.REBOOT


def cause_bug_check(halt: Halt, request: Manipulate, body: Structure) -> Outcome:
    return Effect.BUG_CHECK


def unsupported(halt: Halt, request: Manipulate, body: Structure) -> Outcome:
    """Numbers that a current kernel refuses: obsolete, x86-only, or not known at all."""
    return refuse(request)


def only_acknowledged(halt: Halt, request: Manipulate, body: Structure) -> Outcome:
    """Special calls and internal breakpoints: the header files give them no reply, current kernels no effect."""
    return Effect.SILENCE
