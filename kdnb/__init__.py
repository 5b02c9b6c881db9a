"""kdnb: a Jupyter kernel for debugging the Windows kernel, and the library under it.

Scripts hold `connect()` and `open_capture()`; everything a cell does works without Jupyter.
Names are resolved on use, so that `import kdnb` pulls in neither pandas nor a widget.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdnb.api import Debugger as Debugger
    from kdnb.api import connect as connect
    from kdnb.api import open_capture as open_capture
    from kdnb.api import open_captures as open_captures
    from kdnb.capture.open import Capture as Capture
    from kdnb.errors import CommandError as CommandError
    from kdnb.errors import KdnbError as KdnbError
    from kdnb.errors import MemoryReadError as MemoryReadError

__all__ = [
    "Capture",
    "CommandError",
    "Debugger",
    "KdnbError",
    "MemoryReadError",
    "__version__",
    "connect",
    "open_capture",
    "open_captures",
]

__version__ = "0.1.0"

_HOMES = {
    "Capture": "kdnb.capture.open",
    "CommandError": "kdnb.errors",
    "Debugger": "kdnb.api",
    "KdnbError": "kdnb.errors",
    "MemoryReadError": "kdnb.errors",
    "connect": "kdnb.api",
    "open_capture": "kdnb.api",
    "open_captures": "kdnb.api",
}


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'kdnb' has no attribute {name!r}") from None
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext kdnb`: commands, magics and widgets in a stock IPython shell."""
    from kdnb.jupyter.extension import attach

    attach(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext kdnb`: as before; the session ends like `qd`."""
    from kdnb.jupyter.extension import detach

    detach(shell)
