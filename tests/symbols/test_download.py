"""Downloads, from a real HTTP server on this host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.errors import Cancelled
from kdnb.symbols.download import MEBIBYTE, Downloader, _keep, progress_lines
from kdnb.symbols.pe import CodeView, PeImage
from kdnb.symbols.store import SymbolPath
from tests.conftest import REPOSITORY
from tests.symbols.build import Built
from tests.symbols.symbol_server import SymbolServer, symbol_server
from tests.symbols.test_cabinet import LZX, cabinet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGES = REPOSITORY / "kdnb/simulator/guest/images"


@pytest.fixture
def server() -> Iterator[SymbolServer]:
    with symbol_server() as running:
        yield running


@pytest.fixture
def built() -> Built:
    """A driver of the guest: there without a compiler."""
    return Built(IMAGES / "disk.sys", IMAGES / "disk.pdb")


@pytest.fixture
def codeview(built: Built) -> CodeView:
    found = PeImage.from_file(built.image.read_bytes()).codeview
    assert found is not None
    return found


def where(codeview: CodeView, last: str = "disk.pdb") -> str:
    return f"/store/disk.pdb/{codeview.key}/{last}"


def path_with(server: SymbolServer, cache: Path) -> SymbolPath:
    return SymbolPath.parse(f"srv*{cache}*{server.address}")


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_pdb_is_downloaded_once_and_found_in_the_cache_afterwards(
    server: SymbolServer, built: Built, codeview: CodeView, tmp_path: Path
) -> None:
    server.files[where(codeview)] = built.pdb.read_bytes()
    told: list[tuple[int, int | None]] = []
    downloader = Downloader(progress=lambda _, done, total: told.append((done, total)))
    search = path_with(server, tmp_path).open_pdb(codeview, fetch=downloader.fetch)
    assert search.pdb is not None
    assert search.pdb.belongs_to(codeview)
    assert files_in(tmp_path) == [f"disk.pdb/{codeview.key}/disk.pdb"]
    size = len(built.pdb.read_bytes())
    assert told[-1] == (size, size)
    server.files.clear()
    assert path_with(server, tmp_path).open_pdb(codeview).path == search.path


def test_nothing_is_asked_without_a_fetcher(server: SymbolServer, codeview: CodeView, tmp_path: Path) -> None:
    assert path_with(server, tmp_path).open_pdb(codeview).pdb is None
    assert server.asked == []


@pytest.mark.parametrize("method", [1, LZX])
def test_a_compressed_file_and_a_redirect_and_a_body_without_length_do_as_well(
    server: SymbolServer, built: Built, codeview: CodeView, tmp_path: Path, method: int
) -> None:
    server.files["/elsewhere"] = cabinet(built.pdb.read_bytes(), method=method)
    server.redirects[where(codeview, "disk.pd_")] = "/elsewhere"
    server.chunked = True
    search = path_with(server, tmp_path).open_pdb(codeview, fetch=Downloader().fetch)
    assert search.pdb is not None
    assert (tmp_path / "disk.pdb" / codeview.key / "disk.pdb").read_bytes() == built.pdb.read_bytes()


def test_a_pointer_file_is_followed_on_the_same_server_only(
    server: SymbolServer, built: Built, codeview: CodeView, tmp_path: Path
) -> None:
    server.files["/store/other/disk.pdb"] = built.pdb.read_bytes()
    server.files[where(codeview, "file.ptr")] = f"PATH:{server.address}/other/disk.pdb".encode()
    path = path_with(server, tmp_path)
    assert path.open_pdb(codeview, fetch=Downloader().fetch).pdb is not None
    server.files[where(codeview, "file.ptr")] = f"PATH:{built.pdb}".encode()
    elsewhere = SymbolPath.parse(f"srv*{tmp_path / 'second'}*{server.address}")
    search = elsewhere.open_pdb(codeview, fetch=Downloader().fetch)
    assert search.pdb is None
    assert "not on that server" in search.tried[-1]


def damaged(kind: str, server: SymbolServer, codeview: CodeView, data: bytes) -> Downloader:
    server.files[where(codeview)] = data
    downloader = Downloader()
    if kind == "broke off":
        server.cut = len(data) // 2
    elif kind == "not a readable PDB":
        server.files[where(codeview)] = data[: len(data) // 2]
    elif kind == "doesn't have it":
        server.files.clear()
    elif kind == "500":
        server.status = 500
    elif kind == "too large":
        downloader = Downloader(max_size=len(data) - 1)
    elif kind == "more than":
        server.chunked = True
        downloader = Downloader(max_size=len(data) - 1)
    elif kind == "nothing came":
        server.cut = 1000
        server.stall.clear()
        downloader = Downloader(timeout=0.4)
    return downloader


@pytest.mark.parametrize(
    "kind", ["broke off", "not a readable PDB", "doesn't have it", "500", "too large", "more than", "nothing came"]
)
def test_what_goes_wrong_is_said_and_leaves_nothing_behind(
    server: SymbolServer, built: Built, codeview: CodeView, tmp_path: Path, kind: str
) -> None:
    downloader = damaged(kind, server, codeview, built.pdb.read_bytes())
    search = path_with(server, tmp_path).open_pdb(codeview, fetch=downloader.fetch)
    assert search.pdb is None
    assert kind in search.tried[-1]
    assert "\n" not in search.tried[-1]
    assert list(tmp_path.rglob("*")) == []


def test_a_pdb_of_another_build_is_refused(server: SymbolServer, codeview: CodeView, tmp_path: Path) -> None:
    server.files[where(codeview)] = (IMAGES / "buggy.pdb").read_bytes()
    search = path_with(server, tmp_path).open_pdb(codeview, fetch=Downloader().fetch)
    assert search.pdb is None
    assert search.mismatch
    assert "mismatched PDB" in search.tried[-1]
    assert files_in(tmp_path) == []


def test_a_server_that_is_killed_halfway_leaves_a_clear_line(
    server: SymbolServer, built: Built, codeview: CodeView, tmp_path: Path
) -> None:
    server.files[where(codeview)] = built.pdb.read_bytes()
    server.cut = 5000
    server.stall.clear()

    def kill(*_: object) -> None:
        server.stall.set()  # the handler ends, and with it the connection

    search = path_with(server, tmp_path).open_pdb(codeview, fetch=Downloader(progress=kill).fetch)
    assert search.pdb is None
    assert "broke off after 5000 of" in search.tried[-1]
    assert list(tmp_path.rglob("*")) == []


def test_no_server_at_all_is_said(codeview: CodeView, tmp_path: Path) -> None:
    with symbol_server() as gone:
        path = path_with(gone, tmp_path)
    search = path.open_pdb(codeview, fetch=Downloader().fetch)
    assert search.pdb is None
    assert "refused" in search.tried[-1].lower()


@pytest.mark.parametrize("cut", [0, 1000])
def test_a_cancel_is_seen_while_the_server_is_silent(
    server: SymbolServer, built: Built, codeview: CodeView, tmp_path: Path, cut: int
) -> None:
    server.files[where(codeview)] = built.pdb.read_bytes()
    server.cut = cut
    server.stall.clear()
    looks = iter([False] * 4)
    downloader = Downloader(cancelled=lambda: next(looks, True))
    with pytest.raises(Cancelled):
        path_with(server, tmp_path).open_pdb(codeview, fetch=downloader.fetch)
    assert list(tmp_path.rglob("*")) == []


def test_a_cancel_is_seen_while_a_file_is_unpacked(
    server: SymbolServer, built: Built, codeview: CodeView, tmp_path: Path
) -> None:
    server.files[where(codeview, "disk.pd_")] = cabinet(built.pdb.read_bytes(), method=LZX)
    whole = len(server.files[where(codeview, "disk.pd_")])
    arrived: list[bool] = []

    def progress(_: str, done: int, __: int | None) -> None:
        arrived.append(done == whole)

    downloader = Downloader(cancelled=lambda: any(arrived), progress=progress)
    with pytest.raises(Cancelled):
        path_with(server, tmp_path).open_pdb(codeview, fetch=downloader.fetch)
    assert arrived[-1]
    assert list(tmp_path.rglob("*")) == []


def test_addresses_of_other_kinds_are_not_opened(codeview: CodeView, built: Built, tmp_path: Path) -> None:
    path = SymbolPath.parse(f"srv*{tmp_path}*file://{built.pdb.parent}")
    search = path.open_pdb(codeview, fetch=Downloader().fetch)
    assert "only http and https" in search.tried[-1]


def test_progress_is_told_once_for_each_mebibyte_and_at_the_end() -> None:
    lines: list[str] = []
    progress = progress_lines(lines.append)
    size = 2 * MEBIBYTE + 5
    for done in (*range(0x10000, size, 0x10000), size):
        progress("http://127.0.0.1/a.pdb", done, size)
    assert [line.rpartition(": ")[2] for line in lines] == [
        "0.1 of 2.0 MiB",
        "1.0 of 2.0 MiB",
        "2.0 of 2.0 MiB",
        "2.0 of 2.0 MiB",
    ]


def test_a_file_that_another_session_has_open_is_as_good_as_a_new_one(tmp_path: Path) -> None:
    """Two sessions ask for the same file; Windows lets nobody replace what is open."""
    kept = _keep(b"the same", tmp_path, "x.pdb", "AB1")
    with kept.open("rb"):
        assert _keep(b"the same", tmp_path, "x.pdb", "AB1") == kept
    assert files_in(tmp_path) == ["x.pdb/AB1/x.pdb"]
