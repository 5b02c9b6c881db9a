"""What the engine asks of a target, and what a target says of itself.

A target answers requests while it is stopped and gives events; it caches nothing and knows no symbols.
Ask `capabilities` before calling: a dump can't run, a recording can't be written.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from kdnb.protocol.messages.state_change import StateChange64
from kdnb.protocol.messages.state_change32 import StateChange32

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kdnb.errors import RequestFailed
    from kdnb.protocol.link_events import LinkStatistics
    from kdnb.protocol.messages.manipulate import Manipulate
    from kdnb.protocol.wire import Structure
    from kdnb.target.files import FileService

__all__ = [
    "Capability",
    "Change",
    "LinkLost",
    "Printed",
    "Prompted",
    "Refused",
    "Restarted",
    "StateChanged",
    "Target",
    "TargetEvent",
]


Change = StateChange64 | StateChange32
"""What a target says when it stops."""


class Capability(Enum):
    """What a target may be able to do."""

    READ_VIRTUAL = auto()
    WRITE_VIRTUAL = auto()
    READ_PHYSICAL = auto()
    WRITE_PHYSICAL = auto()
    REGISTERS = auto()
    WRITE_REGISTERS = auto()
    CONTROL_SPACE = auto()
    EXECUTION = auto()
    BREAKPOINTS = auto()
    IO = auto()
    MSR = auto()
    BUS = auto()


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The target has stopped and waits: an exception, an image loaded or unloaded, a command string."""

    change: Change


@dataclass(frozen=True, slots=True)
class Printed:
    """Text from DbgPrint; untrusted bytes in the target's ANSI code page."""

    text: bytes
    processor: int = 0


@dataclass(frozen=True, slots=True)
class Prompted:
    """The target asked a question (DbgPrompt) and got `answer`."""

    text: bytes
    answer: bytes
    processor: int = 0


@dataclass(frozen=True, slots=True)
class Restarted:
    """The target began anew (its packet carried the SYNC id): everything known about it is void."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that is only answered where it is refused (switch, restart, bug check): the stop lasts."""

    error: RequestFailed


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The line is gone, or the link gave up."""

    reason: str


TargetEvent = StateChanged | Printed | Prompted | Restarted | Refused | LinkLost


class Target(Protocol):
    """Who answers. Addresses are numbers as the target's own pointers have them (sign extension is done here)."""

    capabilities: frozenset[Capability]
    files: FileService
    """Answers the target's requests for files."""
    answer: Callable[[str], str | None] | None
    """Gives the answer to a question of the target (DbgPrompt)."""

    @property
    def statistics(self) -> LinkStatistics:
        """Counters of the link."""

    @property
    def request_size(self) -> int:
        """Bytes of memory that one request carries just now."""

    def connect(self, timeout: float, *, break_in: bool) -> None:
        """Get in touch: returns once the target was heard, or (`break_in=False`) once the line is open.

        Raises `ConnectError` when `timeout` seconds pass in silence.
        """

    def reopen(self) -> None:
        """Open the line anew after it was lost; `connect` comes next. `ConnectError` where nobody is there."""

    def try_reopen(self, timeout: float = 0.0) -> bool:
        """Open the line anew without waiting for it: True once it is open, `listen` comes next. `ConnectError` where
        nobody is there; the next call tries again."""

    def listen(self) -> None:
        """Hear what a line that was opened anew has to say, without asking a running target to stop."""

    def request(self, api: int, body: Structure, data: bytes = b"", processor: int | None = None) -> Manipulate:
        """One request and its reply; `RequestFailed` where the reply carries a failure status."""

    def read_virtual(self, address: int, size: int) -> bytes:
        """The bytes up to the first hole, at most `size`."""

    def write_virtual(self, address: int, data: bytes) -> int:
        """How many bytes went in."""

    def read_physical(self, address: int, size: int) -> bytes: ...

    def write_physical(self, address: int, data: bytes) -> int: ...

    def get_context(self, processor: int) -> bytes:
        """The whole CONTEXT record of a processor."""

    def set_context(self, processor: int, data: bytes) -> None: ...

    def read_control_space(self, processor: int, address: int, size: int) -> bytes:
        """What there is of `size` bytes; the meaning of `address` differs by machine (3.7)."""

    def write_control_space(self, processor: int, address: int, data: bytes) -> None: ...

    def write_breakpoint(self, address: int) -> int:
        """Insert a breakpoint; gives its handle. `RequestFailed` where the target refuses."""

    def write_breakpoints(self, addresses: Sequence[int]) -> list[int]:
        """Several at once; 0 for one that was refused. Some targets don't survive it."""

    def restore_breakpoint(self, handle: int) -> bool:
        """Take a breakpoint out; False where the handle is free already, which is no error."""

    def resume(self, processor: int, status: int, trace: bool, dr7: int) -> None:
        """Continue the stopped target; returns when the target has it."""

    def switch_processor(self, processor: int) -> None:
        """Let another processor talk; it announces itself by a state change."""

    def send_away(self, api: int, processor: int) -> None:
        """Reboot or CauseBugCheck: a request after which the target is no longer stopped, and never replies."""

    def tell(self, api: int, body: Structure, processor: int) -> None:
        """A request that is only acknowledged, never answered; the target is still stopped then."""

    def wait(self, timeout: float) -> TargetEvent | None:
        """The next event; None after `timeout` seconds or after `wake()`."""

    def wake(self) -> None:
        """End a `wait` at once; from any thread."""

    def break_in(self) -> None:
        """Ask a running target to stop; the stop comes as an event."""

    def hasten(self) -> None:
        """The session ends: a target that doesn't answer isn't waited for as long as usual."""

    def close(self) -> None: ...
