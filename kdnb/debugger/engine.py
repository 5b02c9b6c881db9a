"""The engine: the one thread that owns the target, and the queue through which everyone else asks.

A caller waits in slices of 50 ms, so that Ctrl-C is heard: the first asks the target to break in or the command to
end, the second gives up waiting and leaves the session usable. Only "break wanted" goes around the queue.

A short look needs no switch of threads where the engine only waits for the next call: it lends its place to the caller
for as long as the look takes.
"""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from kdnb.debugger.interrupts import Deferred
from kdnb.errors import Cancelled, UsageError
from kdnb.results.events import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.debugger.session import Session
    from kdnb.errors import KdnbError

__all__ = ["Engine", "clock"]

T = TypeVar("T")

CALLER_SLICE = 0.05
IDLE_SLICE = 0.25
"""Longest wait for an event of the target with nothing else to do; a new job ends it at once."""
LINGER = 0.01
"""After a job the engine waits so long for the next one before it listens to the stopped target: loops over short calls
save the two system calls that would end the listening. A target repeats what isn't acknowledged every 17 ms or more."""
JOIN_TIMEOUT = 5.0

clock = time.monotonic
"""The clock that sessions and live targets are given."""


class _Job:
    """A call that somebody waits for.

    The waiter may be interrupted between any two of its steps: waiting again after the end, or being queued
    twice, must do no harm.
    """

    __slots__ = ("_ended", "_taken", "_waiting", "arguments", "error", "function", "keywords", "result")

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.function = function
        self.arguments = arguments
        self.keywords = keywords
        self._taken = self._ended = False
        self._waiting = threading.Lock()  # the cheapest thing to wait for, and each call waits
        self._waiting.acquire()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        if self._taken:
            return
        self._taken = True
        try:
            self.result = self.function(*self.arguments, **self.keywords)
        except BaseException as error:  # handed to the caller, whatever it is
            self.error = error
        self._end()

    def refuse(self, error: KdnbError) -> None:
        """The job will not run."""
        if not self._taken:
            self._taken = True
            self.error = error
            self._end()

    def _end(self) -> None:
        self._ended = True
        self._waiting.release()

    def wait(self, timeout: float) -> bool:
        """True once it has ended."""
        if not self._ended:
            self._waiting.acquire(timeout=timeout)
        return self._ended


