"""Text in WinDbg's layouts. The samples are those of the command reference (layouts real, values invented)."""

from __future__ import annotations

from textwrap import dedent

import pytest

from kdnb.render.present import LINE_LIMIT
from kdnb.render.text import to_text
from kdnb.render.text_registers import flags_text
from kdnb.results.base import present
from kdnb.results.breakpoints import BreakpointInfo, BreakpointList
from kdnb.results.disassembly import Disassembly, Instruction
from kdnb.results.events import DebugPrint, LastEvent, Stop
from kdnb.results.memory import MemoryBlocks, MemoryDump, PointerRow, PointerTable, StringDump, StringRow
from kdnb.results.modules import ModuleInfo, ModuleList, NearestSymbols, SymbolInfo, SymbolList, UnloadedModule
from kdnb.results.registers import RegisterSet, RegisterValues
from kdnb.results.stack import Frame, Stack
from kdnb.results.values import BugCheck, Evaluation, ExceptionInfo, Formats, MsrValue, TargetInfo, Text

NT = 0xFFFFF803_59A00000
STACK = 0xFFFFF803_5F67A9C8
HEADER = bytes.fromhex("4d5a90000300000004000000ffff0000b800000000000000400000000000 0000".replace(" ", ""))
INT3 = Instruction(0xFFFFF803_59E0B2D0, b"\xcc", "int", "3")


def dump(command: str, unit: int, columns: int, size: int, data: bytes = HEADER, **more: bool) -> MemoryDump:
    return MemoryDump(command, NT, data[:size], size, unit, columns, 8, **more)


def text(sample: str) -> str:
    return dedent(sample).strip("\n")


def test_db_shows_16_bytes_a_line_with_a_dash_in_the_middle_and_their_characters() -> None:
    assert to_text(dump("db", 1, 16, 0x20, ascii=True)) == text("""
        fffff803`59a00000  4d 5a 90 00 03 00 00 00-04 00 00 00 ff ff 00 00  MZ..............
        fffff803`59a00010  b8 00 00 00 00 00 00 00-40 00 00 00 00 00 00 00  ........@.......
        """)


def test_words_doublewords_and_quadwords() -> None:
    assert to_text(dump("dw", 2, 8, 16)) == "fffff803`59a00000  5a4d 0090 0003 0000 0004 0000 ffff 0000"
    assert to_text(dump("dd", 4, 4, 16)) == "fffff803`59a00000  00905a4d 00000003 00000004 0000ffff"
    assert to_text(dump("dc", 4, 4, 16, ascii=True)) == (
        "fffff803`59a00000  00905a4d 00000003 00000004 0000ffff  MZ.............."
    )
    assert to_text(dump("dq", 8, 2, 16)) == "fffff803`59a00000  00000003`00905a4d 0000ffff`00000004"


def test_unreadable_memory_is_question_marks_of_the_units_width() -> None:
    assert to_text(MemoryDump("db", 0, b"", 16, 1, 16, 4, ascii=True)) == (
        "00000000  ?? ?? ?? ?? ?? ?? ?? ??-?? ?? ?? ?? ?? ?? ?? ??  ????????????????"
    )
    assert to_text(dump("dq", 8, 2, 16, HEADER[:8])) == "fffff803`59a00000  00000003`00905a4d ????????`????????"
    assert to_text(dump("dd", 4, 4, 8, b"")) == "fffff803`59a00000  ???????? ????????"
    assert to_text(dump("dw", 2, 8, 2, b"")) == "fffff803`59a00000  ????"


def test_a_short_last_line_keeps_the_character_column_in_place() -> None:
    first, last = to_text(dump("db", 1, 16, 0x12, ascii=True)).split("\n")
    assert first.index("MZ") == last.index("..")


def test_bits() -> None:
    assert to_text(MemoryDump("dyb", 0x80500000, HEADER[:8], 8, 1, 4, 4)).split("\n") == [
        "           76543210 76543210 76543210 76543210",
        "           -------- -------- -------- --------",
        "80500000  01001101 01011010 10010000 00000000  4d 5a 90 00",
        "80500004  00000011 00000000 00000000 00000000  03 00 00 00",
    ]
    assert to_text(MemoryDump("dyd", 0x80500000, HEADER[:4], 4, 4, 1, 4)).split("\n") == [
        "           3          2          1          0",
        "          10987654 32109876 54321098 76543210",
        "          -------- -------- -------- --------",
        "80500000  00000000 10010000 01011010 01001101  00905a4d",
    ]


