"""The kernelspec that `kdnb install` writes and the one in the wheel."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from kdnb.jupyter.install import install_kernelspec, kernel_json

if TYPE_CHECKING:
    from pathlib import Path


def test_the_kernelspec_names_this_python(tmp_path: Path) -> None:
    folder = install_kernelspec(prefix=str(tmp_path))
    spec = json.loads((folder / "kernel.json").read_text())
    assert spec["argv"][0] == sys.executable
    assert spec["interrupt_mode"] == "message"


def test_the_wheels_kernelspec_is_the_same_but_for_python(repository: Path) -> None:
    shipped = json.loads((repository / "kernelspec" / "kernel.json").read_text())
    assert shipped == kernel_json("python")
