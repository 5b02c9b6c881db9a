"""The Jupyter kernel: an IPython kernel that also takes debugger commands, and whose Stop button breaks in."""

from __future__ import annotations

import inspect
from typing import Any

from ipykernel.ipkernel import IPythonKernel

from kdnb.jupyter.extension import attach
from kdnb.jupyter.inspection import inspect_command
from kdnb.transport.signals import interrupt_main_thread

__all__ = ["KdnbKernel"]


class KdnbKernel(IPythonKernel):
    """IPython plus `kd`. Language and highlighting stay Python's, so that notebooks open everywhere."""

    implementation = "kdnb"
    implementation_version = "0.1"
    banner = "kdnb: a Windows kernel debugger. Commands and Python in one cell. To begin: connect sim:"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        assert self.shell is not None  # made by the line above
        self.notebook = attach(self.shell)

    async def interrupt_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Stop. ipykernel's own way is a signal to the whole process group, which doesn't exist on Windows."""
        assert self.session is not None  # there is one as soon as messages come
        interrupt_main_thread()
        self.session.send(stream, "interrupt_reply", {"status": "ok"}, parent, ident=ident)

    def do_inspect(self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()) -> Any:
        found = inspect_command(code, cursor_pos, self.notebook.shell.user_ns)
        if found is not None:
            return {"status": "ok", "found": True, "data": {"text/plain": found}, "metadata": {}}
        return super().do_inspect(code, cursor_pos, detail_level, omit_sections)

    async def do_shutdown(self, restart: bool) -> Any:
        """The target is never left frozen: shutting down is `qd`."""
        self.notebook.disconnect()
        reply = super().do_shutdown(restart)
        return await reply if inspect.isawaitable(reply) else reply
