"""Text of processes and threads: `!process !thread !stacks !running .process .thread` (the command reference, 7.10)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.addresses import format_address
from kdnb.results.processes import (
    FoundStacks,
    ImplicitContext,
    ProcessInfo,
    ProcessList,
    RunningList,
    StackGroups,
    StackSummary,
    ThreadInfo,
    ThreadList,
    blocker,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.results.stack import Stack

__all__: list[str] = []

THREAD_INDENT = " " * 8
_NUMBER = re.compile(r"( # |[0-9a-f]{2,} )")


def _wide(number: int, size: int) -> str:
    return f"{number:0{2 * size}x}"


def frame_lines(stack: Stack, *, arguments: bool = True) -> Iterator[str]:
    """A stack in the layout of kb (or of k), without frame numbers."""
    for line in lines(replace(stack, columns="kbL" if arguments else "kL", heading="")):
        yield _NUMBER.sub("", line, count=1) if stack.address_size == 8 and _NUMBER.match(line) else line


# --- processes ----------------------------------------------------------------------------------------


@lines.register(ProcessList)
def _process_list(value: ProcessList) -> Iterator[str]:
    if value.is_dump:
        yield "**** NT ACTIVE PROCESS DUMP ****"
    for process in value:
        yield from _process(process)
    if value.note:
        yield f"WARNING: {value.note}"


@lines.register(ProcessInfo)
def _process(value: ProcessInfo) -> Iterator[str]:
    size = value.address_size
    session = "none" if value.session_id is None else f"{value.session_id}"
    ids = f"SessionId: {session}  Cid: {value.pid:04x}    Peb: {value.peb:08x}  ParentCid: {value.parent_pid:04x}"
    if size == 8:
        yield f"PROCESS {_wide(value.address, size)}"
        yield f"    {ids}"
    else:
        yield f"PROCESS {_wide(value.address, size)}  {ids}"
    table = _wide(value.object_table, size) if value.object_table else "00000000"
    yield f"    DirBase: {value.directory_table_base:08x}  ObjectTable: {table}  HandleCount: {value.handle_count:3d}."
    yield f"    Image: {value.image}"
    for word, number in value.details:
        yield f"    {word:<34}{_detail(word, number, size)}"
    if value.flags & 6:
        for thread in value.threads:
            yield ""
            yield from (THREAD_INDENT + line if line else line for line in _thread(thread))
    if value.note:
        yield f"    WARNING: {value.note}"
    yield ""


def _detail(word: str, number: int | str, size: int) -> str:
    if not isinstance(number, int):
        return number
    return _wide(number, size) if word in ("VadRoot", "DeviceMap", "Token") else f"{number}"


# --- threads ------------------------------------------------------------------------------------------


@lines.register(ThreadList)
def _thread_list(value: ThreadList) -> Iterator[str]:
    for thread in value:
        yield from _thread(thread)
        yield ""
    if value.note:
        yield f"WARNING: {value.note}"


@lines.register(ThreadInfo)
def _thread(value: ThreadInfo) -> Iterator[str]:
    size = value.address_size
    yield (
        f"THREAD {_wide(value.address, size)}  Cid {value.pid:04x}.{value.tid:04x}  Teb: {_wide(value.teb, size)} "
        f"Win32Thread: {_wide(value.win32_thread, size)} {_state(value)}"
    )
    for waited in value.wait_objects:
        yield f"    {_wide(waited.address, size)}  {waited.kind}"
    if value.irps or value.irp_note:
        yield "IRP List:"
        for irp in value.irps:
            yield (
                f"    {_wide(irp.address, size)}: ({irp.type:04x},{irp.size:04x}) "
                f"Flags: {irp.flags:08x}  Mdl: {irp.mdl:08x}"
            )
        if value.irp_note:
            yield f"    WARNING: {value.irp_note}"
    if value.flags & 6 != 6:
        return
    yield "Not impersonating"
    yield f"Owning Process            {_wide(value.process, size)}       Image:         {value.image}"
    attached = _wide(value.attached_process, size) if value.attached_process else "N/A"
    image = value.attached_image or "N/A"
    gap = 7 if value.attached_process else 12
    yield f"Attached Process          {attached}{'':{gap}}Image:         {image}"
    if value.wait_time is not None:
        ticks = value.ticks or 0
        yield f"Wait Start TickCount      {value.wait_time:<14} Ticks: {ticks} ({_elapsed(ticks * value.increment)})"
    if value.context_switches is not None:
        yield f"Context Switch Count      {value.context_switches}"
    for word, time in (("UserTime", value.user_time), ("KernelTime", value.kernel_time)):
        if time is not None:
            yield f"{word:<26}0{_elapsed(time * value.increment)}"
    if value.start_address:
        yield f"Win32 Start Address {value.start_symbol} (0x{_wide(value.start_address, size)})"
    yield (
        f"Stack Init {_wide(value.initial_stack, size)} Current {_wide(value.kernel_stack, size)} "
        f"Base {_wide(value.stack_base, size)} Limit {_wide(value.stack_limit, size)} Call {_wide(0, size)}"
    )
    if value.priority is not None:
        yield f"Priority {value.priority} BasePriority {value.base_priority or 0}"
    if value.stack is not None:
        yield from frame_lines(value.stack, arguments=not value.flags & 8)
    elif value.stack_note:
        yield f"No stack: {value.stack_note}"


def _state(value: ThreadInfo) -> str:
    if value.processor is not None:
        return f"RUNNING on processor {value.processor:x}"
    if value.wait_reason:
        mode = "UserMode" if value.user_wait else "KernelMode"
        return f"WAIT: ({value.wait_reason}) {mode} {'Alertable' if value.alertable else 'Non-Alertable'}"
    return value.state_name.upper()


def _elapsed(units: int) -> str:
    """100 ns units as `0:00:00.187`."""
    milliseconds = units // 10_000
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{milliseconds:03d}"


@lines.register(ImplicitContext)
def _implicit(value: ImplicitContext) -> Iterator[str]:
    if value.address:
        yield f"Implicit {value.kind} is now {format_address(value.address, value.address_size)}"
    if value.note:
        yield from value.note.split("\n")


# --- overviews ----------------------------------------------------------------------------------------


@lines.register(StackSummary)
def _stacks(value: StackSummary) -> Iterator[str]:
    size = value.address_size
    yield "Proc.Thread  .Thread  Ticks   ThreadState Blocker"
    for process in value.processes:
        yield f"{'':28}[{_wide(process.address, size)} {process.image}]"
        for thread in process.threads:
            row = (
                f"{thread.pid:4x}.{thread.tid:06x}  {_wide(thread.address, size)} {thread.ticks or 0:07x} "
                f"{_stacks_state(thread):<11}"
            )
            if value.level < 2 or thread.stack is None:
                yield f"{row}{blocker(thread, skip=value.level == 0)}".rstrip()
                continue
            for number, frame in enumerate(thread.stack.frames):
                yield f"{row if number == 0 else '':{len(row)}}{frame.symbol}"
        yield ""
    count = sum(len(process.threads) for process in value.processes)
    yield f"Threads Processed: {count}"


@lines.register(FoundStacks)
def _found_stacks(value: FoundStacks) -> Iterator[str]:
    for thread in value.threads:
        frames = thread.stack.frames if thread.stack is not None else ()
        hits = sum(value.matches(frame.symbol) for frame in frames)
        name = f"{thread.pid:x}.{thread.tid:x} {thread.image}"
        yield f"Thread {_wide(thread.address, thread.address_size)} {name}, {hits} frame(s) match"
        for number, frame in enumerate(frames if value.level else ()):
            is_hit = value.matches(frame.symbol)
            if is_hit or value.level > 1:
                yield f"{'':8}{'*' if is_hit else ' '} {number:02x} {frame.symbol}"
        if value.level:
            yield ""
    yield f"{len(value.threads)} of {value.thread_count} threads have it on their stacks"


@lines.register(StackGroups)
def _stack_groups(value: StackGroups) -> Iterator[str]:
    for number, group in enumerate(value.groups):
        size = group.threads[0].address_size
        names = ", ".join(f"{thread.pid:x}.{thread.tid:x} {_wide(thread.address, size)}" for thread in group.threads)
        yield f".{number:3}  {len(group.threads)} threads: {names}"
        first = group.threads[0].stack
        if first is not None:
            yield from (f"{'':6}{frame.symbol}" for frame in first.frames)
        yield ""
    yield f"Total threads: {value.thread_count}, unique stacks: {len(value.groups)}"


def _stacks_state(thread: ThreadInfo) -> str:
    """The words of `!stacks` for a state."""
    if thread.processor is not None:
        return "RUNNING"
    return {"Waiting": "Blocked", "Initialized": "INIT", "Terminated": "TERM"}.get(
        thread.state_name, thread.state_name.upper()
    )


@lines.register(RunningList)
def _running(value: RunningList) -> Iterator[str]:
    size = value.address_size
    everyone = sum(1 << each.number for each in value.processors)
    idle = sum(1 << each.number for each in value.processors if each.is_idle)
    yield ""
    yield f"System Processors:  ({_wide(everyone, size)})"
    yield f"  Idle Processors:  ({_wide(idle, size)})"
    yield ""
    if not value.shown:
        yield "All processors idle."
        return
    width = 2 * size
    yield f"       {'Prcbs':<{width + 2}}{'Current':<{width + 1}}(pri) {'Next':<{width + 1}}(pri) Idle"
    for each in value.shown:
        following = f"{_wide(each.next, size)} ({each.next_priority or 0:2d})" if each.next else f"{'':{width}}     "
        yield (
            f"{each.number:3d}    {_wide(each.prcb, size)}  {_wide(each.current, size)} ({each.priority or 0:2d}) "
            f"{following} {_wide(each.idle, size)}  ................"
        )
        if each.stack is not None:
            yield ""
            yield from frame_lines(each.stack)
            yield ""
