"""A stack trace as a widget: a click opens a frame, with its registers and the code around the call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from kdnb.errors import KdnbError
from kdnb.render.lines import printable
from kdnb.render.text_stack import stack_foot, stack_head, stack_rows
from kdnb.render.widgets.registers import group_of, rank

if TYPE_CHECKING:
    from kdnb.results.stack import Frame, Stack

__all__ = ["FRAME_LIMIT", "StackWidget"]

_HERE = Path(__file__).parent
FRAME_LIMIT = 256

Details = Callable[["Frame"], str]
"""Text of the code around a frame's instruction pointer; raises a `KdnbError` when the stop is over."""


class StackWidget(anywidget.AnyWidget):
    """Shows one `Stack`; the code of a frame is asked for through `details` when it is opened first."""

    _esm = _HERE / "stack.js"
    _css = _HERE / "kdnb.css"
    head = traitlets.Unicode().tag(sync=True)
    frames: traitlets.List[list[str]] = traitlets.List().tag(sync=True)
    """Rows of [line, registers]."""
    note = traitlets.Unicode().tag(sync=True)

    def __init__(self, value: Stack, details: Details | None = None) -> None:
        self._stack = value
        self._details = details
        left_out = len(value.frames) - FRAME_LIMIT
        rows = zip(stack_rows(value), value.frames[:FRAME_LIMIT], strict=False)
        super().__init__(
            head=printable("\n".join(stack_head(value))),
            frames=[[printable(row), registers_text(frame, value.address_size)] for row, frame in rows],
            note=" ".join([*stack_foot(value), *([f"{left_out} more frames left out"] if left_out > 0 else [])]),
        )
        self.on_msg(self._answer)

    def _answer(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        number = content.get("number")
        if content.get("kind") != "open" or not isinstance(number, int) or not 0 <= number < len(self._stack.frames):
            return
        if self._details is None:
            return
        try:
            text = self._details(self._stack.frames[number])
        except KdnbError as error:
            text = str(error)
        self.send({"kind": "details", "number": number, "text": text})


def registers_text(frame: Frame, size: int) -> str:
    """The general registers as far as the unwinder knows them in this frame, four to a line."""
    known = [(name, value) for name, value in frame.registers.items() if group_of(name) == "general"]
    items = [f"{name:>3}={value:0{2 * size}x}" for name, value in sorted(known, key=lambda item: rank(item[0]))]
    return "\n".join(" ".join(items[at : at + 4]) for at in range(0, len(items), 4))
