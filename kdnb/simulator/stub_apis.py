"""Which function answers which API: every number of the protocol reference, section 3.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.constants import Api
from kdnb.simulator import stub_breakpoints, stub_devices, stub_memory, stub_registers, stub_system

if TYPE_CHECKING:
    from kdnb.protocol.messages.manipulate import Manipulate
    from kdnb.simulator.stub_halt import Halt, Handler, Outcome

HANDLERS: dict[Api, Handler] = {
    Api.ReadVirtualMemory: stub_memory.read_virtual_memory,
    Api.WriteVirtualMemory: stub_memory.write_virtual_memory,
    Api.GetContext: stub_registers.get_context,
    Api.SetContext: stub_registers.set_context,
    Api.WriteBreakPoint: stub_breakpoints.write_breakpoint,
    Api.RestoreBreakPoint: stub_breakpoints.restore_breakpoint,
    Api.Continue: stub_system.resume,
    Api.ReadControlSpace: stub_registers.read_control_space,
    Api.WriteControlSpace: stub_registers.write_control_space,
    Api.ReadIoSpace: stub_devices.read_io_space,
    Api.WriteIoSpace: stub_devices.write_io_space,
    Api.Reboot: stub_system.reboot,
    Api.Continue2: stub_system.resume_with_control_set,
    Api.ReadPhysicalMemory: stub_memory.read_physical_memory,
    Api.WritePhysicalMemory: stub_memory.write_physical_memory,
    Api.QuerySpecialCalls: stub_system.unsupported,
    Api.SetSpecialCall: stub_system.only_acknowledged,
    Api.ClearSpecialCalls: stub_system.only_acknowledged,
    Api.SetInternalBreakPoint: stub_system.only_acknowledged,
    Api.GetInternalBreakPoint: stub_system.unsupported,
    Api.ReadIoSpaceExtended: stub_devices.read_io_space_extended,
    Api.WriteIoSpaceExtended: stub_devices.write_io_space_extended,
    Api.GetVersion: stub_system.get_version,
    Api.WriteBreakPointEx: stub_breakpoints.write_breakpoint_ex,
    Api.RestoreBreakPointEx: stub_breakpoints.restore_breakpoint_ex,
    Api.CauseBugCheck: stub_system.cause_bug_check,
    Api.SwitchProcessor: stub_system.switch_processor,
    Api.PageIn: stub_system.unsupported,
    Api.ReadMachineSpecificRegister: stub_registers.read_msr,
    Api.WriteMachineSpecificRegister: stub_registers.write_msr,
    Api.OldVlm1: stub_system.unsupported,
    Api.OldVlm2: stub_system.unsupported,
    Api.SearchMemory: stub_memory.search_memory,
    Api.GetBusData: stub_devices.get_bus_data,
    Api.SetBusData: stub_devices.set_bus_data,
    Api.CheckLowMemory: stub_memory.check_low_memory,
    Api.ClearAllInternalBreakpoints: stub_system.only_acknowledged,
    Api.FillMemory: stub_memory.fill_memory,
    Api.QueryMemory: stub_memory.query_memory,
    Api.SwitchPartition: stub_system.unsupported,
    Api.OldWriteCustomBreakpoint: stub_system.unsupported,
    Api.GetContextEx: stub_registers.get_context_ex,
    Api.SetContextEx: stub_registers.set_context_ex,
    Api.WriteCustomBreakpoint: stub_breakpoints.write_custom_breakpoint,
    Api.ReadPhysicalMemoryLong: stub_system.unsupported,
}


def carry_out(halt: Halt, request: Manipulate) -> Outcome:
    """The outcome of a request; a number that nobody knows is refused without data."""
    try:
        handler = HANDLERS[Api(request.api)]
    except ValueError:
        handler = stub_system.unsupported
    return handler(halt, request, request.body)
