"""Files for the target: what is served, and all that is not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kdnb.errors import UsageError
from kdnb.protocol.constants import FileIoApi, Status
from kdnb.protocol.messages.file_io import CloseFileBody, CreateFileBody, FileIo, FileTransferBody
from kdnb.target.files import FileServed, FileService
from tests.systems import ON_WINDOWS, needs_symbolic_links

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = r"\SystemRoot\System32\drivers\disk.sys"


def create(name: str, disposition: int = 1, access: int = 0x120089) -> FileIo:
    body = CreateFileBody(access, 0x80, 1, disposition)
    return FileIo(int(FileIoApi.CreateFile), body, (name + "\0").encode("utf-16-le"))


def read(handle: int, offset: int, length: int) -> FileIo:
    return FileIo(int(FileIoApi.ReadFile), FileTransferBody(handle, offset, length))


def close(handle: int) -> FileIo:
    return FileIo(int(FileIoApi.CloseFile), CloseFileBody(handle))


def handle_of(reply: FileIo) -> int:
    assert isinstance(reply.body, CreateFileBody)
    return reply.body.handle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "allowed"
    inside.mkdir()
    (inside / "new.sys").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "secret").write_bytes(b"secret")
    return inside


@pytest.fixture
def files(folder: Path) -> Iterator[FileService]:
    service = FileService()
    service.allow(folder)
    service.add(NAME, folder / "new.sys")
    yield service
    service.close_all()


def test_a_mapped_file_is_opened_read_in_pieces_and_closed(files: FileService) -> None:
    opened = files.answer(create(NAME.upper()))
    assert opened.status == 0
    assert isinstance(opened.body, CreateFileBody)
    assert opened.body.length == 5120
    handle = handle_of(opened)
    assert handle > 0
    first = files.answer(read(handle, 0, 0x10000))
    assert len(first.data) == 3936  # what one packet carries
    assert isinstance(first.body, FileTransferBody)
    assert first.body.length == 3936
    rest = files.answer(read(handle, 3936, 0x1000))
    assert first.data + rest.data == bytes(range(256)) * 20
    assert files.answer(read(handle, 5120, 16)).status == Status.UNSUCCESSFUL
    assert files.answer(close(handle)).status == 0
    assert files.answer(close(handle)).status == Status.UNSUCCESSFUL
    assert files.answer(read(handle, 0, 16)).status == Status.UNSUCCESSFUL


def test_a_file_name_alone_means_every_folder_of_the_target(files: FileService, folder: Path) -> None:
    files.add("ntfs.sys", folder / "new.sys")
    assert files.answer(create(r"\??\C:\windows\system32\drivers\NTFS.sys")).status == 0


def test_what_is_not_in_the_map_is_refused_as_windbg_refuses_it(files: FileService, folder: Path) -> None:
    told: list[FileServed] = []
    files.told = told.append
    for name in (r"\SystemRoot\other.sys", str(folder / "new.sys"), "..\\..\\new.sys", "", "x" * 5000, "\ud800"):
        request = create(name) if name != "\ud800" else FileIo(0x3430, CreateFileBody(), b"\x00\xd8\x00")
        assert files.answer(request).status == Status.NO_SUCH_FILE
    assert all(one.path is None for one in told)


@pytest.mark.parametrize(("disposition", "access"), [(2, 0x120089), (5, 0x120089), (1, 0x40000000), (1, 0x120116)])
def test_nothing_is_opened_for_writing(files: FileService, disposition: int, access: int) -> None:
    assert files.answer(create(NAME, disposition, access)).status == Status.NO_SUCH_FILE


def test_writing_is_refused(files: FileService, folder: Path) -> None:
    handle = handle_of(files.answer(create(NAME)))
    request = FileIo(int(FileIoApi.WriteFile), FileTransferBody(handle, 0, 4), b"evil")
    assert files.answer(request).status == Status.UNSUCCESSFUL
    assert (folder / "new.sys").read_bytes()[:4] == bytes(4)[:0] + bytes(range(4))


@needs_symbolic_links
def test_a_link_that_leads_out_is_refused_when_mapped_and_when_it_changes_later(
    files: FileService, folder: Path
) -> None:
    link = folder / "link.sys"
    link.symlink_to(folder.parent / "secret")
    with pytest.raises(UsageError, match="allowed folder"):
        files.add("link.sys", link)
    link.unlink()
    link.symlink_to(folder / "new.sys")
    files.add("link.sys", link)
    assert files.answer(create("link.sys")).status == 0
    link.unlink()
    link.symlink_to(folder.parent / "secret")
    assert files.answer(create("link.sys")).status == Status.NO_SUCH_FILE


def test_paths_with_dots_are_judged_by_where_they_lead(files: FileService, folder: Path) -> None:
    with pytest.raises(UsageError):
        files.add("a.sys", folder / ".." / "secret")
    files.add("b.sys", folder / ".." / "allowed" / "new.sys")


def test_only_plain_files_are_given(files: FileService, folder: Path) -> None:
    (folder / "sub").mkdir()
    files.add("sub.sys", folder / "sub")
    assert files.answer(create("sub.sys")).status == Status.NO_SUCH_FILE
    if not ON_WINDOWS:
        os.mkfifo(folder / "fifo")
        files.add("fifo.sys", folder / "fifo")
        assert files.answer(create("fifo.sys")).status == Status.NO_SUCH_FILE


def test_no_more_files_are_open_than_a_kernel_uses(files: FileService) -> None:
    handles = [handle_of(files.answer(create(NAME))) for _ in range(16)]
    assert len(set(handles)) == 16
    assert files.answer(create(NAME)).status == Status.NO_SUCH_FILE
    files.close_all()
    assert files.answer(create(NAME)).status == 0


def test_a_map_file_is_read_and_written(files: FileService, folder: Path) -> None:
    text = files.text()
    assert text == f"map\n{NAME}\n{folder / 'new.sys'}\n"
    files.clear()
    files.load(text)
    assert files.answer(create(NAME)).status == 0
    for wrong in ("map\nx\n", "nonsense\na\nb\n", "map\na\n/etc/hostname\n"):
        with pytest.raises(UsageError):
            files.load(wrong)


def test_without_a_folder_nothing_can_be_mapped(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(UsageError, match="allow its folder first"):
        FileService().add("x.sys", tmp_path / "x")
    with pytest.raises(UsageError):
        FileService().allow(tmp_path / "x")
    with pytest.raises(UsageError):
        FileService().allow(tmp_path / "missing")
