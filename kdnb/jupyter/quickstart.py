"""The quickstart: where it lies, running it headless (`kdnb demo`), opening it in JupyterLab (`kdnb lab`)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdnb.errors import KdnbError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["notebooks_folder", "open_lab", "run_demo"]

CELL_HINT = "the text above shows how far it came"
KERNEL_HINT = "python -m kdnb.jupyter shows what is wrong"
LINES_SHOWN = 24
"""Lines of one output that the demo prints; the HTML has more."""
CELL_SECONDS = 120
"""Limit for one cell of the demo; the slowest takes about two seconds."""


def notebooks_folder() -> Path:
    """The folder with the quickstart and its recording: in the installed package, or in the source tree."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if (folder / "quickstart.ipynb").is_file():
            return folder
    raise UsageError("the quickstart is not installed", "install the wheel, or use a clone")


def run_demo(output: Path, write: Callable[[str], None]) -> Path:
    """Run the quickstart on the simulated machine, hand its session to `write` as text, and write HTML to `output`."""
    try:
        import nbclient
        import nbconvert
        import nbformat
    except ImportError as error:
        raise MissingExtraError(f"the demo needs {error.name}", "pip install 'kdnb[sim,lab]'") from error
    folder = notebooks_folder()
    notebook = nbformat.read(folder / "quickstart.ipynb", as_version=4)
    notebook.metadata.kernelspec = {"name": "kdnb", "display_name": "kdnb", "language": "python"}
    client = nbclient.NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=40"],  # ipykernel warns of its own connection over loopback
    )
    output.touch()  # a path that can't be written is said now, not at the end
    try:
        client.execute()
    except nbclient.exceptions.CellExecutionError as error:
        raise KdnbError(f"a cell of the quickstart failed: {error.ename}: {error.evalue}", CELL_HINT) from error
    except RuntimeError as error:  # nbclient's and jupyter_client's word for a kernel that does not come up
        raise KdnbError(f"the Jupyter kernel did not start: {error}", KERNEL_HINT) from error
    finally:
        for text in session_text(notebook):
            write(text)
    html, _ = nbconvert.HTMLExporter(embed_images=True).from_notebook_node(notebook)
    output.write_text(html, encoding="utf-8")
    return output


def session_text(notebook: Any) -> Iterator[str]:
    """The cells that ran, with their input and the plain text of their output."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield f"\n{cell.source}\n"
        if cell.cell_type != "code" or cell.execution_count is None:
            continue
        yield "\n" + "\n".join(f"In [{cell.execution_count}]: {line}" for line in cell.source.splitlines())
        for output in cell.outputs:
            lines = _output_text(output).rstrip("\n").splitlines()
            if len(lines) > LINES_SHOWN + 1:
                lines[LINES_SHOWN:] = [f"... {len(lines) - LINES_SHOWN} more lines"]
            if lines:
                yield "\n".join(lines)


def _output_text(output: Any) -> str:
    if output.output_type == "stream":
        return str(output.text)
    if output.output_type == "error":
        return "\n".join(output.traceback)
    if "image/png" in output.data:
        return "[plot]"
    return str(output.data.get("text/plain", ""))


def open_lab(arguments: list[str]) -> int:
    """JupyterLab on the quickstart; from an installed wheel a copy is opened, in ./kdnb-notebooks."""
    folder = notebooks_folder()
    if "site-packages" in folder.parts or "dist-packages" in folder.parts:
        copy = Path("kdnb-notebooks")
        if not copy.exists():
            shutil.copytree(folder, copy)
        folder = copy
    command = [sys.executable, "-m", "jupyterlab", str(folder / "quickstart.ipynb"), *arguments]
    try:
        import jupyterlab  # noqa: F401  # only to learn whether it is there
    except ImportError as error:
        raise MissingExtraError("JupyterLab is not installed", "pip install 'kdnb[sim,lab]'") from error
    return subprocess.call(command)
