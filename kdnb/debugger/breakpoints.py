"""The breakpoint table: WinDbg's numbers, and what is in the target while it runs.

Software breakpoints are written when the target is resumed and taken out when it stops, so memory never shows them.
The target removes those that it reports by itself (measured on real targets), hence a free handle is no error.
Those at user addresses go another way (`user_breakpoints`).
Hardware breakpoints lie in KernelDr0-3 of every processor; which are active says Dr7 in Continue2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdnb.debugger.user_breakpoints import UserBreakpoints
from kdnb.errors import (
    ExpressionError,
    KdnbError,
    MemoryWriteError,
    RequestFailed,
    UnknownNameError,
    UnsupportedError,
    UsageError,
)
from kdnb.protocol.constants import MAX_BREAKPOINTS
from kdnb.protocol.context.registers import with_registers
from kdnb.results.breakpoints import BreakpointInfo, BreakpointList
from kdnb.results.events import DebugPrint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kdnb.debugger.session import Session
    from kdnb.results.events import Stop

__all__ = ["Breakpoint", "BreakpointTable"]

HARDWARE_SLOTS = 4
INT3 = 0xCC
NO_HARDWARE = 0x400
"""Dr7 without breakpoints: bit 10 is always set."""
_ACCESS = {"e": 0, "w": 1, "i": 2, "r": 3}
_LENGTH = {1: 0, 2: 1, 4: 3, 8: 2}


@dataclass(slots=True)
class Breakpoint:
    """One breakpoint. `address` is None while its name can't be resolved."""

    number: int
    kind: str
    """`software`, or `e`, `r`, `w`, `i` for a processor breakpoint."""
    address: int | None
    expression: str = ""
    size: int = 1
    enabled: bool = True
    symbolic: bool = False
    passes: int = 1
    remaining: int = 1
    command: str = ""
    one_shot: bool = False
    process: int | None = None
    thread: int | None = None
    when: Callable[[Stop], object] | None = None
    """Called at a hit; the target runs on where it gives a false value."""
    accept: Callable[[], bool] | None = None
    """Only temporary ones: whether this hit is the one that was meant."""
    hits: int = 0
    message: str = ""
    max_depth: int | None = None
    """Only where fewer frames than these are on the stack (`/c`)."""
    min_depth: int | None = None
    """Only where more frames than these are on the stack (`/C`)."""
    space: int | None = None
    """EPROCESS in whose memory it lies; None for what lies in the kernel's, the same in all."""

    @property
    def is_hardware(self) -> bool:
        return self.kind != "software"


