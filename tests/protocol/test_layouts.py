"""Every offset of the protocol reference, written down a second time: a field that moves makes these fail.

Offsets count from the start of the payload (unions of STATE_MANIPULATE begin at 10, of FILE_IO at 8, ...), as in the
reference; `base` is where the structure begins. Hexadecimal without prefix.
"""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import kdnb.protocol.context
import kdnb.protocol.messages
from kdnb.protocol.wire import Structure

# module:class, base, size, "field@offset ..."
LAYOUTS = """
messages.manipulate:ManipulateHeader 0 10 api@0 processor_level@4 processor@6 status@8 padding@C
messages.memory:MemoryBody 10 28 address@10 transfer_count@18 actual@1C unused@20
messages.get_context:ContextBody 10 28 flags@10 unused@14
messages.get_context:ContextExBody 10 28 offset@10 byte_count@14 bytes_copied@18 unused@1C
messages.breakpoints:BreakpointBody 10 28 address@10 handle@18 unused@1C
messages.breakpoints:RestoreBreakpointBody 10 28 handle@10 unused@14
messages.breakpoints:BreakpointExBody 10 28 count@10 continue_status@14 unused@18
messages.breakpoints:BreakpointEntry 0 10 address@0 handle@8 unused@C
messages.breakpoints:BreakpointHandle 0 4 handle@0
messages.breakpoints:CustomBreakpointBody 10 28 address@10 instruction@18 handle@20 instruction_size@24 alignment@25 \
unused@26
messages.breakpoints:SpecialCallsBody 10 28 count@10 unused@14
messages.breakpoints:SpecialCallBody 10 28 address@10 unused@18
messages.breakpoints:SetInternalBreakpointBody 10 28 address@10 flags@18 unused@1C
messages.breakpoints:InternalBreakpointBody 10 28 address@10 flags@18 calls@1C max_calls_per_period@20 \
min_instructions@24 max_instructions@28 total_instructions@2C unused@30
messages.execution:ContinueBody 10 28 status@10 unused@14
messages.execution:Continue2X86 10 28 status@10 trace@14 dr7@18 symbol_start@1C symbol_end@20 unused@24
messages.execution:Continue2Amd64 10 28 status@10 trace@14 dr7@18 symbol_start@20 symbol_end@28 unused@30
messages.execution:Continue2Arm64 10 28 status@10 continue_flag@14 trace@18 symbol_start@1C symbol_end@24 unused@2C
messages.execution:Continue2Arm 10 28 status@10 continue_flag@14 symbol_start@18 symbol_end@1C unused@20
messages.execution:PartitionBody 10 28 partition@10 unused@14
messages.execution:PageInBody 10 28 address@10 continue_status@18 unused@1C
messages.execution:EmptyBody 10 28 unused@10
messages.execution:RawBody 10 28 union@10
messages.io:IoBody 10 28 address@10 size@18 value@1C unused@20
messages.io:IoExtendedBody 10 28 size@10 interface_type@14 bus_number@18 address_space@1C address@20 value@28 unused@2C
messages.io:MsrBody 10 28 msr@10 low@14 high@18 unused@1C
messages.io:BusDataBody 10 28 bus_data_type@10 bus_number@14 slot_number@18 offset@1C length@20 unused@24
messages.search:SearchBody 10 28 address@10 length@18 pattern_length@20 unused@24
messages.search:FillBody 10 28 address@10 length@18 flags@1C pattern_length@1E unused@20
messages.search:QueryMemoryBody 10 28 address@10 reserved@18 address_space@20 flags@24 unused@28
messages.version:VersionBody 10 28 major@10 minor@12 protocol@14 secondary@15 flags@16 machine@18 max_packet_type@1A \
max_state_change@1B max_manipulate@1C simulation@1D unused@1E kernel_base@20 loaded_module_list@28 debugger_data_list@30
messages.version:Version32Body 10 28 major@10 minor@12 protocol@14 flags@16 kernel_base@18 loaded_module_list@1C \
machine@20 th_callback_stack@22 next_callback@24 frame_pointer@26 ki_call_user_mode@28 ke_user_callback_dispatcher@2C \
breakpoint_with_status@30 debugger_data_list@34
messages.state_change:StateChangeHeader 0 20 new_state@0 processor_level@4 processor@6 number_processors@8 padding@C \
thread@10 program_counter@18
messages.state_change:ExceptionRecord64 20 A0 code@20 flags@24 record@28 address@30 number_parameters@38 padding@3C \
information@40 first_chance@B8 tail@BC
messages.state_change:LoadSymbols 20 A0 path_name_length@20 padding@24 base@28 process_id@30 checksum@38 \
size_of_image@3C unload@40 unused@41
messages.state_change:CommandString 20 A0 flags@20 reserved1@24 reserved2@28 unused@60
messages.state_change:RawUnion 20 A0 union@20
messages.control_report:ControlReportAmd64 C0 30 dr6@C0 dr7@C8 eflags@D0 instruction_count@D4 report_flags@D6 \
instruction_stream@D8 cs@E8 ds@EA es@EC fs@EE
messages.control_report:ControlReportX86 C0 30 dr6@C0 dr7@C4 instruction_count@C8 report_flags@CA \
instruction_stream@CC cs@DC ds@DE es@E0 fs@E2 eflags@E4 unused@E8
messages.control_report:ControlReportArm C0 30 cpsr@C0 instruction_count@C4 instruction_stream@C8 unused@D8
messages.control_report:RawReport C0 30 report@C0
messages.state_change32:StateChangeHeader32 0 14 new_state@0 processor_level@4 processor@6 number_processors@8 \
thread@C program_counter@10
messages.state_change32:ExceptionRecord32 14 54 code@14 flags@18 record@1C address@20 number_parameters@24 \
information@28 first_chance@64
messages.state_change32:LoadSymbols32 14 54 path_name_length@14 base@18 process_id@1C checksum@20 size_of_image@24 \
unload@28 unused@29
messages.state_change32:RawUnion32 14 54 union@14
messages.debug_io:ShortPrintHeader 0 C api@0 processor_level@4 processor@6 length@8
messages.debug_io:PrintHeader 0 10 api@0 processor_level@4 processor@6 length@8 padding@C
messages.debug_io:PromptHeader 0 10 api@0 processor_level@4 processor@6 prompt_length@8 answer_length@C
messages.file_io:FileIoHeader 0 8 api@0 status@4
messages.file_io:CreateFileBody 8 38 desired_access@8 file_attributes@C share_access@10 create_disposition@14 \
create_options@18 padding@1C handle@20 length@28 unused@30
messages.file_io:FileTransferBody 8 38 handle@8 offset@10 length@18 unused@1C
messages.file_io:CloseFileBody 8 38 handle@8 unused@10
messages.file_io:RawFileBody 8 38 union@8
messages.trace_io:TraceHeader 0 40 api@0 processor_level@4 processor@6 length@8 unused@C
messages.trace_io:ControlRequestBody 0 C api@0 number@4 granted@8
context.x86:X86Context 0 2CC context_flags@0 dr0@4 dr1@8 dr2@C dr3@10 dr6@14 dr7@18 fpcw@1C fpsw@20 fptw@24 \
fp_error_offset@28 fp_error_selector@2C fp_data_offset@30 fp_data_selector@34 st@38 cr0_npx_state@88 gs@8C \
fs@90 es@94 ds@98 edi@9C esi@A0 ebx@A4 edx@A8 ecx@AC eax@B0 ebp@B4 eip@B8 cs@BC efl@C0 esp@C4 ss@C8 \
fp_extended@CC mxcsr@E4 fp_extended_st@E8 xmm@16C fp_extended_rest@1EC
context.x86:X86SpecialRegisters 0 54 cr0@0 cr2@4 cr3@8 cr4@C kernel_dr0@10 kernel_dr1@14 kernel_dr2@18 kernel_dr3@1C \
kernel_dr6@20 kernel_dr7@24 gdtr_padding@28 gdtl@2A gdtr@2C idtr_padding@30 idtl@32 idtr@34 tr@38 ldtr@3A reserved@3C
context.amd64:AMD64Context 0 4D0 p1_home@0 p2_home@8 p3_home@10 p4_home@18 p5_home@20 p6_home@28 context_flags@30 \
mxcsr@34 cs@38 ds@3A es@3C fs@3E gs@40 ss@42 efl@44 dr0@48 dr1@50 dr2@58 dr3@60 dr6@68 dr7@70 rax@78 rcx@80 rdx@88 \
rbx@90 rsp@98 rbp@A0 rsi@A8 rdi@B0 r8@B8 r9@C0 r10@C8 r11@D0 r12@D8 r13@E0 r14@E8 r15@F0 rip@F8 fpcw@100 fpsw@102 \
fptw@104 fp_reserved1@105 fp_error_opcode@106 fp_error_offset@108 fp_error_selector@10C fp_reserved2@10E \
fp_data_offset@110 fp_data_selector@114 fp_reserved3@116 fp_mxcsr@118 fp_mxcsr_mask@11C st@120 xmm@1A0 \
fp_reserved4@2A0 vector_register@300 vector_control@4A0 debug_control@4A8 last_branch_to_rip@4B0 \
last_branch_from_rip@4B8 last_exception_to_rip@4C0 last_exception_from_rip@4C8
context.amd64:AMD64SpecialRegisters 0 F0 cr0@0 cr2@8 cr3@10 cr4@18 kernel_dr0@20 kernel_dr1@28 kernel_dr2@30 \
kernel_dr3@38 kernel_dr6@40 kernel_dr7@48 gdtr_padding@50 gdtl@56 gdtr@58 idtr_padding@60 idtl@66 idtr@68 tr@70 \
ldtr@72 mxcsr@74 debug_control@78 last_branch_to_rip@80 last_branch_from_rip@88 last_exception_to_rip@90 \
last_exception_from_rip@98 cr8@A0 msr_gs_base@A8 msr_gs_swap@B0 msr_star@B8 msr_lstar@C0 msr_cstar@C8 \
msr_syscall_mask@D0 xcr0@D8 msr_fs_base@E0 special_padding@E8
context.arm64:ARM64Context 0 390 context_flags@0 cpsr@4 x0@8 x1@10 x2@18 x3@20 x4@28 x5@30 x6@38 x7@40 x8@48 x9@50 \
x10@58 x11@60 x12@68 x13@70 x14@78 x15@80 x16@88 x17@90 x18@98 x19@A0 x20@A8 x21@B0 x22@B8 x23@C0 x24@C8 x25@D0 \
x26@D8 x27@E0 x28@E8 fp@F0 lr@F8 sp@100 pc@108 v@110 fpcr@310 fpsr@314 bcr@318 bvr@338 wcr@378 wvr@380
context.arm64:ARM64SpecialRegisters 0 A0 elr_el1@0 spsr_el1@8 spsr_padding@C tpidr_el0@10 tpidrro_el0@18 \
tpidr_el1@20 kernel_bvr@28 kernel_bcr@68 kernel_wvr@88 kernel_wcr@98
context.arm:ARMContext 0 1A0 context_flags@0 r0@4 r1@8 r2@C r3@10 r4@14 r5@18 r6@1C r7@20 r8@24 r9@28 r10@2C r11@30 \
r12@34 sp@38 lr@3C pc@40 cpsr@44 fpscr@48 padding@4C d@50 bvr@150 bcr@170 wvr@190 wcr@194 tail@198
"""