def test_physical_extension_dumps_start_with_a_hash() -> None:
    value = MemoryDump("!dq", 0x2C00000, HEADER[:16], 16, 8, 2, 8)
    assert to_text(value) == "# 2c00000 00000003`00905a4d 0000ffff`00000004"


def test_pointers_with_their_symbols() -> None:
    rows = (
        PointerRow(STACK, 0xFFFFF803_59D2EF75, "nt!KdCheckForDebugBreak+0x119"),
        PointerRow(STACK + 8, 0),
        PointerRow(STACK + 16, None),
    )
    assert to_text(PointerTable("dps", rows, 8, 8)) == text("""
        fffff803`5f67a9c8  fffff803`59d2ef75 nt!KdCheckForDebugBreak+0x119
        fffff803`5f67a9d0  00000000`00000000
        fffff803`5f67a9d8  ????????`????????
        """)
    row = PointerRow(0xFFFFF803_5A6F1200, 0xFFFFF803_58B3A180, target=0x1F80)
    assert to_text(PointerTable("dpp", (row,), 8, 8)) == "fffff803`5a6f1200  fffff803`58b3a180  00000000`00001f80"
    row = PointerRow(0xFFFFD28F_6C0B1008, 0xFFFFD28F_6C0B1230, text="\\SystemRoot\\x.sys")
    assert to_text(PointerTable("dpu", (row,), 8, 8)) == ('ffffd28f`6c0b1008  ffffd28f`6c0b1230 "\\SystemRoot\\x.sys"')


def test_strings_stand_in_quotes() -> None:
    lines = (StringRow(NT + 0x4E, "This program cannot be run in DO"), StringRow(NT + 0x6E, "S mode....$"))
    assert to_text(StringDump("da", NT + 0x4E, lines, 8)) == text("""
        fffff803`59a0004e  "This program cannot be run in DO"
        fffff803`59a0006e  "S mode....$"
        """)


def test_search_hits_are_one_line_each_or_only_their_addresses() -> None:
    blocks = (dump("db", 1, 16, 16, ascii=True),)
    assert to_text(MemoryBlocks(blocks, addresses_only=True)) == "0xfffff803`59a00000"
    assert to_text(MemoryBlocks(blocks)).endswith("MZ..............")


AMD64 = {
    "rax": 1, "rbx": 0xFFFFD28F6C0A5080, "rcx": 1, "rdx": 0, "rsi": 0xFFFFF8035A0C1180, "rdi": 0,
    "rip": 0xFFFFF80359E0B2D0, "rsp": STACK, "rbp": 0, "r8": 0x148, "r9": 0, "r10": 0xFFFFF80359D1C0E0,
    "r11": 0x246, "r12": 0, "r13": 0, "r14": 0, "r15": 0, "efl": 0x202,
    "cs": 0x10, "ss": 0x18, "ds": 0x2B, "es": 0x2B, "fs": 0x53, "gs": 0x2B,
    "cr0": 0x80050033, "cr2": 0, "cr3": 0x1AD000, "cr4": 0x6F8, "cr8": 0xF,
}  # fmt: skip


def test_registers_of_x64() -> None:
    value = RegisterSet("amd64", 0, AMD64, symbol="nt!DbgBreakPointWithStatus", instruction=INT3)
    # The sample of the reference has WinDbg's `pe` here: its x64 display turns parity round, kdnb's doesn't.
    assert to_text(value) == text("""
        rax=0000000000000001 rbx=ffffd28f6c0a5080 rcx=0000000000000001
        rdx=0000000000000000 rsi=fffff8035a0c1180 rdi=0000000000000000
        rip=fffff80359e0b2d0 rsp=fffff8035f67a9c8 rbp=0000000000000000
         r8=0000000000000148  r9=0000000000000000 r10=fffff80359d1c0e0
        r11=0000000000000246 r12=0000000000000000 r13=0000000000000000
        r14=0000000000000000 r15=0000000000000000
        iopl=0         nv up ei pl nz na po nc
        cs=0010  ss=0018  ds=002b  es=002b  fs=0053  gs=002b             efl=00000202
        nt!DbgBreakPointWithStatus:
        fffff803`59e0b2d0 cc              int     3
        """)


