"""kdnb: a Jupyter kernel for debugging the Windows kernel, and the library under it.

Scripts hold `connect()` and `open_capture()`; everything a cell does works without Jupyter.
"""
