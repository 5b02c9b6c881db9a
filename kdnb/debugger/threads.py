"""Threads: what ETHREAD says, where a thread runs or waits, and its stack.

A thread that runs has its registers in the processor's context. One that waits left them on its own kernel stack:
KTHREAD.KernelStack points to the switch frame, above which lies the return address into KiSwapContext.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.irps import thread_irps
from kdnb.debugger.lists import walk_list
from kdnb.debugger.loader_list import clean
from kdnb.debugger.register_names import program_counter, stack_pointer
from kdnb.debugger.shared_data import SHARED_DATA
from kdnb.debugger.stack_scan import is_return_address
from kdnb.debugger.stacks import walk
from kdnb.errors import KdnbError, MemoryReadError, UnknownNameError, UnsupportedError
from kdnb.protocol.constants import MachineType
from kdnb.results.processes import ThreadInfo, WaitObject

if TYPE_CHECKING:
    from kdnb.debugger.kernel_records import Record
    from kdnb.debugger.session import Session

__all__ = ["current_threads", "describe_thread", "thread_registers", "threads_of"]

SHOW_STACK = 4
WAITING = 5
SEMAPHORE, THREAD_OBJECT = 5, 6
THREAD_LIMIT = 16384
SWITCH_FRAME = 0x60
"""Bytes above KernelStack in which every build's switch frame ends."""
STACK_FRAMES = 64
_SWITCHERS = ("KiSwapContext", "KiStartSystemThread", "KxStartSystemThread", "KiStartUserThread", "KiThreadStartup")
_GENERAL = {
    MachineType.AMD64: (*("rax rcx rdx rbx rbp rsi rdi".split()), *(f"r{n}" for n in range(8, 16))),
    MachineType.I386: tuple("eax ecx edx ebx ebp esi edi".split()),
}
_FRAME_POINTER = {MachineType.AMD64: "rbp", MachineType.I386: "ebp"}
_TICK_COUNT = 0x320
"""In KUSER_SHARED_DATA."""
_PATHS = (
    "Tcb.ContextSwitches", "Tcb.UserTime", "Tcb.KernelTime", "Tcb.Priority", "Tcb.BasePriority", "Tcb.WaitTime",
    "Tcb.Win32Thread", "Tcb.Alertable", "Tcb.WaitBlockList", "Tcb.WaitBlockCount", "ThreadListEntry", "IrpList",
)  # fmt: skip
_BLOCK_PATHS = ("Object", "NextWaitBlock")
MOST_WAIT_OBJECTS = 64
"""MAXIMUM_WAIT_OBJECTS of public headers."""
WAIT_REASONS = (
    "Executive", "FreePage", "PageIn", "PoolAllocation", "DelayExecution", "Suspended", "UserRequest", "WrExecutive",
    "WrFreePage", "WrPageIn", "WrPoolAllocation", "WrDelayExecution", "WrSuspended", "WrUserRequest", "WrEventPair",
    "WrQueue", "WrLpcReceive", "WrLpcReply", "WrVirtualMemory", "WrPageOut", "WrRendezvous", "WrKeyedEvent",
    "WrTerminated", "WrProcessInSwap", "WrCpuRateControl", "WrCalloutStack", "WrKernel", "WrResource", "WrPushLock",
    "WrMutex", "WrQuantumEnd", "WrDispatchInt", "WrPreempted", "WrYieldExecution", "WrFastMutex", "WrGuardedMutex",
    "WrRundown", "WrAlertByThreadId", "WrDeferredPreempt", "WrPhysicalFault", "WrIoRing", "WrMdlCache", "WrRcu",
)  # fmt: skip
"""KWAIT_REASON in order (public headers)."""
_KINDS = {
    0: "NotificationEvent", 1: "SynchronizationEvent", 2: "Mutant", 3: "ProcessObject", 4: "QueueObject",
    5: "Semaphore Limit", 6: "Thread", 7: "Gate", 8: "NotificationTimer", 9: "SynchronizationTimer",
}  # fmt: skip
"""Type in a dispatcher header (KOBJECTS of public headers)."""


