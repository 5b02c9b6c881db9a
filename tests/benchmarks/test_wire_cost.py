"""What do commands cost on the wire, and how fast is a session with the simulated machine?

Packets don't depend on the computer that counts them, so they are pinned here: a command that grows dearer fails.
Times are only printed. `python -m tests.benchmarks.test_wire_cost docs/explanation/wire-cost.md` writes the tables of
that page anew.
"""

from __future__ import annotations

import contextlib
import re
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import kdnb
from kdnb.target.transfer import TransferSize
from tests.benchmarks.test_host_cost import CASES, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kdnb.api import Debugger

pytest.importorskip("unicorn")

PRICES: dict[str, tuple[int, int]] = {
    "r": (4, 0),
    "k": (32, 0),
    "u": (4, 0),
    "lm": (4, 0),
    "!process 0 0": (44, 0),
    "p": (12, 12),
    "t": (12, 12),
    "g": (16, 16),
}
"""The most packets that a command may cost at a new stop, and once more; acknowledgements are counted.

The stack goes from the kernel into user mode: two stacks are read. Six processes have a handle table each. `lm` asks
once for the list of unloaded drivers, and again when another one was unloaded.
"""
LATER_STACK = 20
"""The most packets of a stack that goes through functions known from an earlier one: registers, stack, code."""
READ_SIZES = (256, 1024, 1992, 3900)
READ = 0x10000
ROUNDS = 5
STEPS = 50
MANY = 90


PLACES = ("nt!NtDelayExecution", "nt!NtReadFile", "nt!KeDelayExecutionThread")
"""Functions that idle threads come through. One that lies at the end of a page costs a read more."""
PAGE, ROOM = 0x1000, 0x100


@contextlib.contextmanager
def at_a_breakpoint() -> Iterator[Debugger]:
    with kdnb.connect("sim:") as kd:
        place = next(place for place in PLACES if kd.evaluate(place) % PAGE < PAGE - ROOM)
        kd.execute(f"bp {place}")
        kd.execute("g")
        yield kd


@pytest.fixture(scope="module")
def kd() -> Iterator[Debugger]:
    with at_a_breakpoint() as debugger:
        yield debugger


def price(kd: Debugger, command: str) -> int:
    """Packets that a command sends and gets."""
    before = len(kd.packets())
    kd.execute(command)
    return len(kd.packets()) - before


def prices(kd: Debugger) -> dict[str, tuple[int, int]]:
    """Every command as the first one at a new stop, and once more."""
    found = {}
    for command in PRICES:
        kd.execute("t")
        found[command] = (price(kd, command), price(kd, command))
    return found


def test_no_command_costs_more_packets_than_it_did(kd: Debugger) -> None:
    for command, found in prices(kd).items():
        assert found[0] <= PRICES[command][0], command
        assert found[1] <= PRICES[command][1], command


def test_a_stack_at_a_later_stop_reads_no_unwind_data_again(kd: Debugger) -> None:
    kd.execute("g; k")
    kd.execute("g")
    assert price(kd, "k") <= LATER_STACK


def test_the_list_of_modules_is_not_read_again_at_a_later_stop(kd: Debugger) -> None:
    kd.execute("lm; t")
    assert price(kd, "lm") == 0


def test_all_looks_in_a_row_share_what_they_read(kd: Debugger) -> None:
    looks = ("r", "k", "u", "lm", "!process 0 0")
    kd.execute("t")
    together = sum(price(kd, look) for look in looks)
    assert together < sum(PRICES[look][0] for look in looks)
    assert [price(kd, look) for look in looks] == [0] * len(looks)


def test_large_requests_carry_memory_with_fewer_packets(kd: Debugger) -> None:
    for size in READ_SIZES:
        before = len(kd.packets())
        read(kd, size)
        assert len(kd.packets()) - before == 4 * -(-READ // size)


def read(kd: Debugger, size: int) -> None:
    """64 KiB past the cache, in requests of `size` bytes."""
    target: Any = kd._session.target
    target.transfer = TransferSize(size)
    data = kd._engine.call(target.read_virtual, kd.modules["nt"].base, READ)
    assert len(data) == READ


def seconds(run: Callable[[], object]) -> float:
    """Median of a few runs."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def steps(kd: Debugger) -> None:
    for _ in range(STEPS):
        kd._session.step()


def table(*rows: tuple[object, ...]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def packet_table(kd: Debugger) -> str:
    found = prices(kd)
    return table(
        ("command", "first at a stop", "again"),
        *((f"`{name}`", first, again) for name, (first, again) in found.items()),
    )


def time_table(kd: Debugger) -> str:
    one = seconds(
        lambda: [kd._engine.call(kd._session.target.read_virtual, kd.modules["nt"].base, 8) for _ in range(STEPS)]
    )
    inside = seconds(lambda: kd._engine.call(steps, kd))
    return table(
        ("what", "median"),
        ("round trips of 8 bytes, each through the engine", f"{STEPS / one:,.0f} a second"),
        ("single steps", f"{STEPS / inside:,.0f} a second"),
        *(
            (f"64 KiB in requests of {size}", f"{seconds(lambda size=size: read(kd, size)) * 1e3:.1f} ms")
            for size in READ_SIZES
        ),
    )


def host_table() -> str:
    rows = []
    for size, pieces in CASES:
        cost = measure(size, pieces, runs=MANY)
        rows.append(
            (
                f"{size}" if pieces == 1 else f"{pieces} x {size}",
                f"{cost.plain:.0f}",
                f"{cost.target:.0f} ({cost.target / cost.plain:.1f})",
                f"{cost.engine:.0f} ({cost.ratio:.1f})",
                f"{cost.engine / size * 1024:.0f} ({cost.plain / size * 1024:.0f})",
                f"{cost.log:+.0%}",
            )
        )
    return table(("bytes", "plain loop", "our target", "through the engine", "a KiB (plain)", "packet log"), *rows)


def main(page: Path) -> None:
    with at_a_breakpoint() as kd:
        tables = {"packets": packet_table(kd), "times": time_table(kd)}
    tables["host"] = host_table()
    text = page.read_text()
    for name, rows in tables.items():
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(?=<!-- end -->)",
            lambda found, rows=rows: found[1] + rows + "\n",
            text,
            flags=re.S,
        )
    page.write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