class BreakpointTable:
    """The breakpoints of a session. Iterates in order of number; temporary ones don't show."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._breakpoints: dict[int, Breakpoint] = {}
        self._temporary: list[Breakpoint] = []
        self._inserted: dict[int, int] = {}
        """Address -> handle of what is in the target."""
        self._user = UserBreakpoints(session)
        self._were_inserted: frozenset[int] = frozenset()
        """Addresses that were in the target when it stopped."""
        self._debug_registers: tuple[int, ...] = (0,) * HARDWARE_SLOTS
        self._dr7 = NO_HARDWARE
        self._slots: list[Breakpoint] = []

    def __iter__(self) -> Iterator[Breakpoint]:
        return iter([self._breakpoints[number] for number in sorted(self._breakpoints)])

    def __len__(self) -> int:
        return len(self._breakpoints)

    def __getitem__(self, number: int) -> Breakpoint:
        if number not in self._breakpoints:
            raise UnknownNameError(f"there is no breakpoint {number}", "bl lists them")
        return self._breakpoints[number]

    # --- the table ------------------------------------------------------------------------------

    def add(
        self,
        where: int | str,
        *,
        kind: str = "software",
        size: int = 1,
        number: int | None = None,
        symbolic: bool = False,
        passes: int = 1,
        command: str | None = None,
        one_shot: bool = False,
        process: int | None = None,
        thread: int | None = None,
        when: Callable[[Stop], object] | None = None,
        max_depth: int | None = None,
        min_depth: int | None = None,
    ) -> Breakpoint:
        """A new breakpoint, or the one at the same address redefined. An unknown name makes it deferred."""
        self._session.require_writable("a breakpoint would go into its code")
        text = where if isinstance(where, str) else f"{where:#x}"
        address, message = self._resolve(where, symbolic=symbolic)
        self._check(kind, size, address)
        same = self._at(address, kind) if number is None else None
        if same is not None:
            number, message = same.number, f"breakpoint {same.number} redefined"
        number = self._free_number() if number is None else number
        if passes < 0 or not (when is None or callable(when)):
            raise UsageError("passes is a number from 0 on, when a function of the stop")
        count = max(passes, 1)
        breakpoint = Breakpoint(
            number, kind, address, text, size, True, symbolic or address is None, count, count, command or "",
            one_shot, process, thread, when, message=message, max_depth=max_depth, min_depth=min_depth,
            space=self._space(address, process),
        )  # fmt: skip
        others = [b for b in self._breakpoints.values() if b.number != number]
        if kind == "software" and sum(not b.is_hardware for b in others) >= MAX_BREAKPOINTS:
            raise UsageError(f"a target takes {MAX_BREAKPOINTS} software breakpoints", "clear one: bc")
        if kind != "software" and sum(b.is_hardware and b.enabled for b in others) >= HARDWARE_SLOTS:
            raise UsageError(f"the processor has {HARDWARE_SLOTS} hardware breakpoints", "clear or disable one: bc, bd")
        self._breakpoints[number] = breakpoint
        return breakpoint

    def _resolve(self, where: int | str, *, symbolic: bool) -> tuple[int | None, str]:
        if isinstance(where, int):
            return where & self._session.address_mask, ""
        try:
            address = self._session.evaluate(where) & self._session.address_mask
            if self._is_gone(address) and (symbolic or _is_name(where)):
                return None, f"'{where}' lies in a module that was unloaded, adding deferred bp"
            return address, ""
        except ExpressionError:
            # Numbers and names with operators around them can't come true later; a plain name can.
            if not symbolic and not _is_name(where):
                raise
            return None, f"Bp expression '{where}' could not be resolved, adding deferred bp"

    def _is_gone(self, address: int) -> bool:
        """Whether it lies in an image that was unloaded: there is nothing to write a breakpoint to."""
        module = self._session.modules.find(address)
        return module is not None and module.is_unloaded

    def _space(self, address: int | None, process: int | None = None) -> int | None:
        """The process that a user address means: the one given, or the one that is seen."""
        if address is None or not self._session.address_space.is_user(address):
            return None
        try:
            return process or self._session.address_space.seen()
        except KdnbError:
            return None

    def _check(self, kind: str, size: int, address: int | None) -> None:
        if kind == "software":
            return
        if kind not in _ACCESS or size not in _LENGTH or (size == 8 and self._session.pointer_size == 4):
            raise UsageError(f"no hardware breakpoint of kind {kind!r} and size {size}", "e, r, w or i; 1, 2, 4 or 8")
        if kind == "e" and size != 1:
            raise UsageError("an execution breakpoint has size 1", "ba e1 ADDRESS")
        if address is not None and address % size:
            raise UsageError(f"{address:#x} is not aligned to {size} bytes", "a data breakpoint must be")

    def _at(self, address: int | None, kind: str) -> Breakpoint | None:
        if address is None:
            return None
        return next((b for b in self if b.address == address and b.kind == kind), None)

    def _free_number(self) -> int:
        return next(number for number in range(len(self._breakpoints) + 1) if number not in self._breakpoints)

    def remove(self, numbers: Iterable[int] | int) -> None:
        for number in _numbers(numbers):
            self[number]
            del self._breakpoints[number]

    def enable(self, numbers: Iterable[int] | int, *, enabled: bool = True) -> None:
        for number in _numbers(numbers):
            self[number].enabled = enabled

    def disable(self, numbers: Iterable[int] | int) -> None:
        self.enable(numbers, enabled=False)

    def renumber(self, old: int, new: int) -> None:
        """Give a breakpoint another number (`br`)."""
        breakpoint = self[old]
        if new in self._breakpoints and new != old:
            raise UsageError(f"there is a breakpoint {new} already", "bl lists them")
        del self._breakpoints[old]
        breakpoint.number = new
        self._breakpoints[new] = breakpoint

    def resolve_deferred(self) -> None:
        """A module came or went: names may mean something now, or no longer."""
        for breakpoint in self:
            if breakpoint.symbolic:
                try:
                    address: int | None = self._session.evaluate(breakpoint.expression) & self._session.address_mask
                except KdnbError:
                    address = None
                if address is not None and self._is_gone(address):
                    address = None
                if address is None and breakpoint.space is not None:
                    continue  # a name of a process that is not seen now
                breakpoint.address, breakpoint.space = address, self._space(address, breakpoint.process)

    def info(self, breakpoint: Breakpoint) -> BreakpointInfo:
        """A breakpoint as a value."""
        symbol = ""
        if breakpoint.address is not None and not self._session.is_running:
            symbol = self._session.symbols.format(breakpoint.address)
        return BreakpointInfo(
            number=breakpoint.number,
            kind=breakpoint.kind,
            address=breakpoint.address,
            expression=breakpoint.expression,
            enabled=breakpoint.enabled,
            symbolic=breakpoint.symbolic,
            size=breakpoint.size,
            passes=breakpoint.passes,
            remaining=breakpoint.remaining,
            command=breakpoint.command,
            symbol=symbol,
            one_shot=breakpoint.one_shot,
            process=breakpoint.process,
            thread=breakpoint.thread,
            hits=breakpoint.hits,
            message=breakpoint.message,
            max_depth=breakpoint.max_depth,
            min_depth=breakpoint.min_depth,
            address_size=self._session.pointer_size,
        )

    def listing(self) -> BreakpointList:
        """All of them, without what was said as each was set."""
        return BreakpointList(tuple(replace(self.info(b), message="") for b in self), self._session.pointer_size)

    # --- temporary ones -------------------------------------------------------------------------

    def add_temporary(self, address: int, accept: Callable[[], bool] | None = None) -> None:
        """A breakpoint for one command (`p` over a call, `gu`, `g ADDRESS`); gone at the next reported stop."""
        address &= self._session.address_mask
        self._temporary.append(Breakpoint(-1, "software", address, accept=accept, space=self._space(address)))

    def clear_temporary(self) -> None:
        self._temporary.clear()

    # --- in the target --------------------------------------------------------------------------

    def active(self) -> Iterator[Breakpoint]:
        """Every enabled breakpoint with an address, temporary ones last."""
        for breakpoint in (*self, *self._temporary):
            if breakpoint.enabled and breakpoint.address is not None:
                yield breakpoint

    def stops_execution_at(self, address: int) -> bool:
        """Whether resuming at `address` would run into a breakpoint of ours at once."""
        return any(b.address == address and b.kind in ("software", "e") for b in self.active())

    def insert(self, *, leave_out: int | None = None) -> int:
        """Write all active breakpoints into the target but those at `leave_out`; gives the Dr7 to continue with.

        Raises `RequestFailed` when the target refuses one; then none is left in it.
        """
        if self._session.options.get("breakpoint_batches"):
            self._insert_batch(leave_out)
        for breakpoint in self.active():
            address = breakpoint.address
            if breakpoint.is_hardware or address is None or address == leave_out or address in self._inserted:
                continue
            if address in self._user or (breakpoint.space is not None and self._insert_user(breakpoint, address)):
                continue
            try:
                self._inserted[address] = self._session.target.write_breakpoint(address)
            except RequestFailed as error:
                raise self._not_inserted(breakpoint, error) from error
        wanted = [b for b in self.active() if b.is_hardware][:HARDWARE_SLOTS]
        try:
            return self._arm_hardware(wanted, leave_out)
        except RequestFailed as error:
            if not wanted:
                raise
            raise self._not_inserted(wanted[-1], error) from error

    def _not_inserted(self, breakpoint: Breakpoint, error: RequestFailed) -> RequestFailed:
        """The error of a breakpoint that the target refuses; none is left in it."""
        self.lift()
        number = "temporary breakpoint" if breakpoint.number < 0 else f"breakpoint {breakpoint.number}"
        return RequestFailed(
            f"unable to insert {number} at {breakpoint.address or 0:#x}: {error.message}",
            f"disable or clear it: bd {max(breakpoint.number, 0)}",
            api=error.api,
            status=error.status,
        )

    def _insert_user(self, breakpoint: Breakpoint, address: int) -> bool:
        """Whether it is settled: written, or left out with a word because nobody could write it now."""
        assert breakpoint.space is not None
        try:
            if self._user.insert(address, breakpoint.space):
                return True
            reason = "its page is not in memory"
        except (MemoryWriteError, UnsupportedError) as error:
            reason = error.message
        if breakpoint.space == self._session.processes.current():
            return False  # the target can write it, or owe it until the page is there
        text = f"breakpoint {max(breakpoint.number, 0)} at {address:#x} is not set: {reason}\n"
        self._session.events.on_print.publish(DebugPrint(text, self._session.current_processor))
        return True

    def _insert_batch(self, leave_out: int | None) -> None:
        """All at once, where the user has chosen that; what is refused then is tried again one by one."""
        active = [b for b in self.active() if not b.is_hardware and b.space is None]
        places = [b.address for b in active if b.address not in (None, leave_out)]
        wanted = [place for place in dict.fromkeys(places) if place is not None and place not in self._inserted]
        try:
            handles = self._session.target.write_breakpoints(wanted) if len(wanted) > 1 else []
        except RequestFailed:
            return
        self._inserted.update({place: handle for place, handle in zip(wanted, handles, strict=False) if handle})

    def lift(self) -> None:
        """Take all software breakpoints out of the target; handles that it has freed itself are no error."""
        self._were_inserted = frozenset((*self._inserted, *self._user))
        self._user.lift()
        for handle in self._inserted.values():
            self._session.target.restore_breakpoint(handle)
        self._inserted.clear()

    def _arm_hardware(self, wanted: list[Breakpoint], leave_out: int | None) -> int:
        addresses = [b.address or 0 for b in wanted]
        registers = tuple(addresses + [0] * (HARDWARE_SLOTS - len(addresses)))
        self._slots = wanted
        if registers != self._debug_registers:
            self._write_debug_registers(registers)
        dr7 = NO_HARDWARE
        for slot, breakpoint in enumerate(wanted):
            if breakpoint.kind == "e" and breakpoint.address == leave_out:
                continue
            dr7 |= 1 << (2 * slot)  # the local enable bits are those that kernels look at
            dr7 |= (_ACCESS[breakpoint.kind] | _LENGTH[breakpoint.size] << 2) << (16 + 4 * slot)
        self._dr7 = dr7
        return dr7

    def _write_debug_registers(self, values: tuple[int, ...]) -> None:
        registers = self._session.registers
        for processor in range(self._session.processor_count):
            changes = {f"kernel_dr{slot}": value for slot, value in enumerate(values)}
            registers.write_special(processor, with_registers(registers.special(processor), changes))
        self._debug_registers = values

    def without_ours(self, address: int, code: bytes) -> bytes:
        """Code as the target reported it at this stop, without int3s of ours that it doesn't know of."""
        return self._user.original_code(address, code)

    def hits_at(self, address: int) -> list[Breakpoint]:
        """Software breakpoints that a breakpoint exception at `address` may mean; ask after `lift`."""
        if address not in self._were_inserted:
            return []
        return [b for b in self.active() if not b.is_hardware and b.address == address]

    def show_in(self, address: int, code: bytes) -> bool:
        """Whether `code`, which was read at `address` as the target stopped, may hold breakpoints of ours.

        Real targets take them out of what they report (1.8).
        """
        places = (place - address for place in self._were_inserted)
        return any(0 <= at < len(code) and code[at] == INT3 for at in places)

    def hits_of(self, dr6: int) -> list[Breakpoint]:
        """Hardware breakpoints that Dr6 names and that were armed."""
        armed = [self._dr7 >> (2 * slot) & 1 for slot in range(HARDWARE_SLOTS)]
        return [b for slot, b in enumerate(self._slots) if dr6 >> slot & 1 and armed[slot] and b.enabled]

    def clear_leftovers(self) -> None:
        """What an earlier debugger left in the target's table; each may fail (9.2)."""
        self._inserted.clear()
        self._user.forget()
        for handle in range(1, MAX_BREAKPOINTS + 1):
            self._session.target.restore_breakpoint(handle)

    def remove_all(self) -> None:
        """Before detaching: nothing of ours stays in the target."""
        self._breakpoints.clear()
        self._temporary.clear()
        self.lift()
        if any(self._debug_registers):
            self._write_debug_registers((0,) * HARDWARE_SLOTS)

    def target_restarted(self) -> None:
        """The target or its line has begun anew: nothing is known to be inserted, and names are looked up again."""
        self._were_inserted = frozenset(self._inserted)  # one that ran on without its line stops at what is in it
        self._inserted.clear()
        self._user.forget()
        self._temporary.clear()
        self._debug_registers = (0,) * HARDWARE_SLOTS
        self._slots = []
        for breakpoint in self._breakpoints.values():
            breakpoint.space = None
            if breakpoint.symbolic:
                breakpoint.address = None
            elif _is_name(breakpoint.expression):
                breakpoint.symbolic, breakpoint.address = True, None
            else:
                self._keep_place(breakpoint)

    def _keep_place(self, breakpoint: Breakpoint) -> None:
        """A number means nothing after a restart: what lay in a module follows it, another is disabled.

        To write a breakpoint at an address of the system before would damage whatever lies there now.
        """
        address = breakpoint.address
        module = self._session.modules.find(address) if address is not None else None
        if module is None or address is None:
            breakpoint.enabled = False
            breakpoint.message = "disabled: its address means nothing after the restart"
        else:
            breakpoint.expression = f"{module.name}+0x{address - module.base:x}"
            breakpoint.symbolic, breakpoint.address = True, None


def _numbers(numbers: Iterable[int] | int) -> list[int]:
    return [numbers] if isinstance(numbers, int) else list(numbers)


def _is_name(text: str) -> bool:
    """Whether an expression is a plain `name` or `module!name`, perhaps with an offset."""
    name = text.split("+", 1)[0].strip()
    return bool(name) and (name[0].isalpha() or name[0] in "_?$") and all(c.isalnum() or c in "_?$!@:~" for c in name)
