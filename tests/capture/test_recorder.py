"""The recorder: a file that can be read at every moment, whatever becomes of the writer."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdnb.capture.open import open_capture
from kdnb.capture.packet_file import read_frames
from kdnb.capture.recorder import Recorder
from kdnb.errors import CaptureError, UsageError
from kdnb.protocol.constants import Direction, PacketType
from kdnb.protocol.packet import encode_packet, make_control

if TYPE_CHECKING:
    from pathlib import Path

TO_TARGET, TO_HOST = Direction.TO_TARGET, Direction.TO_HOST
RESET = encode_packet(make_control(PacketType.RESET, 0))
ACKNOWLEDGE = encode_packet(make_control(PacketType.ACKNOWLEDGE, 0x80800000))


def frames(data: bytes) -> list[bytes]:
    """The TCP payloads of a file without damage."""
    problems: list[str] = []
    found = [frame.data[40:] for frame in read_frames(data, problems)]
    assert problems == []
    return found


def test_each_chunk_is_in_the_file_as_soon_as_it_was_recorded(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x.pcapng")
    recorder.begin()
    for count in range(1, 5):
        recorder.record(TO_TARGET, b"%d" % count, count)
        assert frames(recorder.path.read_bytes()) == [b"%d" % number for number in range(1, count + 1)]
    recorder.close()


@given(st.integers(min_value=0, max_value=4000))
@settings(max_examples=60)
def test_a_file_cut_at_any_byte_gives_the_chunks_before_the_cut(tmp_path_factory: pytest.TempPathFactory, cut: int):
    folder = tmp_path_factory.mktemp("cut")
    recorder = Recorder(folder / "x.pcapng")
    recorder.begin()
    sizes = []
    for number in range(30):
        recorder.record(TO_HOST if number % 3 else TO_TARGET, bytes([number]) * (number + 1), number)
        sizes.append(recorder.path.stat().st_size)
    recorder.close()
    whole = recorder.path.read_bytes()
    problems: list[str] = []
    found = list(read_frames(whole[:cut], problems)) if cut >= 4 else []
    assert len(found) == sum(size <= cut for size in sizes)


def test_conversations_are_connections_of_their_own(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x.pcapng")
    for _ in range(3):
        recorder.begin()
        recorder.record(TO_TARGET, RESET, 1)
        recorder.record(TO_HOST, RESET + ACKNOWLEDGE, 2)
    recorder.close()
    capture = open_capture(recorder.path)
    assert len(capture.conversations) == 3
    assert capture.problems == []
    assert capture.packets()["type"].tolist() == ["RESET", "RESET", "ACKNOWLEDGE"] * 3


def test_another_suffix_is_refused_and_no_file_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pcapng"):
        Recorder(tmp_path / "x.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="can't write"):
        Recorder(tmp_path / "none" / "x.pcapng")


def test_a_full_disk_ends_the_recording_with_whole_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(tmp_path / "x.pcapng")
    recorder.record(TO_TARGET, b"kept", 1)
    real = recorder._file

    class Full:
        def write(self, data: bytes) -> int:
            real.write(data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

        def __getattr__(self, name: str):
            return getattr(real, name)

    monkeypatch.setattr(recorder, "_file", Full())
    recorder.record(TO_TARGET, b"lost", 2)
    recorder.record(TO_TARGET, b"not tried", 3)
    assert "No space left" in recorder.problem
    recorder.close()
    assert frames(recorder.path.read_bytes()) == [b"kept"]
