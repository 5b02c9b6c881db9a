"""Memory as a widget: a hex view that fetches what is scrolled into sight.

Only the first block travels with the widget; a view of a megabyte costs a notebook a few kilobytes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from kdnb.errors import KdnbError, MemoryReadError
from kdnb.render.text import to_text
from kdnb.results.addresses import format_place

if TYPE_CHECKING:
    from kdnb.results.memory import MemoryDump

__all__ = ["BLOCK_LINES", "Fetch", "MemoryWidget"]

_HERE = Path(__file__).parent
BLOCK_LINES = 64
"""Lines of one request of the view; the same number stands in memory.js."""

Fetch = Callable[[int, int], bytes]
"""Reads memory of the stop that the view was made at; raises a `KdnbError` when that stop is over."""


class MemoryWidget(anywidget.AnyWidget):
    """Shows one `MemoryDump`; what the dump does not hold is read through `fetch`."""

    _esm = _HERE / "memory.js"
    _css = _HERE / "kdnb.css"
    lines = traitlets.Int().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    initial: traitlets.List[str] = traitlets.List().tag(sync=True)

    def __init__(self, value: MemoryDump, fetch: Fetch | None = None) -> None:
        self._value = value
        self._fetch = fetch
        self._line = value.unit * value.columns
        start = format_place(value.address, value.address_size, value.segment)
        super().__init__(
            lines=-(-value.size // self._line),
            title=f"{value.command} {start} L{value.size // value.unit:x}  ({value.size} bytes)",
            initial=[self.block(0)],
        )
        self.on_msg(self._answer)

    def block(self, number: int) -> str:
        """Lines of block `number` in the layout of the command; raises a `KdnbError` when they can't be had."""
        start = number * BLOCK_LINES * self._line
        size = max(0, min(BLOCK_LINES * self._line, self._value.size - start))
        data = self._value.data[start : start + size]
        if len(data) < size and self._fetch is not None:
            try:
                data = self._fetch(self._value.address + start, size)
            except MemoryReadError as error:
                data = error.partial
        piece = dataclasses.replace(self._value, address=self._value.address + start, data=data, size=size)
        return to_text(piece)

    def _answer(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        number = content.get("number")
        if (
            content.get("kind") != "block"
            or not isinstance(number, int)
            or not 0 <= number <= self.lines // BLOCK_LINES
        ):
            return
        try:
            self.send({"kind": "block", "number": number, "text": self.block(number)})
        except KdnbError as error:
            self.send({"kind": "block", "number": number, "text": ""})
            self.send({"kind": "note", "text": f"{self.title}: {error}"})
