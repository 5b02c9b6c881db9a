"""kd.processes and kd.threads as a script uses them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

import kdnb
from kdnb.errors import MemoryReadError, StaleError

if TYPE_CHECKING:
    from kdnb.debugger.process_views import Process


def own_image(process: Process) -> str:
    """The image's name by the parameters that lie in the memory of the process."""
    parameters = int.from_bytes(process.read(process.peb + 0x20, 8), "little")
    size, path = struct.unpack("<H6xQ", process.read(parameters + 0x60, 16))
    return process.read(path, size).decode("utf-16-le").rsplit("\\", 1)[1]


def first_path(process: Process) -> int:
    """Where the current directory is written; the same address in each process."""
    parameters = int.from_bytes(process.read(process.peb + 0x20, 8), "little")
    return int.from_bytes(process.read(parameters + 0x40, 8), "little")


def test_processes_and_threads_of_a_script() -> None:
    pytest.importorskip("unicorn", reason="needs the extra `sim`")
    with kdnb.connect("sim:", timeout=30.0) as kd:
        notepad = kd.processes["notepad.exe"]
        assert notepad == kd.processes[0x1044] == kd.processes[notepad.address]
        assert len(kd.processes) == len(list(kd.processes)) == len(kd.processes.df)
        assert "explorer.exe" in kd.processes
        assert "nothing.exe" not in kd.processes
        assert notepad.read(f"{notepad.peb:x}", 4) == bytes(4)
        with pytest.raises(KeyError, match=r"no process 0x270f \(9999\); !process 0 0 lists them"):
            kd.processes[9999]
        with pytest.raises(KeyError, match=r"called notpad\.exe; did you mean notepad\.exe"):
            kd.processes["notpad.exe"]
        with pytest.raises(KeyError, match="no thread 9998"):
            kd.threads[9998]
        assert own_image(notepad) == "notepad.exe"
        assert own_image(kd.processes["smss.exe"]) == "smss.exe"
        assert notepad.read(kd.modules["nt"].base, 2) == b"MZ"
        with pytest.raises(MemoryReadError):
            notepad.read(0x1000, 4)
        assert repr(notepad).startswith(f"PROCESS {notepad.address:016x}\n")
        name, other = first_path(notepad), kd.processes["smss.exe"]
        assert name == first_path(other)
        assert notepad.read_string(name, wide=True) == "C:\\Windows\\System32\\"
        notepad.write(name, b"D")
        assert notepad.read_string(name, wide=True).startswith("D:")
        assert other.read_string(name, wide=True).startswith("C:")
        thread = next(iter(kd.threads))
        assert thread in kd.threads
        assert thread.tid in kd.threads._ipython_key_completions_()
        for key in (None, "x", 1.5):
            assert key not in kd.threads
            with pytest.raises(KeyError):
                kd.threads[key]
            with pytest.raises(KeyError):
                kd.processes[key]
        assert int(notepad.struct.UniqueProcessId) == notepad.pid == notepad.to_dict()["pid"]
        waiting = kd.processes["csrss.exe"].threads[0]
        assert waiting == kd.threads[waiting.tid]
        assert any("PspWaitingThread" in frame.symbol for frame in waiting.stack)
        assert set(kd.threads.df["image"]) >= {"System", "notepad.exe"}
        kd.step(2)  # the first only moves past the breakpoint instruction
        with pytest.raises(StaleError):
            notepad.read(notepad.peb, 4)
