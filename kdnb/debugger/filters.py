"""Event filters: what `sx*` sets, and what exceptions and other events do to the running target.

Each filter has a break state (`break` at the first chance, `second` only at the second, `output` a line,
`ignore` nothing), a handling state (which status an exception goes on with) and commands. Names, defaults and the
order are those of WinDbg's documentation (the command reference, 7.14). An exception without a row of its own
follows `*`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdnb.errors import UnknownNameError
from kdnb.protocol.constants import ContinueStatus
from kdnb.protocol.names import exception_name
from kdnb.results.filters import EventFilterRow, EventFilterTable
from kdnb.symbols.wildcards import compile_wildcard

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ACTIONS", "EventFilter", "EventFilters"]

ACTIONS = ("break", "second", "output", "ignore")
PATTERN_LIMIT = 256


@dataclass(frozen=True, slots=True)
class EventFilter:
    """One row of `sx`."""

    name: str
    title: str
    action: str
    handled: bool | None = None
    """How an exception goes on after a plain `g`; None for what is no exception."""
    codes: tuple[int, ...] = ()
    pattern: str = ""
    """Only for a name that matches (`ld:disk`, `out:text`)."""
    commands: str = ""
    second_commands: str = ""

    def matches(self, text: str) -> bool:
        """Whether an image or a text is meant: the pattern may name a module with or without folder and extension."""
        if not self.pattern:
            return True
        name = text.replace("/", "\\").rsplit("\\", 1)[-1]
        matcher = compile_wildcard(self.pattern)
        return any(matcher.fullmatch(one) for one in (text, name, name.rsplit(".", 1)[0]))

    def matches_output(self, text: str) -> bool:
        """Whether printed text contains the pattern."""
        return not self.pattern or bool(compile_wildcard(f"*{self.pattern}*").fullmatch(text.replace("\n", " ")))

    def continue_status(self, status: int) -> int:
        """The status behind a plain `g`."""
        return status if self.handled is not False else int(ContinueStatus.DBG_EXCEPTION_NOT_HANDLED)


_EVENTS = (
    EventFilter("ld", "Load module", "ignore"),
    EventFilter("ud", "Unload module", "ignore"),
    EventFilter("ser", "System error", "ignore"),
    EventFilter("ibp", "Initial breakpoint", "ignore"),
    EventFilter("iml", "Initial module load", "ignore"),
    EventFilter("out", "Debuggee output", "output"),
)
_EXCEPTIONS = (
    EventFilter("av", "Access violation", "break", False, (0xC0000005,)),
    EventFilter("asrt", "Assertion failure", "break", True, (0xC0000420,)),
    EventFilter("bpe", "Break instruction exception", "break", True, (0x80000003,)),
    EventFilter("ch", "Invalid handle", "break", False, (0xC0000008,)),
    EventFilter("dm", "Data misaligned", "break", False, (0x80000002,)),
    EventFilter("dz", "Integer divide-by-zero", "break", False, (0xC0000094,)),
    EventFilter("c000008e", "Floating-point divide by zero", "break", False, (0xC000008E,)),
    EventFilter("eh", "C++ EH exception", "second", False, (0xE06D7363,)),
    EventFilter("gp", "Guard page violation", "break", False, (0x80000001,)),
    EventFilter("ii", "Illegal instruction", "second", False, (0xC000001D,)),
    EventFilter("iov", "Integer overflow", "break", False, (0xC0000095,)),
    EventFilter("ip", "In-page I/O error", "break", False, (0xC0000006,)),
    EventFilter("isc", "Invalid system call", "break", False, (0xC000001C,)),
    EventFilter("lsq", "Invalid lock sequence", "break", False, (0xC000001E,)),
    EventFilter("sbo", "Security check failure or stack buffer overrun", "break", False, (0xC0000409,)),
    EventFilter("sov", "Stack overflow", "break", False, (0xC00000FD,)),
    EventFilter("sse", "Single step exception", "break", True, (0x80000004,)),
    EventFilter("vs", "Verifier stop", "break", False, (0xC0000421,)),
    EventFilter("vcpp", "Visual C++ exception", "ignore", True, (0x406D1388,)),
    EventFilter("wkd", "Wake debugger", "break", False, (0x80000007,)),
    EventFilter("wob", "WOW64 breakpoint", "break", True, (0x4000001F,)),
    EventFilter("wos", "WOW64 single step exception", "break", True, (0x4000001E,)),
    EventFilter("*", "Other exception", "second", False),
)


class EventFilters:
    """The filters of a session. Iterates in the order of `sx`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """The defaults (`sxr`)."""
        self._filters = {one.name: one for one in (*_EVENTS, *_EXCEPTIONS)}

    def __iter__(self) -> Iterator[EventFilter]:
        return iter(self._filters.values())

    def __getitem__(self, name: str) -> EventFilter:
        """By name, or the number of an exception; `UnknownNameError` for neither."""
        found = self._filters.get(name.lower())
        if found is not None:
            return found
        code = _exception_code(name)
        if code is None:
            known = " ".join(self._filters)
            raise UnknownNameError(f"there is no event '{name[:40]}'", f"events here: {known}, or an exception's code")
        return self.of_exception(code)

    def of_exception(self, code: int) -> EventFilter:
        """The filter that decides about an exception."""
        return next((one for one in self if code in one.codes), self._filters["*"])

    def change(self, name: str, **changes: object) -> EventFilter:
        """Change one filter; an exception without a row gets its own. Raises `UnknownNameError`."""
        before = self[name]
        if before.name == "*" and name != "*":
            code = _exception_code(name)
            assert code is not None
            title = exception_name(code) or "Unknown exception"
            before = replace(before, name=f"{code:08x}", title=title, codes=(code,))
        pattern = str(changes.get("pattern", before.pattern))[:PATTERN_LIMIT]
        changed = replace(before, **changes | {"pattern": pattern})  # type: ignore[arg-type]  # names are EventFilter's own
        self._filters[changed.name] = changed
        return changed

    def table(self) -> EventFilterTable:
        """All of them as a value; `*` stands at the end."""
        ordered = sorted(self, key=lambda one: one.name == "*")
        rows = [
            EventFilterRow(one.name, one.title, one.action, one.handled, one.pattern, one.commands, one.second_commands)
            for one in ordered
        ]
        return EventFilterTable(tuple(rows))


def _exception_code(text: str) -> int | None:
    """`c0000005`, with or without `0x`."""
    digits = text.lower().removeprefix("0x").replace("`", "")
    try:
        code = int(digits, 16)
    except ValueError:
        return None
    return code if len(digits) >= 4 and code <= 0xFFFFFFFF else None
