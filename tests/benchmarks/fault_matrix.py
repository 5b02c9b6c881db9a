"""The fault matrix: reads of memory over bad lines, in virtual time; a table of docs/explanation/reliability.md.

Run it: python -m tests.benchmarks.fault_matrix [packets per run]   (the seeds are fixed, so the numbers repeat)
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.errors import KdnbError
from kdnb.protocol.kdnet import parse_key
from kdnb.target.base import Printed
from kdnb.target.settings import LiveSettings
from kdnb.transport.faults import FaultRules
from tests.target.virtual_target import BASE, MEMORY, SIZE, virtual

if TYPE_CHECKING:
    from kdnb.protocol.constants import Api

KEY = parse_key("1.2.3.4")
BYTES = ["drop=0.00001", "drop=0.0001", "drop=0.001", "flip=0.00001", "flip=0.0001", "flip=0.001"]
PACKETS = ["damage=0.01", "damage=0.05", "damage=0.2", "dup=0.1", "delay=0.02:1.5"]
SERIAL = [*BYTES, *PACKETS, "junk=0.0005"]
KDNET = ["drop=0.01", "drop=0.05", "drop=0.2", *BYTES[3:], *PACKETS, "reorder=0.1"]
"""On KDNET a lost byte is a lost datagram: the shares of whole datagrams stand in for it."""
LONGEST_READ = 0x4000
WAIT_LIMIT = 3 * (5.0 + 5.0) + 1.0
"""Seconds that one request may take before it is answered or given up: attempts x (reply, resynchronise)."""


@dataclass
class Outcome:
    """What became of a run."""

    packets: int = 0
    reads: int = 0
    wrong: int = 0
    """Reads that gave something else than the memory holds, without a word."""
    failed: int = 0
    """Reads that ended in an error, which said so."""
    twice: int = 0
    """Prints that came twice."""
    lost: int = 0
    """Prints that never came and that the target hasn't given up."""
    longest: float = 0.0
    """Longest wait of one request, in virtual seconds."""
    smallest: int = 0
    """Smallest request size that reads came down to."""
    largest: int = 0
    """Request size at the end of a quiet stretch behind the run."""


def run(rules: str, *, network: bool, packets: int, seed: int = 1, verify: bool = False) -> Outcome:
    """Read at random for about so many data packets, then look whether requests grow again."""
    settings = LiveSettings(verify=verify)
    parsed = FaultRules.parse(f"{rules},seed={seed}" if rules else f"seed={seed}")
    target, machine = virtual(parsed, key=KEY if network else None, settings=settings)
    clock, generator, outcome = machine.joined.clock, random.Random(seed), Outcome()
    target.connect(120.0, break_in=True)
    ask = target._read_once

    def timed(api: Api, address: int, count: int) -> tuple[bytes, int, bool]:
        began = clock.now
        try:
            return ask(api, address, count)
        finally:
            outcome.longest = max(outcome.longest, clock.now - began)

    target._read_once = timed  # type: ignore[method-assign]  # one request with all its repetitions
    printed: list[bytes] = []
    outcome.smallest = target.transfer.size
    while outcome.packets < packets:
        at = generator.randrange(SIZE)
        size = min(generator.randrange(1, LONGEST_READ), SIZE - at)
        try:
            data = target.read_virtual(BASE + at, size)
            outcome.wrong += data != MEMORY[at : at + size]
        except KdnbError:
            outcome.failed += 1
        outcome.reads += 1
        outcome.smallest = min(outcome.smallest, target.transfer.size)
        outcome.packets = machine.joined.host.statistics.sent + machine.joined.target.statistics.sent
        while (event := target.wait(0.0)) is not None:
            if isinstance(event, Printed):
                printed.append(event.text)
    outcome.twice = len(printed) - len(set(printed))
    outcome.lost = max(machine.prints - len(set(printed)) - len(machine.failures), 0)
    machine.joined.calm()
    for _ in range(200):
        if target.read_virtual(BASE, LONGEST_READ) == MEMORY[:LONGEST_READ]:
            outcome.largest = target.transfer.size
    return outcome


def main(packets: int) -> None:
    columns = "line, rules, packets, reads, wrong, failed with a word, prints twice, longest wait, smallest request"
    print(f"| {columns.replace(', ', ' | ')} |")
    print("|---" * (columns.count(",") + 1) + "|")
    cases = [("serial", False, rules) for rules in SERIAL] + [("KDNET", True, rules) for rules in KDNET]
    cases += [("serial, `verify`", False, "flip=0.001")]
    for name, network, rules in cases:
        found = run(rules, network=network, packets=packets, verify="verify" in name)
        print(
            f"| {name} | `{rules}` | {found.packets} | {found.reads} | {found.wrong} | {found.failed} | {found.twice} "
            f"| {found.longest:.1f} s | {found.smallest} |",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
