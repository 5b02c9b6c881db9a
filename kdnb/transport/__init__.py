"""Bytes in and out, threads and clocks: serial lines, sockets, memory pairs, faults, and the pump.

The pump is the only place where the sans-I/O link meets a thread and a clock.
May import `results` and lower; never `capture`, `target` or anything above.
"""
