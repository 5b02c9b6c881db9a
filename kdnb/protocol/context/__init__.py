"""Register records: CONTEXT of each machine and the special registers beside it.

One module for each machine; the layouts are those of the protocol reference, section 5.
"""
