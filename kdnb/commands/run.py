"""Runs command lists on a session, one value a command.

Call on the engine's thread. A list ends at its first failure; what ran before it is kept. A command that
resumes the target waits for the next stop, so `g; k` shows the stack there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.commands.aliases import expand
from kdnb.commands.arguments import Arguments
from kdnb.commands.control import ControlSignal, check_cancel
from kdnb.commands.lines import cut, logical_lines
from kdnb.commands.logfile import write_to_log
from kdnb.commands.parse import parse
from kdnb.errors import Cancelled, CommandError, KdnbError, UsageError
from kdnb.render.present import present_result
from kdnb.render.text import to_text
from kdnb.results.base import Result
from kdnb.results.events import DebugPrint, Running
from kdnb.results.values import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.commands.parse import Invocation
    from kdnb.debugger.session import Session

__all__ = ["PRESENTER", "Runner", "execute", "prompt", "run_breakpoint_commands"]

PRESENTER = present_result
"""Named here because importing it is what gives results their text."""


class Runner:
    """Runs texts on one session. `cell` goes into the packet log beside each command.

    `trusted` is false for texts that may come from the target: they can't touch files of this computer.
    """

    def __init__(self, session: Session, cell: str | None = None, *, trusted: bool = True) -> None:
        self.session = session
        self.cell = cell
        self.trusted = trusted

    def run(self, text: str) -> Iterator[Result]:
        """The values of the commands of `text`, each as soon as it is there.

        Raises `CommandError` at the first failure; its `results` are the values that came before.
        """
        results: list[Result] = []
        try:
            for result in self.run_block(text):
                results.append(result)
                write_to_log(self.session, result)
                yield result
        except CommandError as error:
            error.results = [*results]
            raise
        except ControlSignal as signal:
            raise CommandError(f"{signal.word} outside of what it leaves", ".hh .for", results=results) from None

    def run_block(self, text: str) -> Iterator[Result]:
        """Like `run`, for a block within a command: what leaves a loop passes through."""
        for number, line in logical_lines(text):
            yield from self._run_line(number, expand(self.session, line))

    def _run_line(self, number: int, line: str) -> Iterator[Result]:
        commands = cut(line)
        at = 0
        while at < len(commands):
            piece = commands[at]
            try:
                repeated = re.match(r"z\s*\((.*)\)$", piece)
                if repeated is not None:
                    check_cancel(self.session)
                    at = 0 if self.session.evaluate(repeated[1]) else at + 1
                    continue
                yield from self.results(parse(piece, number))
            except (Cancelled, CommandError):
                raise
            except KdnbError as error:
                raise CommandError(error.message, error.hint, command=piece) from error
            if self.session.execution.resume_pending:
                return  # a breakpoint's command asked to go on: the rest of the list is not run
            at += 1

    def results(self, invocation: Invocation) -> Iterator[Result]:
        """The value of one command; several for one that runs others."""
        session, command = self.session, invocation.command
        if command.changes_target:
            session.require_writable(f"{invocation.name} would change the target")
        if command.touches_host:
            self._arguments(invocation).require_trusted()
        if command.needs_stop:
            session.require_stopped()
        if command.resumes:
            session.scope.reset()
        if session.log is not None:
            session.log.tag(self.cell, invocation.text)
        try:
            if invocation.processor is None:
                yield from self._call(invocation)
            else:
                yield from self._call_on(invocation, invocation.processor)
        finally:
            if session.log is not None:
                session.log.tag(self.cell, None)

    def _arguments(self, invocation: Invocation) -> Arguments:
        name, suffix = invocation.name, invocation.suffix
        return Arguments(self.session, invocation.arguments, name, suffix, self.run_block, self.trusted)

    def _call(self, invocation: Invocation) -> Iterator[Result]:
        arguments = self._arguments(invocation)
        result = invocation.command.function(self.session, arguments)
        if isinstance(result, Result):
            arguments.finish()
            yield result
        else:
            yield from result

    def _call_on(self, invocation: Invocation, processor: int) -> Iterator[Result]:
        """Another processor's answer (`1k`). Its state can be looked at, not changed."""
        if invocation.command.changes_target or invocation.command.resumes or "=" in invocation.arguments:
            raise UsageError(f"{invocation.name} can't run for another processor", f"switch first: ~{processor}s")
        before, scope = self.session.current_processor, self.session.scope
        context, frame = scope.context, scope.frame
        self.session.switch_processor(processor)
        try:
            yield from self._call(invocation)
        finally:
            self.session.switch_processor(before)
            scope.set(context, frame)


def execute(session: Session, text: str, cell: str | None = None) -> list[Result]:
    """The values of all commands of `text`."""
    return list(Runner(session, cell).run(text))


def run_breakpoint_commands(session: Session, text: str) -> None:
    """The commands of a breakpoint; what they show goes where the target's own prints go."""
    for result in Runner(session, trusted=False).run(text):
        shown = "" if isinstance(result, Running) else to_text(result)
        if shown:
            end = "" if isinstance(result, Text) and not result.ends_line else "\n"
            session.events.on_print.publish(DebugPrint(shown + end, session.current_processor))


def prompt(session: Session) -> str:
    """What WinDbg would show before a command: `0: kd>` on several processors, `kd>` on one."""
    return f"{session.current_processor}: kd>" if session.processor_count > 1 else "kd>"