class _Question:
    """What the target wants to know."""

    __slots__ = ("answer", "done", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.answer: str | None = None
        self.done = threading.Event()


def _has_stop(result: object) -> bool:
    """Whether a result is a stop of the target, or a list with one in it."""
    return isinstance(result, Stop) or (isinstance(result, list) and any(isinstance(value, Stop) for value in result))


class Engine:
    """Runs one session on its own thread."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._lingering = False
        """The thread waits for a job in the queue, not for the target."""
        self._place = threading.Lock()
        """Held by the one thread that uses the session; free only while the engine's thread lends it."""
        self._holder: int | None = None
        """The thread that has it."""
        self._deferred = Deferred(session.request_cancel)
        self._lent = False
        """It was lent since the engine's thread looked last."""
        self._depth = 0
        self.asker: Callable[[str], str | None] | None = None
        """Asks a person (`input`); called on the main thread while that waits in `call`."""
        self._callers = 0
        """Calls in which the main thread waits now."""
        self._question: _Question | None = None
        session.between_events = self._serve_others
        self._thread = threading.Thread(target=self._run, name="kdnb engine", daemon=True)
        self._thread.start()

    def call(self, function: Callable[..., T], *arguments: Any, **keywords: Any) -> T:
        """Run `function` on the engine's thread and wait for its value. From any thread, the engine's own included.

        An interrupt meanwhile cancels it and is raised again, so that a loop over calls ends as well.
        """
        result, interrupted = self._carry_out(_Job(function, arguments, keywords))
        if interrupted:
            raise KeyboardInterrupt
        return result  # type: ignore[no-any-return]  # what `function` gave

    def run(self, function: Callable[..., T], *arguments: Any, **keywords: Any) -> T:
        """Like `call`, for what lets the target run: an interrupt breaks in, and the stop that follows answers it."""
        result, interrupted = self._carry_out(_Job(function, arguments, keywords))
        if interrupted and not _has_stop(result):
            raise KeyboardInterrupt
        return result  # type: ignore[no-any-return]  # what `function` gave

    def look(self, function: Callable[..., T], *arguments: Any) -> T:
        """Like `call`, for what ends soon once it is cancelled, as all that only reads memory or registers does.

        It runs on the caller's own thread where the engine has nothing else to do. A second interrupt then has nothing
        to give up: the first has ended it.
        """
        caller = threading.get_ident()
        if self._lingering and caller != self._holder and not self.session.cancel_requested():
            with self._deferred:
                if self._place.acquire(blocking=False):
                    try:
                        self._holder = caller
                        self._lent = True
                        return function(*arguments)
                    finally:
                        self._holder = self._thread.ident
                        self._place.release()
        return self.call(function, *arguments)

    def _carry_out(self, job: _Job) -> tuple[Any, bool]:
        """The job's result, and whether the user interrupted meanwhile; its error is raised."""
        caller = threading.get_ident()
        if caller == self._holder:
            return job.function(*job.arguments, **job.keywords), False
        if self._closed:
            raise UsageError("the session is closed", "connect again")
        is_main = caller == threading.main_thread().ident
        self._callers += is_main
        try:
            interrupted = self._wait_for(job, is_main=is_main)
        finally:
            self._callers -= is_main
        if job.error is not None:
            raise job.error
        return job.result, interrupted

    def _wait_for(self, job: _Job, *, is_main: bool) -> bool:
        """Wait until the job has ended. True when the user interrupted meanwhile."""
        submitted = interrupted = False
        while True:
            try:
                if not submitted:
                    self._submit(job)
                    submitted = True
                while not job.wait(CALLER_SLICE):
                    if not self._thread.is_alive():
                        raise UsageError("the session is closed", "connect again")
                    if is_main and self._question is not None:
                        self._put_question(self._question)
                return interrupted
            except KeyboardInterrupt:
                if interrupted:
                    self.session.execution.give_up()
                    hint = "the session stays usable: kd.break_in() stops the target"
                    raise Cancelled("gave up waiting", hint) from None
                interrupted = True
                self.session.request_cancel()

    def _put_question(self, question: _Question) -> None:
        """Ask the person; an interrupt or a frontend that can't ask leaves it without an answer."""
        self._question = None
        try:
            question.answer = self.asker(question.text) if self.asker is not None else None
        except KeyboardInterrupt:
            self.session.request_cancel()
        except Exception as error:  # input() of a frontend: anything can come
            self.session.events.failures.append(error)
        finally:
            question.done.set()

    def ask(self, text: str) -> str | None:
        """Have the main thread ask a person, if it waits for the engine; None where nobody can be asked.

        On the engine's thread. The target stands still as long as the person thinks.
        """
        if self.asker is None or not self._callers:
            return None
        self._question = question = _Question(text)
        while not question.done.wait(CALLER_SLICE):
            if self._closed or not self._callers:
                self._question = None
                return None
        return question.answer

    def _submit(self, job: _Job) -> None:
        self._jobs.put(job)
        if not self._lingering:
            self.session.target.wake()

    def close(self) -> None:
        """End the thread. What still waits in the queue gets an error."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        self.session.execution.give_up()
        if threading.current_thread() is not self._thread:
            self._thread.join(JOIN_TIMEOUT)

    # --- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        self._place.acquire()
        self._holder = threading.get_ident()
        while not self._closed:
            if self._run_waiting():
                self._linger()
            else:
                try:
                    self.session.execution.serve(IDLE_SLICE)
                except Exception as error:  # the thread must live: whoever asks next hears what is wrong
                    self.session.events.failures.append(error)
            if self.session.lost and not self._closed:
                # nothing can come from the target any more, but its line may be opened again
                self._run_one(wait=self.session.connecting.until_retry())
        while self._run_waiting(refuse=True):
            pass

    def _linger(self) -> None:
        """Run what comes at once again, and lend the place meanwhile. Whoever submits afterwards sees that the thread
        listens to the target."""
        while not (self._closed or self.session.is_running) and (self._run_one(wait=LINGER, lend=True) or self._lent):
            pass

    def _run_waiting(self, *, refuse: bool = False) -> bool:
        """Run what is queued; False if there was nothing."""
        ran = False
        while self._run_one(refuse=refuse):
            ran = True
        return ran

    def _run_one(self, *, wait: float | None = 0.0, refuse: bool = False, lend: bool = False) -> bool:
        """Run the next job, waiting for it up to `wait` seconds, or for ever; False if none came.

        With `lend` others may use the session while nothing comes.
        """
        try:
            if lend:
                self._lent = False
                self._place.release()
            self._lingering = wait != 0.0
            job = self._jobs.get(wait != 0.0, wait)
        except Empty:
            return False
        finally:
            self._lingering = False
            if lend:
                self._place.acquire()
        if job is None:
            return True
        if refuse:
            job.refuse(UsageError("the session is closed", "connect again"))
            return True
        self._depth += 1
        try:
            if self._depth == 1:
                self.session.clear_cancel()
            job.run()
        finally:
            self._depth -= 1
        return True

    def _serve_others(self) -> None:
        """While a job waits for the target, others may look: they find it running, or stopped again."""
        if self._depth < MAX_DEPTH:
            self._run_waiting()


MAX_DEPTH = 8
"""Jobs that wait inside each other; more would only be a mistake that repeats itself."""
