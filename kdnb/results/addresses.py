"""How an address is written; the rule itself is in `kdnb.protocol.addresses`, since one-line summaries need it too."""

from __future__ import annotations

from kdnb.protocol.addresses import format_address

__all__ = ["format_address"]
