from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.debugger.unwind import unwind
from kdnb.debugger.unwind_x64 import unwind_x64
from kdnb.protocol.constants import MachineType
from kdnb.symbols.pdb import PdbFile
from tests.debugger.emulated import BASE, NONVOLATILE, Caller, Program
from tests.debugger.explored import X64, Explored
from tests.debugger.flat_memory import STACK, HandMadeModule, walk
from tests.debugger.guest_steps import SteppedGuest
from tests.symbols.build import build

if TYPE_CHECKING:
    from kdnb.symbols.pe import PeImage
    from tests.windows_files import WindowsFiles

PROGRAMS = Path(__file__).parent / "unwind_programs"


@pytest.mark.external("clang", "lld-link")
@pytest.mark.parametrize("options", ["-O0", "-O2", "-O2 -fno-omit-frame-pointer"])
def test_every_instruction_of_a_program_unwinds_to_the_true_chain(tmp_path: Path, options: str) -> None:
    """Return addresses, stack pointers and all nonvolatile registers of every caller, at each executed instruction."""
    built = build(tmp_path, [PROGRAMS / "calls.c", PROGRAMS / "frames.s"], *options.split())
    program = Program(built.image.read_bytes())
    symbols = {public.name: BASE + public.rva for public in PdbFile.open(built.pdb).publics()}
    depths: list[int] = []
    visited: set[int] = set()
    traps = 0

    def check(registers: dict[str, int], chain: list[Caller]) -> None:
        nonlocal traps
        frames, note = unwind(registers, MachineType.AMD64, program, program)
        callers = chain[::-1]
        where = f"at {registers['rip'] - BASE:#x}"
        assert [frame.return_address for frame in frames] == [caller.rip for caller in callers], where
        assert note is None
        for frame, below, caller in zip(frames[1:], frames, callers, strict=False):
            for name in NONVOLATILE:
                assert frame.registers[name] == caller.registers[name], f"{name} {where}"
            assert frame.exact == caller.is_trap == (below.trap_frame is not None)
            traps += caller.is_trap
        depths.append(len(frames))
        visited.add(registers["rip"])

    program.run(symbols["Entry"], symbols, check)
    assert max(depths) >= 9
    assert traps > 30
    functions = {program.image.function_table.lookup(address - BASE) for address in visited} - {None}
    assert len(functions) == len(program.image.function_table)  # each function was really run


@pytest.mark.parametrize(("scenario", "count"), [("syscalls", 400), ("bugcheck", 200)])
def test_every_step_of_the_guest_kernel_unwinds_to_the_start_of_its_thread(scenario: str, count: int) -> None:
    """Through C, assembly stubs, clock interrupts, page faults and service calls."""
    guest = SteppedGuest(scenario)
    seen: set[str] = set()
    for registers in guest.steps(count):
        frames, note = unwind(registers, MachineType.AMD64, guest.memory, guest)
        names = [guest.name(frame.lookup_address) for frame in frames]
        assert note is None, names
        assert not any(frame.warning for frame in frames), names
        assert names[-1] in ("KiStartSystemThread", "KiSystemStartup", "RtlUserThreadStart"), names
        seen.update(names)
    assert len(seen) > 8
    if scenario == "bugcheck":
        assert {"KeBugCheckEx", "KiPageFault"} <= seen


def test_a_processor_frame_gives_an_exact_address_and_may_change_to_a_lower_stack() -> None:
    module = HandMadeModule()
    module.function(0x1000, 0x1100, bytes([1, 0, 1, 0, 0, 0x0A, 0, 0]))
    module.push(module.base + 0x1800, 0x10, 0x202, STACK - 0x800, 0x18)
    frames, note = walk(module, module.base + 0x1050)
    assert frames[0].trap_frame == STACK - 0x168  # KTRAP_FRAME ends with what the processor pushed
    assert frames[1].exact
    assert frames[1].child_sp == STACK - 0x800
    assert frames[1].lookup_address == module.base + 0x1800
    assert note is None


def test_the_byte_before_a_return_address_decides_about_its_function() -> None:
    module = HandMadeModule()
    module.function(0x1000, 0x1020, bytes([1, 4, 1, 0, 4, 0x02, 0, 0]))  # 8 bytes allocated
    module.function(0x1020, 0x1040, bytes([1, 4, 1, 0, 4, 0xF2, 0, 0]))  # 128 bytes allocated
    module.push(module.base + 0x1020, 0, 0)
    frames, note = walk(module, module.base + 0x1800)
    assert len(frames) == 2
    assert frames[1].function is not None
    assert frames[1].function.begin == 0x1000
    assert note is None