def threads_of(session: Session, process: Record, flags: int) -> tuple[tuple[ThreadInfo, ...], str]:
    """The threads of an EPROCESS, and why the list ended early."""
    layout = session.processes.records.layout("_ETHREAD", _PATHS)
    links = layout.offset("ThreadListEntry")
    head = process.address_of("ThreadListHead")
    found = walk_list(session.memory, head, limit=THREAD_LIMIT, around=(links, layout.size))
    threads = []
    note = found.note
    for link in found:
        session.require_stopped()  # sees a cancel
        try:
            threads.append(describe_thread(session, link - links, flags))
        except (UnknownNameError, MemoryReadError) as error:
            note = f"the list of threads is damaged: {error.message}"
            break
    return tuple(threads), note


def current_threads(session: Session) -> dict[int, int]:
    """KTHREAD on each processor -> processor, kept for the present stop."""
    held = session.processes.on_processors
    if held is None or held[0] is not session.change:
        found = {session.processes.running_thread(n): n for n in range(session.processor_count)}
        held = session.processes.on_processors = session.change, found
    return held[1]


def describe_thread(session: Session, address: int, flags: int = 6) -> ThreadInfo:
    """One thread; with flag 4 its stack."""
    processes = session.processes
    record = processes.records.read("_ETHREAD", address, _PATHS)
    if record.number("Tcb.Header.Type") & 0x7F != THREAD_OBJECT:
        raise UnknownNameError(f"{address:x} is no thread: its header's type is not 6", "!process 0 2 lists threads")
    owner = record.number("Tcb.Process", "Tcb.ApcState.Process")
    attached = record.number("Tcb.ApcState.Process")
    start = record.number("Win32StartAddress") or record.number("StartAddress")
    stack, stack_note = None, ""
    if flags & SHOW_STACK:
        try:
            stack = walk(session, STACK_FRAMES, thread_registers(session, record), attached)
        except KdnbError as error:
            stack_note = error.message
    irps, irp_note = thread_irps(session, record) if flags & 2 else ((), "")
    now, waited = _tick_count(session), record.get("Tcb.WaitTime")
    state = record.number("Tcb.State")
    reason = record.number("Tcb.WaitReason")
    return ThreadInfo(
        address=record.address,
        pid=record.number("Cid.UniqueProcess"),
        tid=record.number("Cid.UniqueThread"),
        process=owner,
        image=_image(session, owner),
        teb=record.number("Tcb.Teb"),
        state=state,
        wait_reason=(WAIT_REASONS[reason] if reason < len(WAIT_REASONS) else f"{reason}") if state == WAITING else "",
        user_wait=bool(record.number("Tcb.WaitMode")),
        alertable=bool(record.bits("Tcb.Alertable", 0, 1)),
        wait_objects=tuple(_wait_objects(session, record)) if state == WAITING and flags & 2 else (),
        processor=current_threads(session).get(record.address),
        start_address=start,
        start_symbol=session.symbols.format(start) if start else "",
        initial_stack=record.number("Tcb.InitialStack"),
        kernel_stack=record.number("Tcb.KernelStack"),
        stack_base=record.number("Tcb.StackBase"),
        stack_limit=record.number("Tcb.StackLimit"),
        address_size=session.pointer_size,
        attached_process=attached if attached != owner else 0,
        attached_image=_image(session, attached) if attached != owner else "",
        wait_time=waited,
        ticks=(now - waited) & 0xFFFFFFFF if now is not None and waited is not None else None,
        increment=_increment(session),
        context_switches=record.get("Tcb.ContextSwitches"),
        user_time=record.get("Tcb.UserTime"),
        kernel_time=record.get("Tcb.KernelTime"),
        priority=record.get("Tcb.Priority"),
        base_priority=record.get("Tcb.BasePriority"),
        win32_thread=record.number("Tcb.Win32Thread"),
        flags=flags,
        stack=stack,
        stack_note=stack_note,
        irps=irps,
        irp_note=irp_note,
    )


