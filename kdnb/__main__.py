"""`python -m kdnb`: the same as the shell command `kdnb`."""

from __future__ import annotations

import sys

from kdnb.cli import main

if __name__ == "__main__":
    sys.exit(main())
