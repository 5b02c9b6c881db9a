"""`!for_each_process !for_each_thread !for_each_frame`: commands for each of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.commands.control import check_cancel
from kdnb.commands.declare import command
from kdnb.debugger.stacks import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

MOST_FRAMES = 256
THREADS = 2


def _commands(arguments: Arguments, usual: str) -> str:
    quoted = arguments.quoted()
    text = arguments.all() if quoted is None else quoted
    arguments.finish()
    return text or usual


def _filled(text: str, name: str, address: int) -> str:
    return re.sub(rf"\$?\{{?@#{name}\b\}}?", f"0x{address:x}", text, flags=re.IGNORECASE)


@command(
    "!for_each_process",
    summary="Run commands for each process.",
    syntax='!for_each_process ["Commands"|Commands]',
    details="@#Process in the commands stands for the address of the EPROCESS. Without commands: !process @#Process 0.",
    examples=('!for_each_process "dt nt!_EPROCESS ImageFileName @#Process"',),
    tier="C",
)
def for_each_process(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The commands' values, process by process."""
    text = _commands(arguments, "!process @#Process 0")
    for process in session.processes.listing():
        check_cancel(session)
        yield from arguments.run(_filled(text, "Process", process.address))


@command(
    "!for_each_thread",
    summary="Run commands for each thread of all processes.",
    syntax='!for_each_thread ["Commands"|Commands]',
    details="@#Thread in the commands stands for the address of the ETHREAD. Without commands: !thread @#Thread 2.",
    examples=("!for_each_thread .echo @#Thread",),
    tier="C",
)
def for_each_thread(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The commands' values, thread by thread."""
    text = _commands(arguments, "!thread @#Thread 2")
    for process in session.processes.listing(flags=THREADS):
        for thread in process.threads:
            check_cancel(session)
            yield from arguments.run(_filled(text, "Thread", thread.address))


@command(
    "!for_each_frame",
    summary="Run commands for each frame of the stack.",
    syntax='!for_each_frame ["Commands"|Commands]',
    details="Each frame is meanwhile the chosen one (.frame), so that dv shows its variables; $frame is its number. It "
    "is shown before what the commands give. Without commands only the frames are shown.",
    examples=("!for_each_frame", "!for_each_frame ? @$frame"),
    tier="C",
)
def for_each_frame(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The frames, and the commands' values behind each."""
    text = _commands(arguments, "")
    scope = session.scope
    context, chosen = scope.context, scope.frame
    try:
        for frame in walk(session, MOST_FRAMES).frames:
            check_cancel(session)
            yield frame
            scope.set(context, frame.number)
            yield from arguments.run(text)
    finally:
        scope.set(context, chosen)
