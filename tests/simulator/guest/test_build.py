"""The committed images are what the source gives, and what a debugger needs is in them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from kdnb.simulator.architecture import AMD64, X86
from kdnb.simulator.guest import build
from kdnb.simulator.loader import GuestFile, guest_exports, guest_files
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage

KERNEL_NAMES = """
KeBugCheckEx KeBugCheck2 KiBugCheckDebugBreak DbgBreakPoint DbgBreakPointWithStatus DbgPrint DbgPrintEx DebugPrint
NtCreateFile NtOpenFile NtReadFile NtWriteFile NtClose KiSystemCall64 KiSystemServiceStart KeServiceDescriptorTable
IopCreateFile ObOpenObjectByName IofCallDriver IoCallDriver ExAllocatePoolWithTag KiSwapContext SwapContext KiSwapThread
KeDelayExecutionThread KiIdleLoop KeClockInterruptNotify KdCheckForDebugBreak KiClockInterrupt KiPageFault
KiDivideErrorFault KiBreakpointTrap KiGeneralProtectionFault KiDispatchException PsLoadedModuleList PsActiveProcessHead
PsInitialSystemProcess KdDebuggerDataBlock KiProcessorBlock KiBugCheckData NtBuildNumber NtBuildLab NtGlobalFlag
KdDebuggerEnabled Kd_DEFAULT_Mask
""".split()


@pytest.mark.external("clang", "lld-link", "llvm-pdbutil")
def test_the_committed_images_are_what_the_source_gives(capsys: pytest.CaptureFixture[str]) -> None:
    version = subprocess.run(["clang", "--version"], check=True, capture_output=True, text=True).stdout
    major = re.search(r"version (\d+)", version)
    if major is None or int(major[1]) != build.CLANG:
        pytest.skip(f"the images were built with clang {build.CLANG}; another one chooses other instructions")

    assert build.main(["--check"]) == 0, capsys.readouterr().err


def test_the_kernel_has_the_names_that_debuggers_look_for() -> None:
    publics = {symbol.name for symbol in PdbFile.open(guest_files()[0].pdb).publics()}

    assert not set(KERNEL_NAMES) - publics
    assert {"DbgPrint", "KeBugCheckEx", "NtCreateFile", "PsLoadedModuleList", "NtBuildNumber"} <= guest_exports().keys()


def test_the_x86_kernel_exports_the_same_names_without_decoration() -> None:
    assert guest_exports(X86).keys() == guest_exports(AMD64).keys()
    publics = {symbol.name for symbol in PdbFile.open(guest_files(X86)[0].pdb).publics()}
    assert {"_NtCreateFile@44", "_DbgPrint", "_KiSystemService", "_PsLoadedModuleList"} <= publics


@pytest.mark.parametrize("file", [*guest_files(AMD64), *guest_files(X86)], ids=lambda file: file.name)
def test_each_image_names_its_pdb_and_has_unwind_data(file: GuestFile) -> None:
    image, pdb = PeImage.from_file(file.image), PdbFile.open(file.pdb)

    assert image.codeview is not None
    assert image.codeview.pdb_name == file.pdb_name, "a path of the machine that built it must not be in it"
    assert (image.codeview.guid, image.codeview.age) == (pdb.guid, pdb.age)
    assert image.checksum
    start = image.entry_point or next(rva for rva, name in image.exports() if name == "RtlUserThreadStart")
    if image.machine == AMD64.machine:
        assert image.function_table.lookup(start) is not None
    else:
        assert pdb.frame_table.lookup(start) is not None


def test_no_path_of_the_building_machine_is_in_a_pdb() -> None:
    for file in (*guest_files(AMD64), *guest_files(X86)):
        assert b"/tmp/" not in file.pdb
        assert b"/home/" not in file.pdb
        assert os.fsencode(Path(__file__).parents[3]) not in file.pdb
