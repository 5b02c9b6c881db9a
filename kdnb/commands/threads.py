"""`!thread .thread !stacks !running !ready`: threads and what they do (the command reference, 7.10)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.commands.processes import process_context, user_modules_note
from kdnb.debugger.scope import RegisterContext
from kdnb.debugger.threads import thread_registers
from kdnb.errors import UnknownNameError
from kdnb.results.processes import ImplicitContext, RunningList, StackSummary, ThreadList, blocker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result
    from kdnb.results.processes import ProcessInfo, ThreadInfo

WAITS, STACKS = 2, 4
READY = 1


def _which(session: Session, arguments: Arguments) -> int:
    if arguments.at_end or arguments.match(r"-1(?!\S)"):
        return session.processes.current_thread()
    return arguments.expression()


@command(
    "!thread",
    summary="Show a thread: its state, what it waits for, its stack.",
    syntax="!thread [-p] [-t] [Address|-1 [Flags]]",
    details="Address is an ETHREAD, -1 or nothing the current thread; with -t it is a thread id. -p shows the thread's "
    "process before it. Flags: 2 waits, 4 the stack (with 2), 8 the stack without arguments, 10 sees the memory and "
    "images of the thread's process meanwhile; 6 unless given. The stack of a thread that waits is walked from where "
    "it left the processor.",
    examples=("!thread", "!thread -1 0", "!thread @$thread 2", "!thread -p -1 0"),
)
def show_thread(session: Session, arguments: Arguments) -> Iterator[Result]:
    """One thread, behind its process with -p."""
    letters = ""
    while (found := arguments.match(r"-([pt]+)(?=\s|$)")) is not None:
        letters += found[1]
    address = _which(session, arguments)
    flags = arguments.expression(WAITS | STACKS)
    arguments.finish()
    if "t" in letters:
        address = _by_id(session, address)
    thread = session.processes.thread(address, 0)
    if "p" in letters:
        yield session.processes.describe(thread.process)
    with process_context(session, thread.attached_process or thread.process, flags):
        yield session.processes.thread(address, flags)


def _by_id(session: Session, tid: int) -> int:
    threads = (thread for process in session.processes.listing(flags=WAITS) for thread in process.threads)
    found = next((thread.address for thread in threads if thread.tid == tid), None)
    if found is None:
        raise UnknownNameError(f"there is no thread {tid:#x}", "!process 0 2 lists threads with their ids")
    return found


@command(
    ".thread",
    summary="Look at the registers and the stack of a thread; without an address back to those of the processor.",
    syntax=".thread [/p] [/r] [/P] [/w] [Address]",
    details="r, k, u and expressions use the thread's registers until .thread without an address, .cxr, or the next "
    "resume. Of a thread that waits only the registers that functions preserve are known. /p also chooses the thread's "
    "process as .process does, and /r reads its images; /P and /w change nothing here.",
    examples=(".thread", ".thread @$thread"),
)
def choose_thread(session: Session, arguments: Arguments) -> Result:
    """The implicit thread."""
    options = arguments.options({"p": False, "r": False, "P": False, "w": False})
    address = arguments.expression(0)
    arguments.finish()
    processes = session.processes
    if not address:
        session.scope.reset()
        return ImplicitContext("thread", processes.current_thread(), session.pointer_size)
    thread = processes.thread(address, 0)
    if "p" in options:
        session.address_space.choose(thread.attached_process or thread.process)
    if thread.processor == session.current_processor:
        session.scope.reset()
    else:
        values = thread_registers(session, processes.records.read("_ETHREAD", thread.address))
        session.scope.set(RegisterContext(values, ".thread"))
    note = user_modules_note(session) if "r" in options else ""
    return ImplicitContext("thread", thread.address, session.pointer_size, note)


@command(
    "!stacks",
    summary="Show where all threads stand.",
    syntax="!stacks [Detail [Filter]]",
    details="Detail 0 leaves the scheduler's own frames out, 1 shows the innermost frame, 2 whole stacks. With a "
    "Filter only threads with that text in a symbol of their stack are shown.",
    examples=("!stacks", "!stacks 0 Sleep", "!stacks 2 nt!ExpWorkerThread"),
    tier="B",
)
def show_stacks(session: Session, arguments: Arguments) -> Result:
    """Threads by process, the idle ones last."""
    level = arguments.expression(0)
    wanted = arguments.all().strip().lower()
    processes = session.processes
    found: list[ProcessInfo] = list(processes.listing(flags=WAITS | STACKS))
    kept = [
        replace(process, threads=tuple(thread for thread in process.threads if _matches(thread, wanted)))
        for process in found
    ]
    return StackSummary(tuple(each for each in kept if each.threads or not wanted), level, session.pointer_size)


def _matches(thread: ThreadInfo, wanted: str) -> bool:
    if not wanted:
        return True
    if thread.stack is None:
        return wanted in blocker(thread).lower()
    return any(wanted in frame.symbol.lower() for frame in thread.stack.frames)


@command(
    "!running",
    summary="Show which threads run on the processors.",
    syntax="!running [-i] [-t]",
    details="-i also shows processors that idle, -t the stack of each. The sixteen characters of queued spin locks are "
    "always shown as free.",
    examples=("!running -i", "!running -it"),
    tier="B",
)
def show_running(session: Session, arguments: Arguments) -> Result:
    """One row for each processor."""
    letters = ""
    while (found := arguments.match(r"-([it]+)")) is not None:
        letters += found[1]
    arguments.finish()
    processors = session.processes.processors()
    if "t" in letters:
        processors = tuple(replace(each, stack=session.processes.thread(each.current).stack) for each in processors)
    return RunningList(processors, session.pointer_size, with_idle="i" in letters)


@command(
    "!ready",
    summary="Show threads that are ready to run and wait for a processor.",
    syntax="!ready [Flags]",
    details="Flags as for !thread. They are looked for in the lists of all processes' threads.",
    examples=("!ready",),
    tier="C",
)
def show_ready(session: Session, arguments: Arguments) -> Result:
    """Threads in the state Ready."""
    flags = arguments.expression(WAITS)
    arguments.finish()
    threads = [t for process in session.processes.listing(flags=flags | WAITS) for t in process.threads]
    ready = tuple(thread for thread in threads if thread.state == READY)
    return ThreadList(ready, note="" if ready else "no thread is ready: all run or wait")
