"""The simulated machine asks for its drivers' files before it loads them, and runs what it gets."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.render.text import to_text
from kdnb.simulator.architecture import AMD64, X86, Architecture
from kdnb.simulator.guest import build
from kdnb.simulator.loader import guest_files
from kdnb.symbols.pe import PeImage
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kdnb.debugger.session import Session


def test_a_mapped_driver_is_read_to_its_end_and_the_others_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.sys").write_bytes(bytes(5000))
    prints: list[str] = []
    with serve("boot") as address, open_session(address) as session:
        execute(session, f".kdfiles -a {tmp_path}; .kdfiles -m disk.sys {tmp_path / 'mine.sys'}; sxe ld:disk")
        session.events.on_print(lambda event: prints.append(event.text))
        stop = session.connect(TIMEOUT, break_in=False)
        assert stop is None
        stop = session.execution.wait_for_stop(TIMEOUT)
        assert stop is not None
        assert "disk.sys" in stop.details
        assert session.log is not None
        apis = session.log.packets()["api"].dropna().tolist()
    assert apis.count("ReadFile") == 4  # two requests, two replies
    assert apis.count("CloseFile") == 2
    shown = "".join(prints)
    assert "disk.sys" in shown
    assert "mine.sys (5000 bytes)" in shown


@pytest.mark.parametrize("architecture", [AMD64, X86], ids=["amd64", "x86"])
def test_a_file_that_is_no_driver_is_refused_by_the_target_which_loads_its_own(
    architecture: Architecture, tmp_path: Path
) -> None:
    (tmp_path / "mine.sys").write_bytes(bytes(5000))
    with driver_to_come(architecture, tmp_path) as (session, prints):
        stop = session.go(timeout=TIMEOUT)
        assert stop is not None
        assert "echo.sys" in stop.details
        assert "is no image that can be loaded here" in "".join(prints)
        own = PeImage.from_file(next(file.image for file in guest_files(architecture) if file.name == "echo.sys"))
        image = session.modules["echo"].image
        assert image is not None
        assert image.timestamp == own.timestamp


@pytest.mark.external("clang", "lld-link")
@pytest.mark.parametrize("architecture", [AMD64, X86], ids=["amd64", "x86"])
def test_a_driver_that_was_built_anew_runs_in_place_of_the_old_one(
    architecture: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_another_echo(architecture, tmp_path, monkeypatch)
    with driver_to_come(architecture, tmp_path) as (session, prints):
        execute(session, f".sympath+ {tmp_path}")
        session.go(timeout=TIMEOUT)
        module = session.modules["echo"]
        new = PeImage.from_file((tmp_path / "mine.sys").read_bytes())
        assert module.info(headers=True).timestamp == new.timestamp
        assert module.size == new.size_of_image > 0x5000, "larger than the old one"
        execute(session, "bp echo!EchoReplaced; g")
        assert session.symbols.format(session.registers.pc) == "echo!EchoReplaced"
        assert "echo!DriverEntry" in to_text(execute(session, "k")[-1])
        assert "echo!EchoTable" in to_text(execute(session, "uf echo!EchoReplaced")[-1])
        execute(session, ".kdfiles -c; bc *; sxe ud:echo; g")
        assert "echo: the new one, 1" in "".join(prints)
        execute(session, "g")
        info = session.modules["echo"].info(headers=True)
        assert info.timestamp != new.timestamp, "its own file again"
        assert [gone.size for gone in session.modules.remembered] == [new.size_of_image]


@contextlib.contextmanager
def driver_to_come(architecture: Architecture, folder: Path) -> Iterator[tuple[Session, list[str]]]:
    """A session that gives mine.sys for echo.sys and stops where that is loaded; and what it prints."""
    prints: list[str] = []
    with serve("driverload", architecture) as address, open_session(address) as session:
        session.connect(TIMEOUT)
        session.events.on_print(lambda event: prints.append(event.text))
        execute(session, f".kdfiles -a {folder}; .kdfiles -m echo.sys {folder / 'mine.sys'}; sxe ld:echo")
        yield session, prints


def build_another_echo(architecture: Architecture, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver with a function and a large table more, as mine.sys with its PDB."""
    source, scratch = folder / "source", folder / "scratch"
    shutil.copytree(build.SOURCE, source)
    scratch.mkdir()
    text = (source / "echo.c").read_text()
    new = """ULONG EchoTable[0x800];
        NOINLINE VOID EchoReplaced(void)
        {
            DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, "echo: the new one, %d\\n", ++EchoTable[1]);
        }
        NTSTATUS DriverEntry("""
    text = text.replace("NTSTATUS DriverEntry(", new)
    (source / "echo.c").write_text(text.replace('"echo: DriverEntry %p\\n", DriverObject);', '""); EchoReplaced();'))
    monkeypatch.setattr(build, "SOURCE", source)
    target = build.AMD64 if architecture is AMD64 else build.X86
    out = folder / "built" / "images"
    out.mkdir(parents=True)
    shutil.copyfile(build.IMAGES / build.KERNEL, out.parent / build.KERNEL)  # its exports are those of x86 too
    for spec in target.images:
        if spec.name in (build.KERNEL, "echo.sys"):
            build.build_image(target, spec, out, scratch)
    shutil.copyfile(out / "echo.sys", folder / "mine.sys")
    shutil.copyfile(out / "echo.pdb", folder / "echo.pdb")
