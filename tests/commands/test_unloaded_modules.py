"""What was unloaded in `lm`, `ln`, `u`, `dps`, and what `.reload /unl` brings back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.modules import ModuleList
from kdnb.results.stack import Stack
from kdnb.simulator.guest_symbols import write_symbols
from tests.debugger.simulated import TIMEOUT, open_session, packets, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kdnb.debugger.session import Session

BASE = 0xFFFFF80044050000


@pytest.fixture(scope="module")
def symbols(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("symbols")
    write_symbols(folder)
    return folder


@pytest.fixture(scope="module")
def crashed_machine(symbols: Path) -> Iterator[Session]:
    """At bug check CE, with echo.sys gone."""
    with serve("driverunload") as address, open_session(address, symbol_path=str(symbols)) as session:
        session.connect(TIMEOUT)
        session.go(timeout=TIMEOUT)
        yield session


@pytest.fixture
def crashed(crashed_machine: Session, symbols: Path) -> Iterator[Session]:
    yield crashed_machine
    crashed_machine.breakpoints.remove([breakpoint.number for breakpoint in crashed_machine.breakpoints])
    crashed_machine.symbols.set_path(str(symbols))
    for module in list(crashed_machine.modules):
        crashed_machine.modules.forget_gone(module)


def shown(session: Session, command: str) -> str:
    return to_text(execute(session, command)[-1])


def gone(session: Session, command: str) -> list[str]:
    (value,) = execute(session, command)
    assert isinstance(value, ModuleList)
    return [module.name for module in value.unloaded]


def test_lm_lists_them_last(crashed: Session) -> None:
    lines = shown(crashed, "lm").split("\n")
    assert lines[-3:] == ["", "Unloaded modules:", f"fffff800`{BASE & 0xFFFFFFFF:08x} fffff800`44055000   echo.sys"]
    assert "    ImageSize:  00005000" in shown(crashed, "lmv")
    before = packets(crashed)
    shown(crashed, "lm")
    assert packets(crashed) == before


def test_options_of_lm_choose_among_them(crashed: Session) -> None:
    for command in ("lmk", "lm m echo", "lm m e*", "lmm echo.sys", f"lm a {BASE + 0x1234:x}", "lmsm", "lmn", "lmt"):
        assert gone(crashed, command) == ["echo.sys"], command
    for command in ("lmo", "lml", "lme", "lmu", "lm1m", "lm m d*", f"lm a {BASE - 1:x}", "lm a nt"):
        assert gone(crashed, command) == [], command
    assert shown(crashed, "lm m nosuch") == "start             end                 module name"


def test_addresses_in_them_have_names(crashed: Session) -> None:
    assert shown(crashed, f"ln {BASE + 0x1234:x}") == "(fffff800`44050000)   <Unloaded_echo.sys>+0x1234"
    assert shown(crashed, f"u {BASE + 0x1234:x} L1").startswith("<Unloaded_echo.sys>+0x1234:\nfffff800`44051234 ??")
    assert shown(crashed, "dps nt!KiBugCheckData+8 L1").endswith("<Unloaded_echo.sys>+0x10f0")
    assert "<Unloaded_echo.sys>+0x10" in shown(crashed, f'.printf "%y\\n", {BASE + 0x10:x}')
    assert crashed.symbols.name_at(BASE + 0x5000) is None


def test_reload_unl_finds_symbols_by_the_image_file(crashed: Session) -> None:
    text = shown(crashed, ".reload /unl echo")
    assert text.split("\n")[:2] == ["Loading unloaded module list", "."]
    assert text.split("\n")[2].startswith("echo: ")
    assert "pdb symbols" in text
    assert crashed.evaluate("echo!EchoUnload") > BASE
    assert (
        shown(crashed, f"ln {crashed.evaluate('echo!EchoUnload'):x}").split("\n")[-1].startswith("    echo!EchoUnload")
    )
    assert "echo       (pdb symbols)" in shown(crashed, "lm m echo")
    assert "(pdb symbols)" not in shown(crashed, "lmo m echo"), "it is not loaded"
    assert "FILE     - Image read" in shown(crashed, "!lmi echo")
    execute(crashed, ".reload")
    assert "echo" in crashed.modules, "it stays until something is loaded there"
    assert shown(crashed, ".reload /u echo") == "Unloaded echo"
    assert "echo" not in crashed.modules
    assert crashed.symbols.format(BASE + 8) == "<Unloaded_echo.sys>+0x8"


def test_breakpoints_in_them_wait_for_the_driver_to_come_back(crashed: Session) -> None:
    execute(crashed, "bu echo!EchoUnload; .reload /unl")
    assert crashed.breakpoints[0].address is None
    assert "was unloaded, adding deferred bp" in shown(crashed, "bp echo!DriverEntry")
    assert crashed.breakpoints[1].address is None
    assert crashed.breakpoints[1].symbolic


def test_without_its_file_one_line_says_what_to_do(crashed: Session, tmp_path: Path, symbols: Path) -> None:
    execute(crashed, f".sympath {tmp_path}")
    text = shown(crashed, ".reload /unl")
    assert "no image file echo.sys of 0x5000 bytes is on the symbol path" in text
    assert ".sympath+ FOLDER" in text
    assert "echo" not in crashed.modules
    (file,) = symbols.glob("echo.sys/*/echo.sys")
    (tmp_path / "echo.sys").write_bytes(file.read_bytes())
    text = shown(crashed, ".reload /unl")
    assert "*** ERROR: Symbol file could not be found.  Defaulted to " in text
    (stack,) = execute(crashed, "k")
    assert isinstance(stack, Stack)
    assert [frame.module for frame in stack][-4:] == ["echo", "echo", "nt", "nt"], "by the file's unwind data"
    assert not any(frame.is_guess for frame in stack)


def test_several_builds_are_not_guessed_among(crashed: Session, tmp_path: Path, symbols: Path) -> None:
    (file,) = symbols.glob("echo.sys/*/echo.sys")
    data = file.read_bytes()
    header = int.from_bytes(data[0x3C:0x40], "little")
    other = data[: header + 8] + bytes(4) + data[header + 12 :]
    (tmp_path / "echo.sys").write_bytes(other)
    execute(crashed, f".sympath {tmp_path};{symbols}")
    assert "2 builds of echo.sys fit" in shown(crashed, ".reload /unl")
    assert "echo" not in crashed.modules
    assert "echo: " in shown(crashed, ".reload /i /unl")


def test_names_that_are_not_in_the_list_are_refused(crashed: Session) -> None:
    with pytest.raises(CommandError, match=r'"disk.sys" was not found in the list of unloaded modules'):
        execute(crashed, ".reload /unl disk.sys")


def test_a_driver_that_is_loaded_again_takes_its_place(symbols: Path) -> None:
    with serve("driverload") as address, open_session(address, symbol_path=str(symbols)) as session:
        session.connect(TIMEOUT)
        assert shown(session, ".reload /unl") == "No module was unloaded"
        execute(session, "sxe ud:echo; sxe ld:echo; g; g; g")
        assert session.modules["echo"].base == BASE
        assert not session.modules["echo"].is_unloaded
        assert "echo.sys: an image is loaded there now" in shown(session, ".reload /unl")
        execute(session, "g")
        assert "echo" not in session.modules
        execute(session, ".reload /unl")
        assert session.modules["echo"].is_unloaded
        execute(session, "bu echo!DriverEntry; g")
        assert not session.modules["echo"].is_unloaded
        execute(session, "g")
        assert session.symbols.format(session.registers.pc) == "echo!DriverEntry"
