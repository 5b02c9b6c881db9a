"""What the bytes mean: packets, messages, contexts, framing, the link, KDNET.

No I/O, no clock, no thread, no randomness: bytes and time come in as arguments.
Imports only `kdnb.errors`; every other layer may import it.
"""
