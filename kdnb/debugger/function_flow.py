"""All code of a function: by following its jumps, inside the bounds that unwind data or frame records give.

Jump tables are followed and left out; code that nothing known leads to is found by the bounds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.debugger.jump_tables import ENTRY_SIZE, jump_table, table_targets
from kdnb.errors import MemoryReadError, SymbolFileError, UsageError
from kdnb.protocol.constants import MachineType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.modules import Module
    from kdnb.debugger.session import Session
    from kdnb.results.disassembly import Instruction

__all__ = ["function_blocks"]

MOST_INSTRUCTIONS = 0x8000
_PIECE = 16
_FAR = 0x10000
"""Without bounds a jump farther than this leaves the function."""
_MAX_CHAIN = 32
_UNCONDITIONAL = ("jmp", "b", "br", "braa", "brab")
_ENDS = ("int 3", "ud2", "iretq", "iretd", "hlt", "sysret", "eret", "brk")
_PADDING = (b"\xcc", b"\x90", b"\x66\x90", b"\x00\x00\x00\x00", b"\x1f\x20\x03\xd5")


def function_blocks(session: Session, address: int) -> tuple[tuple[Instruction, ...], ...]:
    """The basic blocks of the function around `address`, in address order; the first instruction of each is labelled.

    Raises `UsageError` where no code can be read.
    """
    flow = _Flow(session, address)
    code = flow.follow()
    if not code:
        raise UsageError("No code found, aborting", "u ADDRESS L COUNT shows whatever lies there")
    blocks: list[list[Instruction]] = []
    behind = None
    for at in sorted(code):
        instruction = code[at]
        if at in flow.leaders or at != behind or not blocks:
            label = session.symbols.name_at(at) or ""
            blocks.append([replace(instruction, label=label)])
        else:
            blocks[-1].append(instruction)
        behind = at + instruction.size
    return tuple(map(tuple, blocks))


class _Flow:
    def __init__(self, session: Session, address: int) -> None:
        self._session = session
        self._module = session.modules.find(address)
        self._start, self._bounds = _bounds(session, self._module, address)
        self.leaders: set[int] = set()
        self._tables: dict[int, int] = {}
        """Beginning and end of the jump tables."""
        self._maps: set[int] = set()
        """Beginnings of tables of bytes, whose length nothing tells: they end where something else begins."""
        self._jumps_far = False
        """Whether there is a jump through a register or memory, as `switch` needs it."""

    def follow(self) -> dict[int, Instruction]:
        """Address -> instruction, for all that is reached."""
        code: dict[int, Instruction] = {}
        self._run([self._start], code)
        for begin, end in self._bounds:  # grows while parts are met
            self._fill(begin, end, code)
        return code

    def _run(self, waiting: list[int], code: dict[int, Instruction]) -> None:
        while waiting and len(code) < MOST_INSTRUCTIONS:
            at = waiting.pop()
            self.leaders.add(at)
            for instruction in self._straight(at):
                if instruction.address in code or not instruction.data or self._is_table(instruction.address):
                    break
                code[instruction.address] = instruction
                waiting += self._switch(instruction, code)
                if instruction.is_jump and not instruction.is_call:
                    waiting += self._ways_on(instruction)
                    break
                if instruction.is_return or f"{instruction.mnemonic} {instruction.operands}".startswith(_ENDS):
                    break

    def _straight(self, at: int) -> Iterator[Instruction]:
        """Instructions one after the other, as long as they lie in the function."""
        while True:
            self._session.require_stopped()
            for instruction in self._session.disassemble(at, _PIECE):
                if self._bounds and not self._inside(instruction.address):
                    return
                yield instruction
                at = instruction.address + max(instruction.size, 1)
                if not instruction.data:
                    return

    def _ways_on(self, jump: Instruction) -> Iterator[int]:
        if jump.target is not None and self._inside(jump.target):
            yield jump.target
        if jump.mnemonic not in _UNCONDITIONAL:
            yield jump.address + jump.size

    def _switch(self, instruction: Instruction, code: dict[int, Instruction]) -> list[int]:
        """Where the jump table that an instruction reads from leads to."""
        self._jumps_far |= instruction.is_jump and instruction.target is None
        module = self._module
        table = jump_table(instruction, self._session.machine, module.base) if module is not None else None
        if module is None or table is None or table.address not in module:
            return []
        if table.is_map:
            self._maps.add(table.address)
            return []
        targets = table_targets(table, self._session.memory.read_available, self._inside, code.__contains__)
        if targets:
            self._tables[table.address] = table.address + ENTRY_SIZE * len(targets)
        return targets

    def _is_table(self, address: int) -> bool:
        return any(begin <= address < end for begin, end in self._tables.items())

    def _behind_data(self, at: int, end: int, code: dict[int, Instruction]) -> int | None:
        """The end of the table at `at`; None where there is none."""
        if at in self._tables:
            return self._tables[at]
        if at not in self._maps or not self._jumps_far:
            return None
        starts = (begin for begin in (*self._tables, *self._maps, *code) if at < begin < end)
        return min(starts, default=end)

    def _inside(self, address: int) -> bool:
        """Whether an address belongs to the function; parts elsewhere are taken in when they are met."""
        if not self._bounds:
            return abs(address - self._start) < _FAR and not self._is_other_symbol(address)
        if any(begin <= address < end for begin, end in self._bounds):
            return True
        part = _part(self._module, address, self._start)
        if part is not None:
            self._bounds.append(part)
        return part is not None

    def _is_other_symbol(self, address: int) -> bool:
        nearest = self._session.symbols.nearest(address)
        return nearest is None or (nearest.displacement == 0 and bool(nearest.name) and address != self._start)

    def _fill(self, begin: int, end: int, code: dict[int, Instruction]) -> None:
        """What jumps didn't reach inside the bounds, if anything but padding."""
        at = begin
        while at < end and len(code) < MOST_INSTRUCTIONS:
            if at in code:
                at += code[at].size
                continue
            if (behind := self._behind_data(at, end, code)) is not None:
                at = behind
                continue
            (instruction,) = self._session.disassemble(at, 1)
            if not instruction.data:
                return
            if instruction.mnemonic in ("nop", "int", "???") or instruction.data in _PADDING:
                at += instruction.size
            else:
                self._run([at], code)


