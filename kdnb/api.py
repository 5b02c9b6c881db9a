"""What a script holds: `connect()`, `Debugger`, `open_capture()`. Every method may be called from any thread.

A debugger is one engine thread that owns a session; what is here posts to it and waits. Connecting waits for neither
symbols nor a symbol server.
"""

from __future__ import annotations

import atexit
import glob
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdnb.capture.log import PacketLog
from kdnb.capture.open import Capture, open_capture
from kdnb.commands.run import Runner, run_breakpoint_commands
from kdnb.debugger.engine import Engine, clock
from kdnb.debugger.line import Line
from kdnb.debugger.process_views import ProcessesView, ThreadsView
from kdnb.debugger.session import Session
from kdnb.debugger.typed_views import TypesView, list_at, struct_at
from kdnb.debugger.views import BreakpointsView, MemoryView, ModulesView, RegistersView, SymbolsView
from kdnb.errors import CapturesError, KdnbError, StaleError, UnsupportedError, UsageError
from kdnb.protocol.constants import ContinueStatus
from kdnb.symbols.download import progress_lines
from kdnb.symbols.store import SymbolPath
from kdnb.target.live import LiveTarget
from kdnb.target.settings import live_settings
from kdnb.transport.registry import parse_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas

    from kdnb.debugger.events import Events
    from kdnb.debugger.structs import Struct, StructList
    from kdnb.protocol.link_events import LinkStatistics
    from kdnb.results.base import Result
    from kdnb.results.events import Stop
    from kdnb.results.stack import Stack
    from kdnb.target.base import Capability
    from kdnb.target.files import FileService
    from kdnb.transport.registry import Spec

__all__ = ["Capture", "Debugger", "connect", "open_capture", "open_captures"]


