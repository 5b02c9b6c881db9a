"""Target output in the right cell: DbgPrint text goes to the cell that resumed the target, however late it comes.

IPython's own streams follow the cell that runs now; text from the engine's thread must not. So each piece is
sent as a stream message whose parent is the request of the cell that resumed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["CellOutput", "cell_output"]


@dataclass(frozen=True, slots=True)
class CellOutput:
    """Writes text into the output of one cell; any thread may call `write`."""

    kernel: Any
    """The ipykernel instance, or None in a terminal IPython."""
    parent: dict[str, Any]

    def write(self, text: str, name: str = "stdout") -> None:
        if self.kernel is None:
            stream = sys.stdout if name == "stdout" else sys.stderr
            stream.write(text)
            stream.flush()
            return
        sys.stdout.flush()  # what the cell itself printed came first
        content = {"name": name, "text": text}
        self.kernel.session.send(self.kernel.iopub_socket, "stream", content, parent=self.parent, ident=b"stream")


def cell_output(shell: InteractiveShell) -> CellOutput:
    """The output of the cell that runs now."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return CellOutput(None, {})
    return CellOutput(kernel, dict(kernel.get_parent()))
