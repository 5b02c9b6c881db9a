"""The register context that the user looks at: the processor's own, or one set by `.trap`, `.cxr`, `.frame /c`.

Registers, expressions, `u` and `k` go through it; running and breakpoints never do. A set context can only be read,
and ends when the target runs or another processor is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.debugger.register_names import ALIASES, part_of, program_counter, stack_pointer
from kdnb.debugger.registers import MACHINE_NAMES
from kdnb.results.registers import RegisterSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.debugger.session import Session
    from kdnb.target.base import Change

__all__ = ["RegisterContext", "Scope"]

LAST_SET_CONTEXT = "Last set context:"


@dataclass(frozen=True, slots=True)
class RegisterContext:
    """Registers that somebody chose to look at."""

    values: Mapping[str, int]
    """Lower-case names; what is missing is the processor's own."""
    origin: str
    """The command that set it, `.trap`."""


class Scope:
    """What `r`, `k`, `u` and expressions of a session mean by registers."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._context: RegisterContext | None = None
        self._frame = 0
        self._change: Change | None = None

    @property
    def context(self) -> RegisterContext | None:
        """The set context; None where the processor's own registers are meant."""
        return self._context if self._is_present else None

    @property
    def frame(self) -> int:
        """Number of the frame chosen by `.frame`, counted in the present context."""
        return self._frame if self._is_present else 0

    @property
    def _is_present(self) -> bool:
        return self._change is not None and self._change is self._session.change

    def set(self, context: RegisterContext | None, frame: int = 0) -> None:
        """Look at `context` (None: the processor's own) and at one of its frames until the target runs."""
        self._session.require_stopped()
        self._context, self._frame, self._change = context, frame, self._session.change
        for name in ("u", "ub"):  # listings begin anew at the context's instruction
            self._session.positions.pop(name, None)

    def reset(self) -> None:
        """Back to the processor's own registers."""
        self._context, self._frame, self._change = None, 0, None

    # --- registers ------------------------------------------------------------------------------

    def find(self, name: str) -> int | None:
        """Value of a register, sub-register or flag; None for what is no register."""
        return self.get(name) if self._session.registers.has(name) else None

    def get(self, name: str) -> int:
        """Like `find`; `UnknownNameError` for what is no register."""
        context = self.context
        if context is None:
            return self._session.registers.get(name)
        name = ALIASES.get(name.lower(), name.lower())
        part = part_of(self._session.machine, name)
        if part is not None:
            return part.extract(self.get(part.register))
        value = context.values.get(name)
        return self._session.registers.get(name) if value is None else value

    def values(self, *, special: bool = False) -> dict[str, int]:
        """All registers; `special` as in `Registers.values`."""
        own = self._session.registers.values(special=special)
        context = self.context
        return own if context is None else own | dict(context.values)

    @property
    def pc(self) -> int:
        """The instruction pointer."""
        return self.get(program_counter(self._session.machine)) if self.context else self._session.registers.pc

    @property
    def sp(self) -> int:
        return self.get(stack_pointer(self._session.machine))

    def snapshot(self, mask: int = 0, *, special: bool = False, heading: str = LAST_SET_CONTEXT) -> RegisterSet:
        """The registers as a value; a set context has a heading and no changes."""
        context = self.context
        if context is None:
            return self._session.registers.snapshot(mask=mask, special=special)
        return self.describe(self.values(special=special), mask, heading)

    def describe(self, values: dict[str, int], mask: int = 0, heading: str = "") -> RegisterSet:
        """Any registers as a value, with the instruction that they point to."""
        session = self._session
        pc = values[program_counter(session.machine)]
        return RegisterSet(
            machine=MACHINE_NAMES[session.machine],
            processor=session.current_processor,
            values=values,
            symbol=session.symbols.format(pc),
            instruction=session.registers.instruction(pc, values),
            mask=mask,
            heading=heading,
        )
