"""Names for addresses: PE images, PDB files, the symbol store, unwind data.

Knows files and bytes, not targets.
May import `results` and lower.
"""
