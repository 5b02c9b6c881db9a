"""What the stub's API handlers know of one stop, and what they can ask for in return.

A handler takes a `Halt` and a request; it gives back the reply, or one of the four outcomes that
have none (protocol reference 3.2, columns N and S), or `SILENCE` for an API that is only acknowledged.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, TypeAlias

from kdnb.protocol.constants import MANIPULATE_SIZE, MAX_PAYLOAD, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.protocol.messages.manipulate import Manipulate
    from kdnb.simulator.machine import Machine
    from kdnb.simulator.stub_breakpoints import BreakpointTable


@dataclass(slots=True)
class Halt:
    """One stop: the machine stands still until an outcome lets it go."""

    machine: Machine
    breakpoints: BreakpointTable
    processor: int
    """The processor that announced the stop and answers for requests that name none."""
    context_was_read: bool = False
    """SetContext is refused until a GetContext succeeded in this stop (protocol reference 3.4)."""
    staged_context: bytearray = field(default_factory=bytearray)
    largest_read: int = MAX_PAYLOAD - MANIPULATE_SIZE
    """3944 bytes; a longer read is trimmed and still says success (measured on real targets)."""

    def chosen(self, request: Manipulate) -> int:
        """The processor that a memory request is about; 0xFFFF and the like mean the current one."""
        return request.processor if self.exists(request.processor) else self.processor

    def exists(self, processor: int) -> bool:
        return 0 <= processor < len(self.machine.processors)


@dataclass(frozen=True, slots=True)
class Resume:
    """The machine goes on. `trace` and `dr7` are None where the request had no control set."""

    status: int
    trace: bool | None = None
    dr7: int | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """Another processor is to announce itself."""

    processor: int


class Effect(Enum):
    """Outcomes that carry no value."""

    SILENCE = auto()
    REBOOT = auto()
    BUG_CHECK = auto()


Outcome: TypeAlias = "Manipulate | Resume | Switch | Effect"
Handler: TypeAlias = "Callable[[Halt, Manipulate, Any], Outcome]"
"""The third argument is the request's body: each handler declares the structure that its API has."""


def reply(request: Manipulate, status: int = Status.SUCCESS, data: bytes = b"", **fields: Any) -> Manipulate:
    """The request as its own answer: header and union echoed, only `fields` of the union changed."""
    body: Any = request.body
    return replace(request, status=int(status), body=replace(body, **fields), data=data)


def refuse(request: Manipulate, status: int = Status.UNSUCCESSFUL) -> Manipulate:
    """A failure without data; the union comes back as it was sent."""
    return reply(request, status)
