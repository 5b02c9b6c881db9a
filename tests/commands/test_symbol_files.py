"""`.reload .sympath .symfix ld !sym` on the simulated machine, with a symbol server on this host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from tests.debugger.simulated import TIMEOUT, open_session, serve
from tests.symbols.symbol_server import SymbolServer, symbol_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session


def shown(session: Session, command: str) -> str:
    return to_text(execute(session, command)[-1])


@pytest.fixture
def restored(session: Session) -> Iterator[Session]:
    """A session whose symbol path is put back."""
    before = str(session.symbols.path)
    yield session
    session.symbols.set_path(before)


@pytest.fixture
def server(session: Session) -> Iterator[SymbolServer]:
    """A server that has the files of the machine's own symbol store."""
    store = Path(str(session.symbols.path).split(";")[0])
    with symbol_server() as running:
        for path in store.rglob("*/*/*.pdb"):
            running.files[f"/store/{path.relative_to(store).as_posix()}"] = path.read_bytes()
        yield running


def test_reload_reads_the_list_again_and_loads_symbols_on_request(session: Session) -> None:
    assert shown(session, ".reload").startswith("Loading Kernel Symbols\n....")
    assert "nt: " in shown(session, ".reload /f nt")
    with pytest.raises(CommandError, match=r'"nosuch.sys" was not found'):
        execute(session, ".reload /f nosuch.sys")
    with pytest.raises(CommandError, match="no user mode part"):
        execute(session, ".reload /user")


def test_reload_u_forgets_symbols_and_ld_loads_them(session: Session) -> None:
    execute(session, ".reload /f")
    assert shown(session, ".reload /u disk.sys") == "Unloaded disk"
    assert session.modules["disk"].symbol_status == "deferred"
    assert shown(session, "ld d*").endswith("Symbols loaded for disk")
    assert session.modules["disk"].symbol_status == "pdb symbols"


def test_reload_takes_an_image_that_the_list_does_not_have(session: Session) -> None:
    disk = session.modules["disk"]
    text = shown(session, f".reload hidden.sys={disk.base:x},{disk.size:x}")
    assert text.startswith("hidden: ")
    assert "hidden" in session.modules
    with pytest.raises(CommandError, match="no image is at"):
        execute(session, ".reload bad.sys=0x1000,0x1000")
    execute(session, ".reload")
    assert "disk" in session.modules
    assert "hidden" not in session.modules


def test_the_symbol_path_can_be_shown_set_and_extended(restored: Session) -> None:
    before = str(restored.symbols.path)
    assert shown(restored, ".sympath").split("\n")[0] == f"Symbol search path is: {before}"
    assert shown(restored, ".sympath+ /nowhere").split("\n")[1].endswith(f" {before};/nowhere")


def test_symfix_needs_to_be_told_a_server(restored: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("_NT_SYMBOL_PATH", raising=False)
    with pytest.raises(CommandError, match=r"no symbol server is known; \.symfix FOLDER URL"):
        execute(restored, f".symfix {tmp_path}")
    execute(restored, f".symfix {tmp_path} http://127.0.0.1:1/a")
    assert str(restored.symbols.path) == f"srv*{tmp_path}*http://127.0.0.1:1/a"
    execute(restored, ".sympath /other")
    monkeypatch.setenv("_NT_SYMBOL_PATH", "srv*/cache*http://127.0.0.1:1/b")
    execute(restored, f".symfix+ {tmp_path}")
    assert str(restored.symbols.path) == f"/other;srv*{tmp_path}*http://127.0.0.1:1/b"


def test_symbols_are_downloaded_when_first_used(restored: Session, server: SymbolServer, tmp_path: Path) -> None:
    told: list[int] = []
    restored.symbols.on_progress = lambda address, done, total: told.append(done)
    execute(restored, f".sympath srv*{tmp_path}*{server.address}; lm")
    assert server.asked == []
    assert "KeBugCheckEx" in shown(restored, "x nt!KeBugCheckEx")
    assert len(server.asked) == 1
    assert told
    assert shown(restored, "dt nt!_LIST_ENTRY").startswith("   +0x000 Flink")
    assert len(server.asked) == 1
    restored.symbols.on_progress = None


def test_connecting_asks_no_server(server: SymbolServer, tmp_path: Path) -> None:
    path = f"srv*{tmp_path}*{server.address}"
    with serve() as address, open_session(address, symbol_path=path) as session:
        session.connect(TIMEOUT)
        assert server.asked == []
        assert session.symbols.lookup("nt!KeBugCheckEx")
        assert len(server.asked) == 1


def test_a_server_that_is_gone_is_waited_for_once(restored: Session, tmp_path: Path) -> None:
    with symbol_server() as gone:
        pass
    execute(restored, f".sympath srv*{tmp_path}*{gone.address}")
    assert "refused" in shown(restored, ".reload /f nt").lower()
    with pytest.raises(CommandError, match=r"not asked again before \.reload /f"):
        execute(restored, "dt disk!_LIST_ENTRY")
    assert "not asked" not in shown(restored, ".reload /f disk")


def test_a_server_without_the_file_is_named_and_exports_are_used(
    restored: Session, server: SymbolServer, tmp_path: Path
) -> None:
    server.files.clear()
    execute(restored, f".sympath srv*{tmp_path}*{server.address}; !sym noisy")
    text = shown(restored, ".reload /f nt")
    assert "*** ERROR: Symbol file could not be found.  Defaulted to export symbols for ntoskrnl.exe -" in text
    assert "SYMSRV:" in text
    assert "the server doesn't have it" in text
    with pytest.raises(CommandError, match=r"no types are known for nt: http://127.*the server doesn't have it"):
        execute(restored, "dt nt!_LIST_ENTRY")
    assert shown(restored, "!sym quiet").startswith("quiet mode")


def test_a_mismatched_pdb_is_taken_only_when_asked_for(restored: Session, tmp_path: Path) -> None:
    store = Path(str(restored.symbols.path).split(";")[0])
    other = next(store.rglob("*/*/disk.pdb")).read_bytes()
    (tmp_path / "ntfs.pdb").write_bytes(other)
    execute(restored, f".sympath {tmp_path}")
    assert "mismatched PDB" in shown(restored, ".reload /f ntfs")
    assert restored.modules["ntfs"].symbol_status == "no symbols"
    assert "loaded all the same" in shown(restored, ".reload /i ntfs")
    assert restored.modules["ntfs"].symbol_status == "pdb symbols"
    restored.modules["ntfs"].accept_mismatch = False