@pytest.mark.parametrize(
    ("code", "pops"),
    [
        (b"\x48\x83\xc4\x20\x5b\xc3", True),
        (b"\x5b\xc3", True),
        (b"\x5b\xc2\x08\x00", True),
        (b"\x5b\xf3\xc3", True),
        (b"\x5b\xe9\x00\x10\x00\x00", True),
        (b"\x5b\x48\xff\xe0", True),
        (b"\x5b\xff\x25\x00\x00\x00\x00", True),
        (b"\x5b\xeb\x10", False),  # stays in the function
        (b"\x5b\xff\xe0", False),  # a jump table
        (b"\x5b\x90\xc3", False),
        (b"\x48\x83\xc4", False),  # cut short by the end of memory
    ],
)
def test_only_legal_instructions_make_an_epilog(code: bytes, pops: bool) -> None:
    module = HandMadeModule()
    module.function(0x1000, 0x1100, bytes([1, 5, 2, 0, 5, 0x32, 1, 0x30]))  # push rbx; sub rsp, 0x20
    module.memory.write(module.base + 0x1050, code)
    adjusts = code[:1] == b"\x48" and pops
    inside = [1, 2, 3, 4] if adjusts or not pops else []
    module.push(*inside, 0xB0B, 0)
    frames, note = walk(module, module.base + 0x1050)
    assert frames[0].return_address == 0
    assert note is None


def test_damaged_unwind_data_end_the_walk_with_a_note() -> None:
    module = HandMadeModule()
    module.function(0x1000, 0x1100, bytes([7, 4, 1, 0, 4, 0x02, 0, 0]))
    frames, note = walk(module, module.base + 0x1050)
    assert len(frames) == 1
    assert "version 7" in (note or "")


def test_records_chained_to_themselves_end_the_walk() -> None:
    module = HandMadeModule()
    info = module.function(0x1000, 0x1100, bytes([0x21, 0, 0, 0]) + bytes(12))
    module.memory.write(module.base + info + 4, module.entry(0x1000, 0x1100, info))
    frames, note = walk(module, module.base + 0x1050)
    assert len(frames) == 1
    assert "chained without end" in (note or "")


@given(st.binary(min_size=4, max_size=64), st.binary(max_size=64), st.integers(0, 0xFF), st.integers(0, 2**64 - 1))
def test_no_unwind_data_or_stack_contents_raise_or_run_on(info: bytes, stack: bytes, offset: int, rbp: int) -> None:
    module = HandMadeModule()
    module.function(0x1000, 0x1100, info)
    module.memory.write(STACK, stack)
    frames, _ = walk(module, module.base + 0x1000 + offset, rbp=rbp)
    assert 1 <= len(frames) <= 256


def _parts(image: PeImage) -> dict[int, tuple[int, list[tuple[int, int]]]]:
    """Entry -> bytes of the prolog, and the ranges of all parts, of each function."""
    found: dict[int, tuple[int, list[tuple[int, int]]]] = {}
    for part in image.function_table:
        function = image.function_table.resolve(part)
        info = image.unwind_info(function.unwind)
        while info.chained is not None:
            function = image.function_table.resolve(info.chained)
            info = image.unwind_info(function.unwind)
        found.setdefault(function.begin, (info.prolog_size, []))[1].append((part.begin, part.end))
    return found


_JUMPS_AWAY = {"vcruntime140.dll": {0x11CA0}}
"""longjmp loads the registers of another function."""


@pytest.mark.parametrize(
    ("name", "count"), [("attach_amd64.dll", 50), ("inject_dll_amd64.exe", 100), ("vcruntime140.dll", 60)]
)
def test_every_instruction_of_functions_by_msvc_unwinds_to_the_caller(
    msvc: WindowsFiles, name: str, count: int
) -> None:
    """Prologs, bodies, epilogs of both versions, parts elsewhere, dynamic frames, funclets."""
    program = Explored(X64, msvc.data(name))
    functions = sorted(_parts(program.image).items())
    wrong = []
    for entry, (prolog, ranges) in functions[:: len(functions) // count + 1]:
        if entry in _JUMPS_AWAY.get(name, ()):
            continue
        for place in program.ways(entry, ranges, prolog):
            step = unwind_x64(place.registers, program, program.image, program.base, place.exact)
            found = {register: step.registers[register] for register in place.caller}
            if found != place.caller:
                wrong.append(f"{place.rva:#x} {'at' if place.exact else 'behind a call'}")
    assert wrong == []
    assert len(program.met) > 1500
