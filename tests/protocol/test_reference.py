"""The reference page of messages is made from the declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.reference import page

if TYPE_CHECKING:
    from pathlib import Path


def test_the_committed_page_is_what_the_declarations_say(repository: Path) -> None:
    committed = (repository / "docs" / "reference" / "messages.md").read_text("utf-8")
    assert committed == page(), "run: python -m kdnb.protocol.reference > docs/reference/messages.md"


def test_the_page_has_every_api_and_offset_of_a_union_as_the_reference_counts_them() -> None:
    text = page()
    assert "| 315F | GetContextEx | ContextExBody | yes |" in text
    assert "| 18 | u32 | `transfer_count` | TransferCount | bytes asked for |" in text
    assert "| F8 | u64 | `rip` | Rip |  |" in text
