"""How a value looks: plain text in WinDbg's layout, static HTML, widgets.

Never runs a command and never asks a target.
May import `debugger` and lower; ipywidgets only in `render.widgets`.
"""
