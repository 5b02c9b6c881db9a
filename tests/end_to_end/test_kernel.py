"""The Jupyter kernel as a frontend sees it: messages, interrupt, shutdown."""

from __future__ import annotations

import queue
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import kdnb

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("unicorn")
jupyter_client = pytest.importorskip("jupyter_client")

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # pyzmq's sockets are closed by the collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]
LIMIT = 60


class Kernel:
    """One kernel, and what a cell made it say."""

    def __init__(self, name: str) -> None:
        self.manager = jupyter_client.KernelManager(kernel_name=name)
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=LIMIT)

    def begin(self, source: str) -> str:
        return str(self.client.execute(source))

    def messages(self, request: str) -> Iterator[dict[str, Any]]:
        """What this request causes, up to and without its idle message."""
        while True:
            message = self.client.get_iopub_msg(timeout=LIMIT)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return
            yield message

    def run(self, source: str) -> list[dict[str, Any]]:
        return list(self.messages(self.begin(source)))

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)
        self.manager.cleanup_resources()


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    started = Kernel("kdnb")
    yield started
    started.close()


@pytest.fixture
def simulator() -> Iterator[str]:
    """Connection string of a simulated machine in a process of its own."""
    command = [sys.executable, "-m", "kdnb", "simulate", "--listen", "tcp:127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = re.search(r"tcp:127\.0\.0\.1:\d+", process.stdout.readline())
    assert found is not None
    yield found.group()
    process.terminate()
    process.wait(timeout=LIMIT)
    process.stdout.close()


def text_of(messages: list[dict[str, Any]]) -> str:
    """All text of a cell: streams, displays, values, errors."""
    parts = []
    for message in messages:
        content = message["content"]
        parts.append(content.get("text", ""))
        parts.append(content.get("data", {}).get("text/plain", ""))
        parts.extend(content.get("traceback", []))
    return "\n".join(filter(None, parts))


def test_values_carry_widget_html_and_text(kernel: Kernel) -> None:
    kernel.run("connect sim:")
    (value,) = [m for m in kernel.run("r") if m["msg_type"] == "execute_result"]
    assert {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"} <= value["content"]["data"].keys()


def test_interrupt_breaks_into_the_running_target(kernel: Kernel) -> None:
    kernel.run("connect sim:")
    request = kernel.begin("print('now')\ng\nk")
    seen = []
    for message in kernel.messages(request):
        seen.append(message)
        if message["msg_type"] == "stream":
            kernel.manager.interrupt_kernel()
    text = text_of(seen)
    assert "Break instruction exception" in text
    assert "nt!DbgBreakPointWithStatus" in text
    assert "Evaluate expression: 2" in text_of(kernel.run("? 1+1"))


def test_interrupt_ends_a_cell_that_waits_for_the_system(kernel: Kernel) -> None:
    request = kernel.begin(f"import time\nprint('now')\ntime.sleep({2 * LIMIT})\nprint('slept')")
    seen = []
    for message in kernel.messages(request):
        seen.append(message)
        if message["msg_type"] == "stream":
            kernel.manager.interrupt_kernel()
    assert "KeyboardInterrupt" in text_of(seen)
    assert "slept" not in [message["content"].get("text") for message in seen]


def test_an_error_on_purpose_is_one_line(kernel: Kernel) -> None:
    (error,) = [m for m in kernel.run("k") if m["msg_type"] == "error"]
    assert len(error["content"]["traceback"]) == 1
    assert error["content"]["traceback"][0].startswith("kdnb: not connected;")


def test_inspection_of_a_command_shows_its_help(kernel: Kernel) -> None:
    kernel.client.inspect("bp nt!X", 2)
    while True:
        try:
            reply = kernel.client.get_shell_msg(timeout=LIMIT)
        except queue.Empty:
            pytest.fail("no reply to inspect_request")
        if reply["msg_type"] == "inspect_reply":
            break
    assert "Syntax" in reply["content"]["data"]["text/plain"]


def test_shutting_the_kernel_down_lets_the_target_run(simulator: str) -> None:
    kernel = Kernel("kdnb")
    kernel.run(f"connect {simulator}\nbp nt!NtCreateFile\ng")
    kernel.close()
    with kdnb.connect(simulator) as kd:
        assert kd.stop is not None
        assert kd.stop.reason == "break"
        assert not list(kd.breakpoints)


def test_a_stock_python_kernel_becomes_one_by_load_ext() -> None:
    kernel = Kernel("python3")
    try:
        kernel.run("%load_ext kdnb")
        text = text_of(kernel.run("connect sim:\nregs = %kd r\nhex(regs.rip)"))
        assert "0xffff" in text
        assert "nt!" in text_of(kernel.run("k"))
    finally:
        kernel.close()


def test_interrupt_ends_a_python_loop_over_the_debugger(kernel: Kernel) -> None:
    kernel.run("connect sim:")
    request = kernel.begin("print('now', flush=True)\nwhile True:\n    kd.step()")
    seen = []
    for message in kernel.messages(request):
        seen.append(message)
        if message["msg_type"] == "stream":
            kernel.manager.interrupt_kernel()
    (error,) = [message["content"]["ename"] for message in seen if message["msg_type"] == "error"]
    assert error in ("KeyboardInterrupt", "Cancelled")  # as the step had ended, or not
    assert "Evaluate expression: 2" in text_of(kernel.run("? 1+1"))
