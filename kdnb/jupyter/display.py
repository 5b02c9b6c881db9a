"""Widgets beside the static views: registers, memory and stacks get a widget in their mimebundle.

The bundle always holds `text/plain` and `text/html` too, so a saved notebook and a frontend without widgets
show the same values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdnb.render.widgets.memory import MemoryWidget
from kdnb.render.widgets.registers import RegistersWidget
from kdnb.render.widgets.stack import StackWidget
from kdnb.results.base import present
from kdnb.results.memory import MemoryDump
from kdnb.results.registers import RegisterSet
from kdnb.results.stack import Frame, Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from kdnb.jupyter.notebook import Notebook

__all__ = ["register_widgets"]

CODE_BEFORE = 3
CODE_AFTER = 4


def register_widgets(shell: InteractiveShell, notebook: Notebook) -> None:
    """Show results of these types with a widget; needs a frontend, so a terminal IPython is left as it is."""
    if getattr(shell, "kernel", None) is None:
        return
    views = _Views(notebook)
    assert shell.display_formatter is not None  # made with the shell
    formatter = shell.display_formatter.mimebundle_formatter
    formatter.for_type(RegisterSet, _bundled(RegistersWidget))
    formatter.for_type(MemoryDump, _bundled(views.memory))
    formatter.for_type(Stack, _bundled(views.stack))


def _bundled(make: Callable[[Any], Any]) -> Callable[..., dict[str, Any]]:
    def bundle(value: Any, include: object = None, exclude: object = None) -> dict[str, Any]:
        widget = make(value)._repr_mimebundle_()
        data = widget[0] if isinstance(widget, tuple) else widget
        return {**(data or {}), **present(value)}

    return bundle


class _Views:
    """Makes widgets that may ask the debugger later, but only about the stop that they were made at."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook

    def memory(self, value: MemoryDump) -> MemoryWidget:
        debugger = self._notebook.debugger
        if debugger is None or debugger.stop is None:
            return MemoryWidget(value)
        stop = debugger.stop
        space = debugger.physical if value.physical else debugger

        def fetch(address: int, size: int) -> bytes:
            debugger.require_current(stop)
            return space.read(address, size)

        return MemoryWidget(value, fetch)

    def stack(self, value: Stack) -> StackWidget:
        debugger = self._notebook.debugger
        if debugger is None or debugger.stop is None:
            return StackWidget(value)
        stop = debugger.stop

        def details(frame: Frame) -> str:
            debugger.require_current(stop)
            at = frame.instruction_pointer
            before, after = debugger.execute(f"ub {at:#x} L{CODE_BEFORE}; u {at:#x} L{CODE_AFTER}")
            return f"{before}\n{after}"

        return StackWidget(value, details)
