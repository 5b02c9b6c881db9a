"""One debugged target: its parts, its present stop, and the way from the target's events to them.

One thread at a time uses a session: the engine's, or one that it lends its place. Only `request_break` and
`request_cancel` may come from others.
Each noun has its own module (memory, registers, modules, symbols, breakpoints, execution); this one holds them
together and keeps the one fact that all share: whether the target is stopped, and by what.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from kdnb.debugger.address_space import AddressSpace
from kdnb.debugger.break_ins import BreakIns
from kdnb.debugger.breakpoints import BreakpointTable
from kdnb.debugger.calls import Calls
from kdnb.debugger.connecting import Connecting
from kdnb.debugger.debugger_data import DebuggerData
from kdnb.debugger.disassembly import disassemble, disassemble_before
from kdnb.debugger.environment import SessionEnvironment
from kdnb.debugger.events import Events
from kdnb.debugger.execution import Execution
from kdnb.debugger.expression import evaluate
from kdnb.debugger.filters import EventFilters
from kdnb.debugger.loader_list import clean
from kdnb.debugger.memory import MemoryCache
from kdnb.debugger.modules import ModuleTable
from kdnb.debugger.processes import Processes
from kdnb.debugger.registers import Registers
from kdnb.debugger.scope import Scope
from kdnb.debugger.stacks import walk
from kdnb.debugger.symbols import Symbols
from kdnb.errors import Cancelled, LinkError, ReadOnlyError, TargetRunningError, UnsupportedError, UsageError
from kdnb.protocol.constants import Api, ContinueStatus, MachineType
from kdnb.protocol.messages.execution import EmptyBody
from kdnb.protocol.messages.version import VersionBody
from kdnb.results.events import DebugPrint, LinkStateChange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kdnb.capture.log import PacketLog
    from kdnb.results.disassembly import Instruction
    from kdnb.results.events import Stop
    from kdnb.results.stack import Stack
    from kdnb.target.base import Change, Target
    from kdnb.target.files import FileServed

__all__ = ["Session"]

ALL_PROCESSORS = 0xFFFF
"""Processor that WinDbg puts into GetVersion (the protocol reference 3.1)."""


class Session:
    """A target and what is known about it. Use on the engine's thread only, or in a look."""

    previous_stop: Stop | None = None
    """The stop before the last one."""

    def __init__(
        self,
        target: Target,
        *,
        clock: Callable[[], float],
        log: PacketLog | None = None,
        run_commands: Callable[[Session, str], object] | None = None,
        symbol_path: str = "",
        read_only: bool = False,
        spec: str = "",
    ) -> None:
        self.target = target
        self.clock = clock
        self.log = log
        self.run_commands = run_commands
        """Runs the text of a breakpoint command; given by the layer above, which knows commands."""
        self.read_only = read_only
        self.spec = spec
        self.radix = 16
        self.variables: dict[str, int] = {}
        """`t0` ... `t19`, and what commands leave behind: `exp`, `p`."""
        self.positions: dict[str, int] = {}
        """Where `d*` and `u` without an address go on."""
        self.options: dict[str, object] = {}
        """Settings that commands keep for the session (output masks and the like)."""
        self.machine = MachineType.AMD64
        self.pointer_size: int = 8
        self.version: VersionBody | None = None
        self.change: Change | None = None
        """What the target said when it stopped; None while it runs."""
        self.stop: Stop | None = None
        """The present stop as a value; None while the target runs."""
        self.last_stop: Stop | None = None
        self.sequence = 0
        """Counts the stops that were reported."""
        self.current_processor, self.processor_count = 0, 1
        self.lost = ""
        """Why the link is gone; empty while it is there."""
        self.between_events: Callable[[], None] = lambda: None
        """Called now and then while the session waits for the target; the engine serves other callers in it."""
        self.filters: EventFilters = EventFilters()
        """What exceptions, image loads and other events do (`sx*`)."""
        self._cancel, self._break = threading.Event(), threading.Event()

        self.events: Events = Events()
        self.address_space: AddressSpace = AddressSpace(self)
        """Whose user memory is seen (`.process`)."""
        self.memory = MemoryCache(
            self.address_space.read, self.address_space.write, self.require_stopped, request_size=self._request_size
        )
        self.physical = MemoryCache(
            target.read_physical, target.write_physical, self.require_stopped, request_size=self._request_size
        )
        self.registers: Registers = Registers(self)
        self.scope: Scope = Scope(self)
        self.modules = ModuleTable(self)
        self.symbols = Symbols(self, symbol_path)
        self.breakpoints = BreakpointTable(self)
        self.break_ins: BreakIns = BreakIns(self)
        self.execution = Execution(self)
        self.connecting: Connecting = Connecting(self)
        self.processes: Processes = Processes(self)
        self.calls: Calls = Calls(self)
        self.environment = SessionEnvironment(self)
        self._debugger_data: DebuggerData | None = None
        target.files.told = self._file_asked

    # --- state ----------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        return self.change is None

    def require_stopped(self) -> None:
        """Raise unless requests can be made now."""
        if self._cancel.is_set():
            raise Cancelled("the command was stopped")
        if self.change is None:
            if self.lost:
                raise LinkError(f"the link is lost: {self.lost}", self.connecting.advice)
            raise TargetRunningError("the target is running", "break in first: kd.break_in(), or press Stop")

    def require_writable(self, what: str = "this would change the target") -> None:
        """Raise in a read-only session."""
        if self.read_only:
            raise ReadOnlyError(f"read-only session: {what}", "connect with read_only=False")

    def cancel_requested(self) -> bool:
        """Whether the user wants the present command to end. Long loops ask between their steps."""
        return self._cancel.is_set()

    def request_cancel(self) -> None:
        """End the present command, or break into the running target. From any thread."""
        if (self.change is None or self.execution.under_way) and not self.connecting.under_way:
            self.request_break()
        else:
            self.cancel()

    def cancel(self) -> None:
        """End the present command. From any thread."""
        self._cancel.set()
        self.target.wake()

    def clear_cancel(self) -> None:
        if self._cancel.is_set():
            self._cancel.clear()
        self.execution.clear_give_up()

    def request_break(self) -> None:
        """Stop the running target as soon as possible. From any thread: it goes around the queue."""
        reported = self.last_stop.sequence if self.last_stop is not None else 0
        if self.stop is None or self.stop.sequence != reported or self.execution.under_way:
            # Not while a reported stop lasts, unless the target is about to leave it.
            self._break.set()
            self.target.wake()

    @property
    def break_wanted(self) -> bool:
        return self._break.is_set()

    def clear_break(self) -> None:
        self._break.clear()

    @property
    def address_mask(self) -> int:
        return (1 << (8 * self.pointer_size)) - 1

    # --- coming and going -----------------------------------------------------------------------

    def connect(self, timeout: float, *, break_in: bool = True) -> Stop | None:
        """Get in touch and, with `break_in`, stop the target. Raises `ConnectError` at `timeout` seconds."""
        return self.connecting.connect(timeout, break_in=break_in)

    def reconnect(self, timeout: float) -> Stop | None:
        """Open the line anew, take the target over and stop it. Raises `ConnectError` at `timeout` seconds."""
        return self.connecting.reconnect(timeout)

    def pause(self, seconds: float) -> None:
        """Wait for a time that `request_cancel` ends. Raises `Cancelled` then."""
        if self._cancel.wait(seconds):
            raise Cancelled("the command was stopped")

    def activate(self) -> None:
        """What the first stop of a target starts: its version, a clean breakpoint table, its modules (9.1, 9.2)."""
        version = self.target.request(Api.GetVersion, EmptyBody(), processor=ALL_PROCESSORS).body
        if not isinstance(version, VersionBody):
            raise UnsupportedError("the target speaks the old 32-bit protocol", "Windows 2000 and later are supported")
        try:
            self.machine = MachineType(version.machine)
        except ValueError as error:
            raise UnsupportedError(f"machine type {version.machine:#x} is not known", "x64 and x86 are") from error
        self.version = version
        self.pointer_size = self.machine.pointer_size
        self.memory.pointer_size = self.pointer_size
        self.breakpoints.clear_leftovers()
        self.modules.reload()
        self.breakpoints.resolve_deferred()

    def forget(self) -> None:
        """The target began anew: nothing known about it holds any more; breakpoints wait for their modules."""
        self.version = None
        self._debugger_data = None
        self.calls.forget()
        self.breakpoints.target_restarted()
        self.modules.clear()
        self.drop_caches()

    def drop_caches(self) -> None:
        """What was read of the target is no longer true."""
        self.memory.invalidate()
        self.physical.invalidate()
        self.registers.invalidate()

    def left_stop(self) -> None:
        """The target is no longer stopped, or nobody knows."""
        self.drop_caches()
        self.change = self.stop = None

    def refresh(self) -> None:
        """Read everything anew at the present stop (`.reload`, `.cache flushall`)."""
        self.drop_caches()
        self.modules.reload()

    def detach(self) -> None:
        """Like `qd`: take all breakpoints out of the target and let it run."""
        if self.change is not None and not self.lost:
            self.clear_cancel()
            self.breakpoints.remove_all()
            self.execution.leave()
        self.events.on_state.publish(LinkStateChange("closed"))

    def _request_size(self) -> int:
        return self.target.request_size

    def _file_asked(self, file: FileServed) -> None:
        """The target asked for a file of this computer: said where one was given."""
        if file.path is not None:
            text = f"kdnb: the target reads {clean(file.name)} from {file.path.name} ({file.size} bytes)\n"
            self.events.on_print.publish(DebugPrint(text))

    # --- facts ----------------------------------------------------------------------------------

    @property
    def debugger_data(self) -> DebuggerData | None:
        """The KDBG block, read once; None where the target has none (yet)."""
        if self._debugger_data is None and self.version is not None:
            self._debugger_data = DebuggerData.find(self.memory, self.version, self.pointer_size)
        return self._debugger_data

    def switch_processor(self, processor: int) -> Stop:
        """Let another processor talk (`~Ns`)."""
        if not 0 <= processor < self.processor_count:
            raise UsageError(f"there is no processor {processor}", f"the target has 0 to {self.processor_count - 1}")
        return self.execution.switch_processor(processor)

    # --- running --------------------------------------------------------------------------------

    def go(
        self,
        status: int = ContinueStatus.DBG_CONTINUE,
        until: int | Sequence[int] | None = None,
        timeout: float | None = None,
        *,
        wait: bool = True,
    ) -> Stop | None:
        """Run. None when `timeout` seconds pass and the target still runs, or at once without `wait`."""
        return self.execution.go(status, until, timeout, wait=wait)

    def step(self, count: int = 1) -> Stop:
        """Execute one instruction `count` times, into calls; ends early at any other stop."""
        return self.execution.repeat(self.execution.step, count)

    def step_over(self, count: int = 1) -> Stop:
        """Like `step`, but calls and repeated string instructions are one step."""
        return self.execution.repeat(self.execution.step_over, count)

    def step_out(self) -> Stop:
        """Run until the present function has returned to its caller (`gu`)."""
        self.scope.reset()
        return self.execution.step_out()

    def break_in(self, timeout: float | None = None) -> Stop:
        """Stop the running target; the present stop if it is stopped already."""
        return self.execution.break_in(timeout)

    # --- asking ---------------------------------------------------------------------------------

    def evaluate(self, text: str) -> int:
        """Value of a MASM expression."""
        return evaluate(text, self.environment, self.radix)

    def unwind(self, limit: int = 256) -> Stack:
        """The call stack of the current processor."""
        return walk(self, limit)

    def disassemble(self, address: int, count: int) -> tuple[Instruction, ...]:
        """`count` instructions from `address` on, with symbols."""
        self.require_stopped()
        return self.symbols.mark(disassemble(self.memory, address, count, self.machine, self.symbols.name_at))

    def disassemble_before(self, address: int, count: int) -> tuple[Instruction, ...]:
        """`count` instructions that end at `address` (`ub`)."""
        self.require_stopped()
        start = self.symbols.function_start(address - 1)
        found = disassemble_before(self.memory, address, count, self.machine, self.symbols.name_at, start)
        return self.symbols.mark(found)

    def write_control_space(self, address: int, data: bytes) -> None:
        """Write control space of the current processor (3.7)."""
        self.require_writable()
        self.target.write_control_space(self.current_processor, address, data)
        self.registers.invalidate()
