"""The notebook side: the Jupyter kernel, cells, magics, completion, inspection, interrupt, late output.

The only place that imports IPython and ipykernel.
May import `api` and lower.
"""
