"""A session with the simulated x86 machine, as somebody types it: `kdnb exec sim:arch=x86`."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

TIMEOUT = 60.0
COMMANDS = (
    "vertarget", "lm", "r", "k", "u . L2", "db nt L10", "x nt!NtCreateFile", "bp nt!NtCreateFile", "g", "k", "t", "p",
    "bd *", "gu", "bc *", "dd @esp L4", "? nt!NtCreateFile", "!irql", "rM 80", "dg 8", "r cr0",
    "ba w4 nt!KeTickCount", "g", "rdmsr 176", "dt nt!_KPCR SelfPcr Irql", "~1s", "r eip",
)  # fmt: skip


@pytest.fixture(scope="module")
def output() -> dict[str, list[str]]:
    """What each command printed; the second of two equal ones has a 2 behind it."""
    command = [sys.executable, "-m", "kdnb", "exec", "sim:arch=x86", "-c", "; ".join(COMMANDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in done.stdout.splitlines():
        if echo := re.match(r"\d: kd> (.*)", line):
            name = echo[1] if echo[1] not in found else f"{echo[1]} 2"
            lines = found[name] = []
        else:
            lines.append(line)
    return found


def functions(stack: list[str]) -> list[str]:
    """Names of a stack's functions, without offsets and source lines."""
    return [re.split(r"[+ ]", row.split(maxsplit=2)[2])[0] for row in stack[1:]]


def test_addresses_have_eight_digits(output: dict[str, list[str]]) -> None:
    assert "x86 compatible" in output["vertarget"][0]
    assert output["lm"][0] == "start    end        module name"
    assert re.match(r"80400000 804[0-9a-f]{5}   nt  ", output["lm"][1])
    assert output["db nt L10"] == ["80400000  4d 5a 78 00 01 00 00 00-04 00 00 00 00 00 00 00  MZx............."]
    assert re.fullmatch(r"[0-9a-f]{8}  ([0-9a-f]{8} ?){4}", output["dd @esp L4"][0])
    assert re.fullmatch(r"Evaluate expression: -\d+ = 804[0-9a-f]{5}", output["? nt!NtCreateFile"][0])
    assert output["u . L2"][1].split() == [output["u . L2"][1].split()[0], "cc", "int", "3"]


def test_registers_come_in_the_x86_layout(output: dict[str, list[str]]) -> None:
    general, special, segments, symbol, code = output["r"]
    assert re.fullmatch(r"eax=00000001 ebx=\w{8} ecx=\w{8} edx=\w{8} esi=\w{8} edi=\w{8}", general)
    assert re.fullmatch(r"eip=\w{8} esp=\w{8} ebp=\w{8} iopl=0         nv up di pl \w\w \w\w \w\w \w\w", special)
    assert re.fullmatch(r"cs=0008  ss=0010  ds=0023  es=0023  fs=0030  gs=0000             efl=0000\w{4}", segments)
    assert symbol == "nt!RtlpBreakWithStatusInstruction:"
    assert code.split()[1:] == ["cc", "int", "3"]
    assert re.fullmatch(r"cr0=80010033 cr2=\w{8} cr3=\w{8}", output["rM 80"][0])
    assert output["r cr0"] == ["cr0=80010033"]
    assert output["dg 8"][-1].startswith("0008 00000000 ffffffff Code RE Ac 0")


def test_the_stack_goes_through_the_clock_interrupt_to_the_idle_loop(output: dict[str, list[str]]) -> None:
    assert output["k"][0] == "ChildEBP RetAddr"
    assert functions(output["k"]) == [
        f"nt!{name}" for name in (
            "RtlpBreakWithStatusInstruction", "KdCheckForDebugBreak", "KeClockInterruptNotify", "KiClockInterrupt",
            "HalProcessorIdle", "PoIdle", "KiIdleLoop", "KiInitializeKernel", "KiSystemStartup",
        )
    ]  # fmt: skip


def test_a_breakpoint_hits_under_its_undecorated_name(output: dict[str, list[str]]) -> None:
    assert re.match(r"804\w{5} +nt!NtCreateFile", output["x nt!NtCreateFile"][0])
    assert output["g"][:2] == ["Breakpoint 0 hit", "nt!NtCreateFile:"]
    names = [name.removeprefix("nt!") for name in functions(output["k 2"])]
    assert names[:4] == ["NtCreateFile", "KiSystemServicePostCall", "ZwCreateFile", "PspOpen"]
    assert names[-2:] == ["PspSystemThreadStartup", "KiStartSystemThread"]


def test_steps_go_instruction_by_instruction_and_out_to_the_caller(output: dict[str, list[str]]) -> None:
    assert output["t"][0] == "nt!NtCreateFile+0x1:"
    assert output["p"][0] == "nt!NtCreateFile+0x3:"
    assert output["gu"][0] == "nt!KiSystemServicePostCall:"


def test_a_data_breakpoint_stops_in_the_clock(output: dict[str, list[str]]) -> None:
    assert output["g 2"][0] == "Breakpoint 0 hit"
    assert output["g 2"][1].startswith("nt!KeUpdateSystemTime+")


def test_processor_and_types_are_those_of_x86(output: dict[str, list[str]]) -> None:
    assert re.fullmatch(r"Debugger saved IRQL for processor 0x\d -- 0 \(LOW_LEVEL\)", output["!irql"][0])
    assert re.fullmatch(r"msr\[176\] = 00000000`804\w{5}", output["rdmsr 176"][0])
    assert [line.split()[0] for line in output["dt nt!_KPCR SelfPcr Irql"]] == ["+0x01c", "+0x024"]
    assert re.fullmatch(r"eip=80\w{6}", output["r eip"][0])