def _bounds(session: Session, module: Module | None, address: int) -> tuple[int, list[tuple[int, int]]]:
    """Where the function around `address` begins, and its ranges as far as they are recorded."""
    if module is None:
        return address, []
    rva = address - module.base
    try:
        image = module.image
        found = None
        if session.machine == MachineType.I386:
            table = module.frame_table
            found = table.function_at(rva) if table is not None else None
        elif image is not None:
            found = image.function_at(rva)
            primary = _primary(module, rva)
            if primary is not None and found is not None and primary != found:
                base = module.base
                return base + primary[0], [(base + begin, base + end) for begin, end in (primary, found)]
    except (SymbolFileError, MemoryReadError):
        found = None
    if found is not None:
        return module.base + found[0], [(module.base + found[0], module.base + found[1])]
    nearest = session.symbols.nearest(address)
    start = address - nearest.displacement if nearest is not None and nearest.name else address
    return (start if address - start < _FAR else address), []


def _primary(module: Module, rva: int) -> tuple[int, int] | None:
    """x64: the entry that stands for the whole function of a fragment."""
    image = module.image
    function = image.function_table.lookup(rva) if image is not None else None
    for _ in range(_MAX_CHAIN):
        if image is None or function is None:
            return None
        function = image.function_table.resolve(function)
        chained = image.unwind_info(function.unwind).chained
        if chained is None:
            return function.begin, function.end
        function = chained
    return None


def _part(module: Module | None, address: int, start: int) -> tuple[int, int] | None:
    """The fragment around `address` if it belongs to the function at `start`."""
    if module is None or address not in module or module.image is None:
        return None
    try:
        primary = _primary(module, address - module.base)
        found = module.image.function_at(address - module.base)
    except (SymbolFileError, MemoryReadError):
        return None
    if primary is None or found is None or module.base + primary[0] != start:
        return None
    return module.base + found[0], module.base + found[1]
