"""A KD client written elsewhere (ntoseye) drives the target whose address is given; what it saw is printed as JSON.

Run in a process of its own: ntoseye looks for symbols below HOME, and a stuck foreign client must not take the tests
along. Arguments: `kd SOCKET` or `kdnet ADDRESS KEY`.
"""

from __future__ import annotations

import json
import sys

import ntoseye

SIZE = 0x10000


def main(backend: str, address: str, key: str | None = None) -> None:
    with ntoseye.attach(backend=backend, connect=address, key=key, memory_source="kd") as debugger:
        seen: dict[str, object] = {}
        registers = debugger.cpus[0].registers
        seen["processors"] = len(debugger.cpus)
        seen["entry"] = debugger.stop.symbol
        seen["registers"] = {name: registers[name] for name in ("rip", "rsp", "cr3", "cs", "rfl", "gs")}
        seen["modules"] = {module.name: module.base for module in debugger.modules}
        seen["memory"] = debugger.memory.read("nt", SIZE).hex()

        kept = registers["r15"]
        registers["r15"] = 0x1122334455667788
        seen["written register"] = debugger.cpus[0].registers["r15"]
        registers["r15"] = kept

        steps = [debugger.step() for _ in range(5)]
        seen["steps"] = [(stop.kind, stop.rip) for stop in steps]
        seen["step over"] = debugger.step_over().kind

        target = debugger.symbols["nt!KeClockInterruptNotify"]
        seen["target"] = target
        breakpoint_ = debugger.breakpoints.add("nt!KeClockInterruptNotify")
        hits = [debugger.run(20.0) for _ in range(2)]
        seen["hits"] = [(hit.kind, hit.rip == target, hit.symbol) if hit else None for hit in hits]
        breakpoint_.delete()
        seen["run on"] = debugger.run(0.2) is None
        seen["interrupt"] = debugger.interrupt().kind
        print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
