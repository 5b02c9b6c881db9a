"""`kdnb install`: the kernelspec for Jupyters other than the one kdnb was installed into."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager

__all__ = ["install_kernelspec", "kernel_json"]


def kernel_json(python: str = sys.executable) -> dict[str, object]:
    """The kernelspec with this Python written out."""
    return {
        "argv": [python, "-m", "kdnb.jupyter", "-f", "{connection_file}"],
        "display_name": "kdnb (Windows kernel debugger)",
        "language": "python",
        "interrupt_mode": "message",
        "metadata": {"debugger": False},
    }


def install_kernelspec(*, user: bool = True, prefix: str | None = None) -> Path:
    """Write the kernelspec for the user, or below `prefix`; gives the folder."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "kernel.json").write_text(json.dumps(kernel_json(), indent=2) + "\n", encoding="utf-8")
        manager = KernelSpecManager()
        return Path(manager.install_kernel_spec(folder, "kdnb", user=user and prefix is None, prefix=prefix))