ROWS = {row.split()[0]: row.split()[1:] for row in LAYOUTS.splitlines() if row}


def structure_named(name: str) -> type[Structure]:
    module, _, class_name = name.partition(":")
    found: type[Structure] = getattr(importlib.import_module(f"kdnb.protocol.{module}"), class_name)
    return found


@pytest.mark.parametrize("name", ROWS)
def test_every_field_is_where_the_reference_has_it(name: str) -> None:
    base, size, *places = ROWS[name]
    structure = structure_named(name)
    expected = {field: int(offset, 16) for field, offset in (place.split("@") for place in places)}
    assert int(size, 16) == structure.SIZE
    assert {field.name: int(base, 16) + field.offset for field in structure.fields()} == expected


@pytest.mark.parametrize("name", ROWS)
def test_numpy_sees_the_same_layout(name: str) -> None:
    structure = structure_named(name)
    dtype = structure.dtype()
    assert dtype.itemsize == structure.SIZE
    assert {field: place[1] for field, place in dtype.fields.items()} == {
        field.name: field.offset for field in structure.fields()
    }


def test_no_structure_of_a_message_or_context_is_left_out() -> None:
    found = set()
    for package in (kdnb.protocol.messages, kdnb.protocol.context):
        for module in pkgutil.iter_modules(package.__path__):
            contents = importlib.import_module(f"{package.__name__}.{module.name}")
            short = contents.__name__.removeprefix("kdnb.protocol.")
            found |= {
                f"{short}:{value.__name__}"
                for value in vars(contents).values()
                if isinstance(value, type)
                and issubclass(value, Structure)
                and value is not Structure
                and value.__module__ == contents.__name__
            }
    assert found == set(ROWS)