def connect(
    spec: str,
    symbols: str | Path | None = None,
    timeout: float = 30.0,
    break_in: bool = True,
    read_only: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Debugger:
    """Connect to a target and stop it, or raise `ConnectError` after `timeout` seconds.

    `spec` is a connection string: `sim:`, `sim:scenario=boot`, `tcp:127.0.0.1:5555`, `com:port=/dev/ttyS0,baud=115200`,
    `unix:/tmp/kd.sock`, `net:port=50000,key=1.2.3.4`. `symbols` is a symbol path (a folder, or `;` lists as in
    WinDbg). With `break_in=False` it returns as soon as the line is open, and the first stop is an event.
    `progress` is told now and then, in one line, what is waited for and why that may be; downloads of symbols too.
    """
    if not (isinstance(timeout, (int, float)) and 0 <= timeout <= MAX_TIMEOUT):
        raise UsageError(f"timeout={timeout!r} is no number of seconds", f"from 0 to {MAX_TIMEOUT:g}")
    parsed = parse_spec(spec)
    path = str(symbols) if symbols is not None else str(SymbolPath.from_environment())
    if parsed.scheme == "replay":
        raise UnsupportedError("a capture can't be debugged yet", f"read it: kdnb.open_capture({parsed.argument!r})")
    if parsed.scheme in ("dump", "snapshot"):
        raise UnsupportedError("dumps can't be opened yet", "connect to a live target")
    deadline = clock() + timeout
    line = Line(parsed, spec, PacketLog(parsed.options.get("key")), timeout)
    try:
        session = _session(line, parsed, path, deadline, progress, read_only=read_only)
        debugger = Debugger(session, line)
    except BaseException:
        line.close()
        raise
    try:
        debugger._engine.call(session.connect, max(deadline - clock(), MIN_TIMEOUT), break_in=break_in)
    except BaseException:
        debugger._abandon()
        raise
    return debugger


def _session(
    line: Line,
    spec: Spec,
    symbol_path: str,
    deadline: float,
    progress: Callable[[str], None] | None,
    *,
    read_only: bool,
) -> Session:
    """A session over a fresh line, not connected yet."""
    tell = progress or (lambda _: None)
    settings = live_settings(spec.options)
    pump = line.open_within(lambda: deadline - clock(), threading.Event().wait, tell)
    target = LiveTarget(pump, clock=clock, settings=settings, open_pump=line.open)
    machine = line.machine
    session = Session(
        target,
        clock=clock,
        log=line.log,
        run_commands=run_breakpoint_commands,
        symbol_path=symbol_path if machine is None else ";".join(filter(None, [symbol_path, machine.symbols])),
        read_only=read_only,
        spec=str(spec),
    )
    target.cancelled = session.cancel_requested
    target.progress = tell
    session.connecting.retry_for = line.retry_for
    session.symbols.on_progress = progress_lines(tell)
    return session


def open_captures(pattern: str | Path, keys: Mapping[str, str] | Sequence[str] | str = ()) -> list[Capture]:
    """All captures that match a file pattern, in order of their paths; none where a pattern matches nothing.

    `keys` are tried in turn, or looked up by path or file name; one alone can be given as it is. All files are tried:
    if one of several can't be opened, `CapturesError` holds the others. A path without `*`, `?` or `[` is one file.
    """
    text = str(pattern)
    is_pattern = glob.escape(text) != text and not Path(text).exists()
    paths = sorted(glob.glob(text)) if is_pattern else [text]
    opened: list[Capture] = []
    failed: dict[str, KdnbError] = {}
    for path in paths:
        tried: list[str | None]
        if isinstance(keys, str):
            tried = [None, keys]
        elif isinstance(keys, Mapping):
            tried = [keys.get(path, keys.get(Path(path).name))]
        else:
            tried = [None, *keys]
        try:
            opened.append(_open_with(path, tried))
        except KdnbError as error:
            if len(paths) == 1:
                raise
            failed[path] = error
    if failed:
        raise CapturesError(opened, failed)
    return opened


def _open_with(path: str, keys: Sequence[str | None]) -> Capture:
    """The capture, by the first key that fits."""
    for key in keys[:-1]:
        try:
            return open_capture(path, key)
        except KdnbError:
            continue
    return open_capture(path, keys[-1])


class Debugger:
    """A connected debugger. Memory verbs, collections, running, commands; `close()` lets the target run on."""

    def __init__(self, session: Session, line: Line | None = None) -> None:
        self._session = session
        self._line = line
        self._closed = False
        self._engine = Engine(session)
        atexit.register(self.close)  # a script that just ends must not leave a machine frozen
        self._memory = MemoryView(self._engine, session.memory)
        self.physical = MemoryView(self._engine, session.physical)
        """Physical memory, with the same verbs."""
        self.registers = RegistersView(self._engine)
        self.modules = ModulesView(self._engine)
        self.symbols = SymbolsView(self._engine)
        self.types = TypesView(self._engine)
        self.breakpoints = BreakpointsView(self._engine)
        self.processes = ProcessesView(self._engine)
        self.threads = ThreadsView(self._engine)
        self.read = self._memory.read
        self.read_u8 = self._memory.read_u8
        self.read_u16 = self._memory.read_u16
        self.read_u32 = self._memory.read_u32
        self.read_u64 = self._memory.read_u64
        self.read_pointer = self._memory.read_pointer
        self.read_string = self._memory.read_string
        self.write = self._memory.write

    def __repr__(self) -> str:
        state = "closed" if self._closed else "running" if self.stop is None else f"stopped: {self.stop.reason}"
        return f"<kdnb debugger {self._session.spec} {state}>"

    def __enter__(self) -> Debugger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- commands and questions -----------------------------------------------------------------

    def execute(
        self, text: str, *, on_result: Callable[[Result], object] | None = None, cell: str | None = None
    ) -> list[Result]:
        """Run a command list and give its values. `CommandError` at a failure has those so far in `.results`.

        `on_result` is called with each value as its command ends, on the engine's thread; `cell` goes into the
        packet log beside the commands.
        """

        def job() -> list[Result]:
            results: list[Result] = []
            for result in Runner(self._session, cell).run(text):
                results.append(result)
                if on_result is not None:
                    on_result(result)
            return results

        return self._engine.run(job)

    def evaluate(self, text: str) -> int:
        """Value of a MASM expression."""
        return self._engine.call(self._session.evaluate, text)

    def stack(self, limit: int = 256) -> Stack:
        """The call stack of the current processor."""
        return self._engine.call(self._session.unwind, limit)

    def complete(self, fragment: str, limit: int = 100) -> list[str]:
        """Names that begin with `fragment`: registers and pseudo-registers, modules, their symbols.

        Nothing is downloaded for it.
        """
        return self._engine.call(self._complete, fragment, limit)

    def _complete(self, fragment: str, limit: int) -> list[str]:
        session = self._session
        if fragment.startswith(("@$", "$")):
            sign, _, begin = fragment.partition("$")
            names = session.environment.pseudo_register_names()
            return [f"{sign}${n}" for n in names if n.startswith(begin.lower())][:limit]
        if fragment.startswith("@"):
            return ["@" + n for n in session.registers.names() if n.startswith(fragment[1:].lower())][:limit]
        if "!" in fragment and not session.is_running:
            return sorted(name for _, name in session.symbols.search(f"{fragment}*", limit, cheap=True))
        return [f"{m.name}!" for m in session.modules if m.name.lower().startswith(fragment.lower())][:limit]

    # --- running --------------------------------------------------------------------------------

    @property
    def stop(self) -> Stop | None:
        """The present stop; None while the target runs."""
        return self._session.stop

    @property
    def is_running(self) -> bool:
        return self._session.is_running

    def go(self, wait: bool = True, timeout: float | None = None) -> Stop | None:
        """Run. Gives the next stop, or None without `wait` and when `timeout` seconds pass.

        While the target runs already (after a timeout), it waits for its next stop.
        """
        return self._engine.run(self._session.go, ContinueStatus.DBG_CONTINUE, None, timeout, wait=wait)

    def step(self, count: int = 1) -> Stop:
        """One instruction, into calls."""
        return self._engine.call(self._session.step, count)

    def step_over(self, count: int = 1) -> Stop:
        """One instruction; a call is one."""
        return self._engine.call(self._session.step_over, count)

    def step_out(self) -> Stop:
        """Run until the present function has returned."""
        return self._engine.run(self._session.step_out)

    def break_in(self, timeout: float | None = None) -> Stop:
        """Stop the running target."""
        self._session.request_break()
        return self._engine.run(self._session.break_in, timeout)

    def request_break(self) -> None:
        """Ask for a stop and return at once; it comes as an event. From any thread, also in a signal handler."""
        self._session.request_break()

    def require_current(self, stop: Stop) -> None:
        """Raise `StaleError` unless `stop` is the present one."""
        present = self._session.stop
        if present is None or present.sequence != stop.sequence:
            raise StaleError("this was taken at an earlier stop", "ask again at the present one")

    def switch_processor(self, processor: int) -> Stop:
        """Look at the target through another processor (`~Ns`)."""
        return self._engine.call(self._session.switch_processor, processor)

    # --- facts ----------------------------------------------------------------------------------

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this target can do: ask before you call."""
        return self._session.target.capabilities

    @property
    def events(self) -> Events:
        """Callbacks: `on_stop`, `on_print`, `on_module`, `on_state`. They run on the engine's thread."""
        return self._session.events

    def answer_prompts(self, answer: Callable[[str], str | None] | str | None) -> None:
        """What to answer when the target asks (DbgPrompt): a text, or a function that gets the question.

        The function runs on the engine's thread. Without an answer the target is told to break once, or to ignore
        where it asks in the middle of a request.
        """
        if callable(answer):
            function, events = answer, self._session.events

            def guarded(question: str) -> str | None:
                with events.calling():
                    return function(question)

            self._session.target.answer = guarded
        else:
            self._session.target.answer = None if answer is None else lambda _: answer

    def ask_prompts(self, ask: Callable[[str], str | None]) -> None:
        """Have a person answer what the target asks: `ask(question)`, for example `input`.

        It is called on the main thread while that waits for the debugger; else the target gets the default answer.
        """
        self._engine.asker = ask
        self._session.target.answer = self._engine.ask

    @property
    def files(self) -> FileService:
        """Files that the target may read (`.kdfiles`): `files.allow(folder)`, `files.add(old, new)`."""
        return self._session.target.files

    @property
    def processor_count(self) -> int:
        return self._session.processor_count

    @property
    def read_only(self) -> bool:
        return self._session.read_only

    @property
    def session(self) -> Session:
        """The session behind; use it on the engine's thread only (`run`)."""
        return self._session

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call `function(session, ...)` on the engine's thread: many small steps without a hand-over for each."""
        return self._engine.call(function, self._session, *arguments)

    def packets(self, summary: bool = False) -> pandas.DataFrame:
        """Everything that went over the wire, as a DataFrame, with the cell and command that caused it."""
        assert self._session.log is not None
        return self._session.log.packets(summary)

    def link_statistics(self) -> LinkStatistics:
        """Counters of the link: packets, repetitions, damage, dropped datagrams."""
        return self._session.target.statistics

    def reconnect(self, timeout: float = 30.0) -> Stop | None:
        """Open the line anew and stop the target: after a lost link, or a target that has been replaced.

        Breakpoints, log and callbacks stay; what was known of the target is read again. Gives the stop.
        """
        return self._engine.call(self._session.reconnect, timeout)

    # --- typed memory ---------------------------------------------------------------------------

    def struct(self, type_name: str, address: int | str) -> Struct:
        """A struct at an address or expression: `kd.struct("nt!_EPROCESS", "@$proc").ImageFileName`."""
        return struct_at(self._engine, type_name, address)

    def list(self, head: int | str, type_name: str, link: str) -> StructList:
        """The structs of a list: `kd.list("nt!PsActiveProcessHead", "nt!_EPROCESS", "ActiveProcessLinks").df`."""
        return list_at(self._engine, head, type_name, link)

    # --- the end --------------------------------------------------------------------------------

    def close(self) -> None:
        """Like `qd`: remove the breakpoints, let the target run, close the line. Harmless when done already."""
        if self._closed:
            return
        try:
            if self._session.is_running and not self._session.lost and len(self.breakpoints):
                self.break_in(CLOSE_TIMEOUT)  # breakpoints can only be taken out of a stopped target
            self._session.target.hasten()
            self._engine.call(self._session.detach)
        except KdnbError as error:
            self._session.events.failures.append(error)  # the line is gone: there is nobody to say goodbye to
        finally:
            self._abandon()

    def _abandon(self) -> None:
        self._closed = True
        atexit.unregister(self.close)
        self._engine.close()
        self._session.target.close()
        if self._line is not None:
            self._line.close()


MAX_TIMEOUT = 1e6
"""Seconds; what waits for threads and processes takes no infinity."""
MIN_TIMEOUT = 1.0
"""Seconds left for a target to answer, even where opening its line took all there were."""
CLOSE_TIMEOUT = 5.0
"""Seconds that `close` waits for a running target to stop."""
