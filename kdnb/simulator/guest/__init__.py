"""The guest kernel and its drivers: C source, the script that builds it, and the committed images with their PDBs.

Only `simulator.loader` reads it; `build` needs clang, lld-link and llvm-pdbutil, running the machine needs none.
"""