def test_registers_of_x86() -> None:
    values = {
        "eax": 1, "ebx": 0x8054C380, "ecx": 0x8053E6E4, "edx": 0x3F8, "esi": 0, "edi": 0xC27D8A10,
        "eip": 0x80528BDC, "esp": 0x805499F0, "ebp": 0x80549A00, "efl": 0x202,
        "cs": 8, "ss": 0x10, "ds": 0x23, "es": 0x23, "fs": 0x30, "gs": 0,
    }  # fmt: skip
    here = Instruction(0x80528BDC, b"\xcc", "int", "3")
    value = RegisterSet("x86", 0, values, symbol="nt!RtlpBreakWithStatusInstruction", instruction=here)
    assert to_text(value) == text("""
        eax=00000001 ebx=8054c380 ecx=8053e6e4 edx=000003f8 esi=00000000 edi=c27d8a10
        eip=80528bdc esp=805499f0 ebp=80549a00 iopl=0         nv up ei pl nz na po nc
        cs=0008  ss=0010  ds=0023  es=0023  fs=0030  gs=0000             efl=00000202
        nt!RtlpBreakWithStatusInstruction:
        80528bdc cc              int     3
        """)


def test_a_mask_shows_only_its_groups() -> None:
    assert to_text(RegisterSet("amd64", 0, AMD64, mask=0x80)).split("\n") == [
        "cr0=0000000080050033 cr2=0000000000000000 cr3=00000000001ad000",
        "cr4=00000000000006f8 cr8=000000000000000f",
    ]
    tables = {"gdtr": 0x80B95000, "gdtl": 0x3FF, "idtr": 0x80B95400, "idtl": 0x7FF, "tr": 0x28, "ldtr": 0}
    assert to_text(RegisterSet("x86", 0, tables, mask=0x100)) == (
        "gdtr=80b95000   gdtl=03ff idtr=80b95400   idtl=07ff tr=0028  ldtr=0000"
    )


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (0x202, "nv up ei pl nz na po nc"),
        (0x246, "nv up ei pl zr na pe nc"),
        (0xED7, "ov dn ei ng zr ac pe cy"),
        (0, "nv up di pl nz na po nc"),
    ],
)
def test_flags_in_words(flags: int, words: str) -> None:
    assert flags_text(flags) == words


def test_single_registers() -> None:
    assert to_text(RegisterValues({"rax": 5, "zf": 1}, {"rax": 16, "zf": 1})) == "rax=0000000000000005 zf=1"
    assert to_text(RegisterValues({}, {})) == ""


def test_instructions() -> None:
    code = (
        Instruction(0xFFFFF801_0BF91A3D, bytes.fromhex("488b4c2448"), "mov", "rcx,qword ptr [rsp+48h]", "Echo!R+0x1d"),
        Instruction(0xFFFFF801_0BF91A42, bytes.fromhex("48b8000000000000ffff"), "mov", "rax,0FFFF000000000000h"),
        Instruction(0xFFFFF801_0BF91A4C, b"\xc3", "ret", "", annotation="[br=1]"),
        Instruction(0xFFFFF801_0BF91A4D, b"", "???", ""),
    )
    assert to_text(Disassembly(code, 8, "Memory access error in 'u .'")).split("\n") == [
        "Echo!R+0x1d:",
        "fffff801`0bf91a3d 488b4c2448      mov     rcx,qword ptr [rsp+48h]",
        "fffff801`0bf91a42 48b8000000000000ffff mov     rax,0FFFF000000000000h",
        "fffff801`0bf91a4c c3              ret [br=1]",
        "fffff801`0bf91a4d ??              ???",
        "               ^ Memory access error in 'u .'",
    ]


FRAMES = (
    Frame(0, STACK, 0xFFFFF803_59D2EF75, 0, "nt!DbgBreakPointWithStatus", arguments=(0, 0, 0xFFFFD28F_6C0A5080, 1)),
    Frame(1, STACK + 8, 0xFFFFF803_59C1E3A1, 0, "nt!KdCheckForDebugBreak+0x119", arguments=(0, 0, 0, 0)),
)


