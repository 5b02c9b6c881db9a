"""The engine: session, memory cache, expressions, registers, breakpoints, execution, stacks, modules.

One thread owns the target; everyone else posts to it and waits in short slices.
May import `target` and lower.
"""
