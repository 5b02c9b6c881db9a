"""Processes and threads of the target, as `!process`, `!thread`, `!stacks` and `!running` show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import Result, TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.results.irps import ThreadIrp
    from kdnb.results.stack import Stack

__all__ = [
    "FoundStacks",
    "ImplicitContext",
    "ProcessInfo",
    "ProcessList",
    "ProcessorInfo",
    "RunningList",
    "StackGroup",
    "StackGroups",
    "StackSummary",
    "ThreadInfo",
    "ThreadList",
    "WaitObject",
]

STATES = (
    "Initialized", "Ready", "Running", "Standby", "Terminated", "Waiting", "Transition", "DeferredReady", "GateWait",
    "WaitingForProcessInSwap",
)  # fmt: skip
"""KTHREAD_STATE in order. No thread is in a gate wait any more since Windows 8."""


@dataclass(frozen=True, slots=True)
class WaitObject:
    """What a thread waits for."""

    address: int
    kind: str
    """By the dispatcher header's type: `SynchronizationEvent`."""


@dataclass(frozen=True, slots=True, repr=False)
class ThreadInfo(Result):
    """One thread at the present stop. Times are clock ticks; what the target's build doesn't tell is None."""

    address: int
    pid: int
    tid: int
    process: int
    """EPROCESS that owns it."""
    image: str
    teb: int
    state: int
    wait_reason: str
    """Empty unless it waits."""
    user_wait: bool
    alertable: bool
    wait_objects: tuple[WaitObject, ...]
    processor: int | None
    """The processor on which it runs."""
    start_address: int
    start_symbol: str
    initial_stack: int
    kernel_stack: int
    stack_base: int
    stack_limit: int
    address_size: int
    attached_process: int = 0
    attached_image: str = ""
    wait_time: int | None = None
    ticks: int | None = None
    """Since when it has waited."""
    increment: int = 156250
    """100 ns units in a tick."""
    context_switches: int | None = None
    user_time: int | None = None
    kernel_time: int | None = None
    priority: int | None = None
    base_priority: int | None = None
    win32_thread: int = 0
    flags: int = 6
    """What is shown: 2 waits, 4 the stack."""
    stack: Stack | None = None
    stack_note: str = ""
    """Why there is no stack."""
    irps: tuple[ThreadIrp, ...] = ()
    """What it has asked of devices; with flag 2."""
    irp_note: str = ""
    """Why their list ended early."""

    @property
    def state_name(self) -> str:
        return STATES[self.state] if self.state < len(STATES) else f"State {self.state}"


@dataclass(frozen=True, slots=True, repr=False)
class ThreadList(TableResult):
    """Several threads."""

    threads: tuple[ThreadInfo, ...]
    note: str = ""

    def __len__(self) -> int:
        return len(self.threads)

    def __iter__(self) -> Iterator[ThreadInfo]:
        return iter(self.threads)

    def __getitem__(self, index: int) -> ThreadInfo:
        return self.threads[index]

    def rows(self) -> list[dict[str, Any]]:
        return [_thread_row(thread) for thread in self.threads]


def _thread_row(thread: ThreadInfo) -> dict[str, Any]:
    names = ("address", "pid", "tid", "image", "process", "teb", "processor", "wait_reason", "start_symbol", "ticks")
    return {name: getattr(thread, name) for name in names} | {"state": thread.state_name}


@dataclass(frozen=True, slots=True, repr=False)
class ProcessInfo(Result):
    """One process at the present stop."""

    address: int
    pid: int
    parent_pid: int
    image: str
    directory_table_base: int
    """Physical address of its page tables."""
    peb: int
    object_table: int
    handle_count: int
    session_id: int | None
    active_threads: int | None
    address_size: int
    details: tuple[tuple[str, int | str], ...] = ()
    """Flag 1: words and values of what the target's build tells."""
    flags: int = 0
    threads: tuple[ThreadInfo, ...] = ()
    note: str = ""
    """Why the list of threads ended early."""