def test_a_stack_of_x64() -> None:
    assert to_text(Stack(FRAMES, "amd64", 0, 8)).split("\n") == [
        " # Child-SP          RetAddr               Call Site",
        "00 fffff803`5f67a9c8 fffff803`59d2ef75     nt!DbgBreakPointWithStatus",
        "01 fffff803`5f67a9d0 fffff803`59c1e3a1     nt!KdCheckForDebugBreak+0x119",
    ]
    assert to_text(Stack(FRAMES[:1], "amd64", 0, 8, "kb")).split("\n") == [
        f" # Child-SP          RetAddr               : Args to Child{' ' * 59}: Call Site",
        "00 fffff803`5f67a9c8 fffff803`59d2ef75     : 00000000`00000000 00000000`00000000 "
        "ffffd28f`6c0a5080 00000000`00000001 : nt!DbgBreakPointWithStatus",
    ]
    assert to_text(Stack(FRAMES, "amd64", 0, 8, "kc")).split("\n")[1] == "00 nt!DbgBreakPointWithStatus"
    memory = to_text(Stack(FRAMES, "amd64", 0, 8, "kf")).split("\n")
    assert memory[2] == "01         8 fffff803`5f67a9d0 fffff803`59c1e3a1     nt!KdCheckForDebugBreak+0x119"
    assert [line.index("Child-SP") for line in memory[:1]] == [memory[1].index("fffff803`5f67a9c8")]


def test_one_reason_for_wrong_frames_is_given_once_and_a_guess_each_time() -> None:
    unknown, guess = "WARNING: Frame IP not in any known module.", "WARNING: found by a scan of the stack."
    frames = (
        Frame(0, 0x10, 0x20, 0, "0x20", warning=unknown),
        Frame(1, 0x20, 0x30, 0, "0x30", warning=unknown),
        Frame(2, 0x30, 0x40, 0, "nt!F", warning=guess, is_guess=True),
        Frame(3, 0x40, 0, 0, "nt!G", warning=guess, is_guess=True),
    )
    text = to_text(Stack(frames, "amd64", 0, 8))
    assert text.count(unknown) == 1
    assert text.count(guess) == 2


def test_a_stack_of_x86_has_no_numbers_unless_asked() -> None:
    frames = (Frame(0, 0x805499F0, 0x8052E4A1, 0, "nt!RtlpBreakWithStatusInstruction", arguments=(1, 0, 0)),)
    assert to_text(Stack(frames, "x86", 0, 4)).split("\n") == [
        "ChildEBP RetAddr",
        "805499f0 8052e4a1 nt!RtlpBreakWithStatusInstruction",
    ]
    assert to_text(Stack(frames, "x86", 0, 4, "kb")).split("\n") == [
        "ChildEBP RetAddr  Args to Child",
        "805499f0 8052e4a1 00000001 00000000 00000000 nt!RtlpBreakWithStatusInstruction",
    ]
    assert to_text(Stack(frames, "x86", 0, 4, "kn")).split("\n")[1].startswith("00 805499f0")


def test_breakpoints_in_the_classic_layout() -> None:
    entries = (
        BreakpointInfo(0, "software", 0xFFFFF801_0BF91A20, "Echo!Read", symbol="Echo!EchoEvtIoRead"),
        BreakpointInfo(1, "software", None, "foo!Bar", symbolic=True),
        BreakpointInfo(2, "software", 0xFFFFF801_0BF91B00, "", passes=5, remaining=3, symbol="Echo!W", command="k;g"),
    )
    assert to_text(BreakpointList(entries, 8)).split("\n") == [
        " 0 e fffff801`0bf91a20     0001 (0001) Echo!EchoEvtIoRead",
        " 1 eu                      0001 (0001) (foo!Bar)",
        ' 2 e fffff801`0bf91b00     0003 (0005) Echo!W "k;g"',
    ]
    data = BreakpointInfo(1, "w", 0x8052E000, "", enabled=False, size=4, symbol="nt!KdDebuggerEnabled")
    assert to_text(BreakpointList((data,), 4)) == " 1 d 8052e000 w 4 0001 (0001) nt!KdDebuggerEnabled"


