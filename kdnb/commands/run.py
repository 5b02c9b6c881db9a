"""Runs command lists on a session, one value a command.

Call on the engine's thread. A list ends at its first failure; what ran before it is kept. A command that
resumes the target waits for the next stop, so `g; k` shows the stack there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.arguments import Arguments
from kdnb.commands.parse import parse, pieces
from kdnb.errors import Cancelled, CommandError, KdnbError, UsageError
from kdnb.render.present import present_result
from kdnb.render.text import to_text
from kdnb.results.events import DebugPrint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.commands.parse import Invocation
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

__all__ = ["PRESENTER", "Runner", "execute", "prompt", "run_breakpoint_commands"]

PRESENTER = present_result
"""Named here because importing it is what gives results their text."""


class Runner:
    """Runs texts on one session. `cell` goes into the packet log beside each command."""

    def __init__(self, session: Session, cell: str | None = None) -> None:
        self.session = session
        self.cell = cell

    def run(self, text: str) -> Iterator[Result]:
        """The value of each command of `text`, as soon as it is there.

        Raises `CommandError` at the first failure; its `results` are the values that came before.
        """
        results: list[Result] = []
        for line, piece in pieces(text):
            try:
                result = self.invoke(parse(piece, line))
            except (Cancelled, CommandError):
                raise
            except KdnbError as error:
                raise CommandError(error.message, error.hint, command=piece, results=results) from error
            results.append(result)
            yield result
            if self.session.execution.resume_pending:
                return  # a breakpoint's command asked to go on: the rest of the list is not run

    def invoke(self, invocation: Invocation) -> Result:
        """The value of one command."""
        session, command = self.session, invocation.command
        if command.changes_target:
            session.require_writable(f"{invocation.name} would change the target")
        if command.needs_stop:
            session.require_stopped()
        if command.resumes:
            session.scope.reset()
        if session.log is not None:
            session.log.tag(self.cell, invocation.text)
        try:
            if invocation.processor is None:
                return self._call(invocation)
            return self._call_on(invocation, invocation.processor)
        finally:
            if session.log is not None:
                session.log.tag(self.cell, None)

    def _call(self, invocation: Invocation) -> Result:
        arguments = Arguments(self.session, invocation.arguments, invocation.name, invocation.suffix)
        result = invocation.command.function(self.session, arguments)
        arguments.finish()
        return result

    def _call_on(self, invocation: Invocation, processor: int) -> Result:
        """Another processor's answer (`1k`). Its state can be looked at, not changed."""
        if invocation.command.changes_target or invocation.command.resumes or "=" in invocation.arguments:
            raise UsageError(f"{invocation.name} can't run for another processor", f"switch first: ~{processor}s")
        before, scope = self.session.current_processor, self.session.scope
        context, frame = scope.context, scope.frame
        self.session.switch_processor(processor)
        try:
            return self._call(invocation)
        finally:
            self.session.switch_processor(before)
            scope.set(context, frame)


def execute(session: Session, text: str, cell: str | None = None) -> list[Result]:
    """The values of all commands of `text`."""
    return list(Runner(session, cell).run(text))


def run_breakpoint_commands(session: Session, text: str) -> None:
    """The commands of a breakpoint; what they show goes where the target's own prints go."""
    for result in Runner(session).run(text):
        shown = to_text(result)
        if shown:
            session.events.on_print.publish(DebugPrint(f"{shown}\n", session.current_processor))


def prompt(session: Session) -> str:
    """What WinDbg would show before a command: `0: kd>` on several processors, `kd>` on one."""
    return f"{session.current_processor}: kd>" if session.processor_count > 1 else "kd>"
