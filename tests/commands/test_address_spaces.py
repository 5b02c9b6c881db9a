"""`.context` and `.cache` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def text(session: Session, command: str) -> str:
    return "\n".join(filter(None, (to_text(result) for result in execute(session, command))))


def test_a_page_directory_chooses_its_process(session: Session) -> None:
    own = session.registers.get("cr3") & ~0xFFF
    assert text(session, ".context") == f"User-mode page directory base is {own:x}"
    processes = session.processes
    bases = {address: processes.directory_table_base(address) & ~0xFFF for address in processes.addresses()[0]}
    other, base = next((address, base) for address, base in bases.items() if base not in (0, own))
    assert text(session, f".context {base:x}") == f"User-mode page directory base is {base:x}"
    assert session.address_space.process == other
    assert text(session, ".context 0") == f"User-mode page directory base is {own:x}"
    assert session.address_space.process is None
    with pytest.raises(CommandError, match="no process has the page directory"):
        execute(session, ".context 77777000")


def test_flushing_reads_the_target_again(session: Session) -> None:
    def packets() -> int:
        assert session.log is not None
        return len(session.log.packets())

    execute(session, "db nt L10")
    before = packets()
    execute(session, "db nt L10")
    assert packets() == before
    assert text(session, ".cache flushall") == "Cached memory is forgotten."
    execute(session, "db nt L10")
    assert packets() > before
    assert "always translated" in text(session, ".cache forcedecodeuser")
    with pytest.raises(CommandError, match="Syntax error"):
        execute(session, ".cache sideways")