ECHO = ModuleInfo("Echo", 0xFFFFF801_0BF90000, 0xFFFFF801_0BF99000, "echo.sys", "\\SystemRoot\\DRIVERS\\echo.sys",
                  timestamp=0x65E5914C, checksum=0xA5F1)  # fmt: skip
KERNEL = ModuleInfo("nt", NT, NT + 0x1046000, "ntoskrnl.exe", symbol_status="pdb symbols", symbol_file="c:\\s\\nt.pdb")


def test_modules() -> None:
    assert to_text(ModuleList((ECHO, KERNEL), 8)).split("\n") == [
        "start             end                 module name",
        "fffff801`0bf90000 fffff801`0bf99000   Echo       (deferred)",
        "fffff803`59a00000 fffff803`5aa46000   nt         (pdb symbols)          c:\\s\\nt.pdb",
    ]
    assert to_text(ModuleList((ECHO,), 8, verbose=True)).split("\n")[2:] == [
        "    Image path: \\SystemRoot\\DRIVERS\\echo.sys",
        "    Image name: echo.sys",
        "    Timestamp:        Mon Mar  4 09:15:56 2024 (65E5914C)",
        "    CheckSum:         0000A5F1",
        "    ImageSize:        00009000",
    ]
    assert to_text(ModuleList((ECHO, KERNEL), 8, options="1m")) == "Echo\nnt"


def test_unloaded_modules_come_behind_a_heading_and_tell_little_of_themselves() -> None:
    gone = UnloadedModule("dump_storport.sys", 0xFFFFF801_0BFA0000, 0xFFFFF801_0BFAE000, 132530000000000000)
    assert to_text(ModuleList((ECHO,), 8, unloaded=(gone,))) == text("""
        start             end                 module name
        fffff801`0bf90000 fffff801`0bf99000   Echo       (deferred)

        Unloaded modules:
        fffff801`0bfa0000 fffff801`0bfae000   dump_storport.sys
        """)
    assert to_text(ModuleList((), 8, verbose=True, unloaded=(gone,))).split("\n")[3:] == [
        "fffff801`0bfa0000 fffff801`0bfae000   dump_storport.sys",
        "    Timestamp: unavailable (00000000)",
        "    Checksum:  00000000",
        "    ImageSize:  0000E000",
    ]
    assert gone.text_at(gone.start + 0x1234) == "<Unloaded_dump_storport.sys>+0x1234"
    assert to_text(gone) == "fffff801`0bfa0000 fffff801`0bfae000   dump_storport.sys"


def test_symbols() -> None:
    symbol = SymbolInfo(0xFFFFF803_59E0B2D0, "nt!DbgBreakPointWithStatus", details=" (<no parameter info>)")
    line = "fffff803`59e0b2d0 nt!DbgBreakPointWithStatus (<no parameter info>)"
    assert to_text(SymbolList((symbol,), 8)) == line
    assert "7 more" in to_text(SymbolList((symbol,), 8, left_out=7))
    after = SymbolInfo(0xFFFFF803_59E0B2E0, "nt!DbgUserBreakPoint")
    assert to_text(NearestSymbols(symbol.address, 8, symbol, after, (symbol,))).split("\n") == [
        "(fffff803`59e0b2d0)   nt!DbgBreakPointWithStatus   |  (fffff803`59e0b2e0)   nt!DbgUserBreakPoint",
        "Exact matches:",
        "    nt!DbgBreakPointWithStatus (<no parameter info>)",
    ]


def test_numbers() -> None:
    assert to_text(Evaluation(0xFFFFF805_2E345090, 8)) == "Evaluate expression: -8773843005296 = fffff805`2e345090"
    assert to_text(Evaluation(16, 4)) == "Evaluate expression: 16 = 00000010"
    assert to_text(MsrValue(0xC0000082, 0xFFFFF803_59E0F180)) == "msr[c0000082] = fffff803`59e0f180"


