"""`!process .process !peb !teb`: processes and their address spaces (the command reference, 7.10)."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.commands.symbol_files import load_user_modules
from kdnb.debugger.user_blocks import process_environment, thread_environment
from kdnb.errors import UnsupportedError
from kdnb.results.processes import ImplicitContext, ProcessList

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result
    from kdnb.results.processes import ProcessInfo

ALL, CURRENT = 0, -1
SUMMARY_FLAGS, FULL_FLAGS = 3, 0xF
IN_CONTEXT = 0x10
SWITCH_TEXT = """You need to continue execution (press 'g' <enter>) for the context
to be switched. When the debugger breaks in again, you will be in
the new process context."""
_WORK_NAMES = ("ExpDebuggerProcessAttach", "ExpDebuggerPageIn", "ExpDebuggerWork")
"""The kernel's variables for work that a debugger asks for, which a system thread does (public sources, PDBs)."""


@command(
    "!process",
    summary="Show processes, and with them their threads and stacks.",
    syntax="!process [/s Session] [/m Module] 0 [Flags [ImageName]]\n"
    "!process [/s Session] [/m Module] [Process|Cid] [Flags [ImageName]]\n!process -1 [Flags]",
    details="Process is an EPROCESS or a process id (hex), 0 all processes, -1 or nothing the current one. Flags: 1 "
    "more about the process, 2 threads and what they wait for, 4 their stacks (with 2), 8 stacks without arguments, 10 "
    "(with 1) sees the process's own memory and images meanwhile, so that stacks go on in user mode; 3 unless given "
    "for 0, -1 and nothing, else F. An ImageName chooses among all, /s those of a session, /m those whose image has "
    "that name, with or without its extension. What the target's build doesn't tell is left out.",
    examples=("!process 0 0", "!process -1 0", "!process", "!process 0 0 notepad.exe", "!process 4 3"),
)
def show_processes(session: Session, arguments: Arguments) -> Result:
    """One process or several."""
    options = arguments.options({"s": True, "m": True})
    wanted = session.evaluate(options["s"]) if "s" in options else None
    which = _which(arguments)
    every = which in (ALL, CURRENT)
    flags = arguments.expression(SUMMARY_FLAGS if every else FULL_FLAGS)
    name = arguments.quoted() or arguments.all().strip()
    if name or which == ALL:
        listing = session.processes.listing(name, 0)
    else:
        address = session.processes.current() if which == CURRENT else session.processes.find(which)
        listing = ProcessList((session.processes.describe(address, 0),))
    chosen = [
        each
        for each in listing
        if wanted in (None, each.session_id) and ("m" not in options or _has_name(each.image, options["m"]))
    ]
    return replace(listing, processes=tuple(_described(session, each, flags) for each in chosen))


def _has_name(image: str, name: str) -> bool:
    return name.lower() in (image.lower(), image.lower().rpartition(".")[0])


def _described(session: Session, process: ProcessInfo, flags: int) -> ProcessInfo:
    if not flags:
        return process
    session.require_stopped()  # sees a cancel
    with process_context(session, process.address, flags if flags & 1 else 0):
        return session.processes.describe(process.address, flags)


@contextmanager
def process_context(session: Session, process: int, flags: int) -> Iterator[None]:
    """With bit 10 of `flags`, user memory and images are meanwhile those of `process`."""
    if not flags & IN_CONTEXT:
        yield
        return
    before = session.address_space.process
    session.address_space.choose(process)
    try:
        user_modules_note(session)
        yield
    finally:
        session.address_space.choose(before)


def _which(arguments: Arguments) -> int:
    """0, -1, a process id or an address; `CURRENT` where nothing is given."""
    if arguments.at_end or arguments.match(r"-1(?!\S)"):
        return CURRENT
    return arguments.expression()


@command(
    ".process",
    summary="Choose the process whose user memory is seen; with /i let the target switch to it.",
    syntax=".process [/i] [/p] [/r] [/P] [Process]",
    details="Process is an EPROCESS or a process id. Its page tables then translate user addresses until the target "
    "runs; without Process, or with 0, those of the processor do again. /i asks the target itself to attach to the "
    "process: it breaks in there after g. /p and /P change nothing here, since page tables are always walked; /r reads "
    "the images of the process (.reload /user).",
    examples=(".process",),
)
def choose_process(session: Session, arguments: Arguments) -> Result:
    """The implicit process."""
    options = arguments.options({"i": False, "p": False, "r": False, "P": False})
    which = arguments.expression(0)
    arguments.finish()
    size = session.pointer_size
    if not which:
        session.address_space.choose(None)
        return ImplicitContext("process", session.processes.current(), size)
    address = session.processes.describe(session.processes.find(which)).address
    if "i" in options:
        _ask_for_attach(session, address)
        return ImplicitContext("process", 0, size, SWITCH_TEXT)
    session.address_space.choose(address)
    return ImplicitContext("process", address, size, user_modules_note(session) if "r" in options else "")


def user_modules_note(session: Session) -> str:
    """What `/r` of `.process` and `.thread` does, and how it went."""
    try:
        return "\n".join(load_user_modules(session))
    except UnsupportedError as error:
        return f"Loading User Symbols\n{error.message}"


def _ask_for_attach(session: Session, process: int) -> None:
    """Have a system thread attach to `process` and break in there."""
    session.require_writable(".process /i writes kernel variables")
    places = [session.symbols.lookup(f"nt!{name}") for name in _WORK_NAMES]
    attach, page_in, work = places
    if attach is None or page_in is None or work is None:
        raise UnsupportedError("nt!ExpDebuggerWork is not known", "give the kernel's PDB with .sympath")
    size = session.pointer_size
    session.memory.write(attach, process.to_bytes(size, "little"))
    session.memory.write(page_in, bytes(size))
    session.memory.write(work, (1).to_bytes(4, "little"))


def _require(kind: str, address: int, owner: str) -> int:
    if not address:
        raise UnsupportedError(f"{kind} NULL...: the current {owner} has no user mode part", ".process and .thread")
    return address


@command(
    "!peb",
    summary="Show the process environment block: images, command line, environment.",
    syntax="!peb [Address]",
    details="That of the process that is seen (.process), or the one at Address. System processes have none. "
    "dt nt!_PEB @$peb shows all fields.",
    examples=(".process 1044; !peb",),
    tier="B",
)
def show_peb(session: Session, arguments: Arguments) -> Result:
    """The PEB, and what hangs on it."""
    given = None if arguments.at_end else arguments.expression()
    arguments.finish()
    address = session.processes.peb(session.address_space.seen()) if given is None else given
    return process_environment(session, _require("PEB", address, "process"))


@command(
    "!teb",
    summary="Show the thread environment block of the current thread.",
    syntax="!teb [Address]",
    details="System threads have none. dt nt!_TEB @$teb shows all fields.",
    tier="B",
)
def show_teb(session: Session, arguments: Arguments) -> Result:
    """The TEB."""
    address = session.processes.teb() if arguments.at_end else arguments.expression()
    arguments.finish()
    return thread_environment(session, _require("TEB", address, "thread"))