def thread_registers(session: Session, record: Record) -> dict[str, int]:
    """The registers with which a thread stands: a processor's, or those of its switch frame.

    A switched-out thread keeps in the frame what functions preserve; everything else reads 0.
    """
    processor = current_threads(session).get(record.address)
    if processor is not None:
        return session.registers.values(processor)
    pc, sp, frame_pointer = _switch_frame(session, record)
    values = session.registers.values() | dict.fromkeys(_GENERAL[session.machine], 0)
    return values | {
        program_counter(session.machine): pc,
        stack_pointer(session.machine): sp,
        _FRAME_POINTER[session.machine]: frame_pointer,
        "efl": 0,
    }


def _switch_frame(session: Session, record: Record) -> tuple[int, int, int]:
    """Instruction, stack and frame pointer behind the switch frame at KernelStack."""
    if session.machine not in _GENERAL:
        raise UnsupportedError(f"switch frames of {session.machine.name} are not known", "x64 and x86 are")
    start, size = record.number("Tcb.KernelStack"), session.pointer_size
    base = record.number("Tcb.StackBase", "Tcb.InitialStack")
    if not start or (base and not start <= base):
        raise UnsupportedError("the thread has no kernel stack", "it is not started yet, or over")
    data = session.memory.read_available(start, SWITCH_FRAME)
    if len(data) < 2 * size:
        raise MemoryReadError(start, SWITCH_FRAME, data)
    words = [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data) - size + 1, size)]
    index = _return_index(session, words)
    if index is None:
        raise UnsupportedError("no return address above KernelStack", "the thread's stack may be paged out")
    frame_pointer = words[index - 1] if index else 0
    if session.machine == MachineType.I386 and not start <= frame_pointer <= base:
        frame_pointer = words[index + 1] if index + 1 < len(words) else 0  # KiSwapContext saved it first
    return words[index], start + (index + 1) * size, frame_pointer


def _return_index(session: Session, words: list[int]) -> int | None:
    """Which word leads back into the code that switches threads; without symbols the first return address."""
    guess = None
    for index, word in enumerate(words):
        nearest = session.symbols.nearest(word) if session.modules.find(word) is not None else None
        if nearest is None:
            continue
        if nearest.name in _SWITCHERS:
            return index
        if guess is None and is_return_address(word, session.machine, session.memory, session.modules):
            guess = index
    return guess


def _wait_objects(session: Session, record: Record) -> list[WaitObject]:
    """What a thread waits for: one wait block for each object, side by side since Windows 8, before in a chain."""
    records, at = session.processes.records, record.number("Tcb.WaitBlockList")
    layout = records.layout("_KWAIT_BLOCK", _BLOCK_PATHS)
    count = record.number("Tcb.WaitBlockCount")
    found: list[WaitObject] = []
    seen: set[int] = set()
    while at and at not in seen and len(seen) < MOST_WAIT_OBJECTS and "Object" in layout.fields:
        seen.add(at)
        try:
            block = records.read("_KWAIT_BLOCK", at, _BLOCK_PATHS)
            address = block.number("Object")
            kind = session.memory.read_u8(address) & 0x7F if address else 0
        except MemoryReadError:
            break
        if address:
            found.append(WaitObject(address, _kind_words(session, kind, address)))
        at = block.number("NextWaitBlock") or (at + layout.size if len(seen) < count else 0)
    return found


def _kind_words(session: Session, kind: int, address: int) -> str:
    words = _KINDS.get(kind, f"object of type {kind:#x}")
    if kind == SEMAPHORE:
        limit = session.processes.records.read("_KSEMAPHORE", address, ["Limit"]).get("Limit")
        words += f" {limit:#x}" if limit is not None else ""
    return words


def _image(session: Session, process: int) -> str:
    try:
        data = session.processes.record(process).bytes("ImageFileName")
    except MemoryReadError:
        return ""
    return clean(data.split(b"\0", 1)[0].decode("latin-1"))


def _tick_count(session: Session) -> int | None:
    try:
        return session.memory.read_u32(SHARED_DATA[session.pointer_size] + _TICK_COUNT)
    except MemoryReadError:
        return None


def _increment(session: Session) -> int:
    block = session.debugger_data
    place = block.get("ke_time_increment") if block is not None else None
    try:
        return session.memory.read_u32(place) if place is not None else 156250
    except MemoryReadError:
        return 156250