@dataclass(frozen=True, slots=True, repr=False)
class ProcessList(TableResult):
    """Several processes."""

    processes: tuple[ProcessInfo, ...]
    is_dump: bool = False
    """Whether these are all (`!process 0 0`)."""
    note: str = ""

    def __len__(self) -> int:
        return len(self.processes)

    def __iter__(self) -> Iterator[ProcessInfo]:
        return iter(self.processes)

    def __getitem__(self, index: int) -> ProcessInfo:
        return self.processes[index]

    def rows(self) -> list[dict[str, Any]]:
        names = ("address", "pid", "parent_pid", "image", "directory_table_base", "peb", "handle_count")
        return [
            {name: getattr(process, name) for name in names} | {"threads": process.active_threads}
            for process in self.processes
        ]


@dataclass(frozen=True, slots=True, repr=False)
class ImplicitContext(Result):
    """`.process` and `.thread`: what is looked at from now on."""

    kind: str
    """`process` or `thread`."""
    address: int
    address_size: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class ProcessorInfo:
    """What one processor does."""

    number: int
    prcb: int
    current: int
    next: int
    idle: int
    priority: int | None = None
    next_priority: int | None = None
    stack: Stack | None = None

    @property
    def is_idle(self) -> bool:
        return self.current == self.idle


@dataclass(frozen=True, slots=True, repr=False)
class RunningList(TableResult):
    """`!running`: the processors and their threads. `shown` are those listed."""

    processors: tuple[ProcessorInfo, ...]
    address_size: int
    with_idle: bool = False

    @property
    def shown(self) -> tuple[ProcessorInfo, ...]:
        return tuple(each for each in self.processors if self.with_idle or not each.is_idle)

    def rows(self) -> list[dict[str, Any]]:
        names = ("number", "prcb", "current", "next", "idle")
        return [{name: getattr(each, name) for name in names} for each in self.processors]


@dataclass(frozen=True, slots=True, repr=False)
class StackSummary(TableResult):
    """`!stacks`: threads with where they wait, by process."""

    processes: tuple[ProcessInfo, ...]
    level: int
    """0 skips the kernel's own waits, 2 shows whole stacks."""
    address_size: int

    def rows(self) -> list[dict[str, Any]]:
        return [_thread_row(thread) | {"blocker": blocker(thread)} for p in self.processes for thread in p.threads]


@dataclass(frozen=True, slots=True, repr=False)
class FoundStacks(TableResult):
    """`!findstack`: the threads that have a name on their stack."""

    threads: tuple[ThreadInfo, ...]
    wanted: str
    """In lower case."""
    level: int
    """0 names threads only, 1 shows the frames with the name, 2 whole stacks."""
    thread_count: int
    """Threads that were looked at."""

    def __len__(self) -> int:
        return len(self.threads)

    def __iter__(self) -> Iterator[ThreadInfo]:
        return iter(self.threads)

    def matches(self, symbol: str) -> bool:
        return self.wanted in symbol.lower()

    def rows(self) -> list[dict[str, Any]]:
        return [_thread_row(thread) | {"blocker": blocker(thread)} for thread in self.threads]


@dataclass(frozen=True, slots=True)
class StackGroup:
    """Threads with the same functions on their stacks."""

    threads: tuple[ThreadInfo, ...]


@dataclass(frozen=True, slots=True, repr=False)
class StackGroups(TableResult):
    """`!uniqstack`: each stack once, the most frequent first."""

    groups: tuple[StackGroup, ...]
    thread_count: int
    """Threads that were looked at."""

    def __len__(self) -> int:
        return len(self.groups)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"group": number} | _thread_row(thread) | {"blocker": blocker(thread)}
            for number, group in enumerate(self.groups)
            for thread in group.threads
        ]


SCHEDULER = ("!KiSwapContext", "!SwapContext", "!KiSwapThread", "!KiCommitThreadWait", "!KiDispatchInterrupt")


def blocker(thread: ThreadInfo, *, skip: bool = False) -> str:
    """Symbol of the innermost frame; with `skip` of the first that is not the scheduler's."""
    if thread.stack is None or not thread.stack.frames:
        return thread.stack_note
    for frame in thread.stack.frames:
        if not skip or not any(name in frame.symbol for name in SCHEDULER):
            return frame.symbol
    return thread.stack.frames[0].symbol
