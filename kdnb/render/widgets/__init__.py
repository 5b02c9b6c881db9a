"""Widgets for registers, memory and stacks; the static HTML and text stand beside them.

One module for each widget; the only place below `jupyter` that imports ipywidgets and anywidget.
"""