def test_formats_of_a_number() -> None:
    assert to_text(Formats(0x4D5A, 8)).split("\n") == [
        "Evaluate expression:",
        "  Hex:     00000000`00004d5a",
        "  Decimal: 19802",
        "  Decimal (unsigned) : 19802",
        "  Octal:   0000000000000000046532",
        "  Binary:  00000000 00000000 00000000 00000000 00000000 00000000 01001101 01011010",
        "  Chars:   ......MZ",
        "  Time:    Thu Jan  1 05:30:02 1970",
        "  Float:   low 2.77485e-041 high 0",
        "  Double:  9.78349e-320",
    ]
    assert "  Time:    ***** Invalid FILETIME" in to_text(Formats((1 << 64) - 1, 8))


def test_the_target() -> None:
    value = TargetInfo("amd64", 15, 19041, 6, 2, True, NT, 0xFFFFF803_5A62A2D0, 0, 8, "19041.1.amd64fre")
    assert to_text(value).split("\n") == [
        "Windows 10 Kernel Version 19041 MP (2 procs) Free x64",
        "Built by: 19041.1.amd64fre",
        "Kernel base = 0xfffff803`59a00000 PsLoadedModuleList = 0xfffff803`5a62a2d0",
    ]


def test_stops() -> None:
    here = {"symbol": "nt!DbgBreakPointWithStatus", "instruction": INT3}
    place = "nt!DbgBreakPointWithStatus:\nfffff803`59e0b2d0 cc              int     3"
    event = "Break instruction exception - code 80000003 (first chance)"
    assert to_text(Stop("break", 0, INT3.address, 0x80000003, **here)) == f"{event}\n{place}"
    hit = Stop("breakpoint", 0, INT3.address, 0x80000003, breakpoints=(0,), **here)
    assert to_text(hit) == f"Breakpoint 0 hit\n{place}"
    assert to_text(Stop("step", 0, INT3.address, 0x80000004, **here)) == place
    second = Stop("exception", 0, INT3.address, 0xC0000005, first_chance=False, **here)
    assert to_text(second).startswith("Access violation - code c0000005 (!!! second chance !!!)\n")


def test_crash_data() -> None:
    value = BugCheck(0xD1, (0xFFFFD28F_6C0B5C08, 2, 0, 0xFFFFF801_0BF91A3D), 8)
    assert to_text(value) == (
        "Bugcheck code 000000D1\nArguments ffffd28f`6c0b5c08 00000000`00000002 00000000`00000000 fffff801`0bf91a3d"
    )
    record = ExceptionInfo(0xFFFFF801_0BF91A3D, 0xC0000005, 0, (0, (1 << 64) - 1), 8, "Echo!R+0x1d", "Access violation")
    assert to_text(record).split("\n") == [
        "ExceptionAddress: fffff8010bf91a3d (Echo!R+0x1d)",
        "   ExceptionCode: c0000005 (Access violation)",
        "  ExceptionFlags: 00000000",
        "NumberParameters: 2",
        "   Parameter[0]: 0000000000000000",
        "   Parameter[1]: ffffffffffffffff",
        "Attempt to read from address ffffffffffffffff",
    ]


def test_text_of_a_target_cant_steer_the_terminal() -> None:
    assert to_text(DebugPrint("a\x1b[2Jb\u202ec\r\n")) == "a.[2Jb.c"
    assert to_text(Text("")) == ""


def test_a_notebook_gets_a_bounded_text_and_a_shell_all_of_it() -> None:
    value = MemoryDump("db", NT, bytes(1 << 20), 1 << 20, 1, 16, 8, ascii=True)
    shown = present(value)["text/plain"].split("\n")
    assert len(shown) == LINE_LIMIT + 1
    assert shown[-1] == f"... {65536 - LINE_LIMIT} more lines (of 65536)"
    assert len(to_text(value).split("\n")) == 65536
    assert repr(value) == present(value)["text/plain"]


def test_the_last_event_tells_when_the_stop_was_heard() -> None:
    stop = Stop("break", 0, 0x1000, code=0x80000003, time_ns=1_795_168_985_123_456_789)
    assert to_text(LastEvent(stop)).splitlines() == [
        "Last event: Break instruction exception - code 80000003 (first chance)",
        "  debugger time: Fri Nov 20 10:03:05.123 2026 (UTC + 0:00)",
    ]
    assert to_text(LastEvent(Stop("load", 0, 0x1000, details="Loaded echo.sys"))) == "Last event: Loaded echo.sys"
