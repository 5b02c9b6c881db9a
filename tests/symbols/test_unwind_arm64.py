from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from kdnb.symbols.pe import PeImage
from kdnb.symbols.unwind_arm64 import Arm64Op

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.symbols.unwind_arm64 import Arm64Code, Arm64Function
    from tests.windows_files import WindowsFiles


def _words(code: Arm64Code, *, undoes: bool) -> str:
    """A code as llvm-readobj writes it, for a prolog or for the epilog that undoes it."""
    match code.op:
        case Arm64Op.ALLOC:
            return f"{'add' if undoes else 'sub'} sp, #{code.amount}"
        case Arm64Op.SET_FP:
            return "mov sp, fp" if undoes else "mov fp, sp"
        case Arm64Op.ADD_FP:
            return f"sub sp, fp, #{code.amount}" if undoes else f"add fp, sp, #{code.amount}"
        case Arm64Op.SAVE_NEXT:
            return "restore next" if undoes else "save next"
        case Arm64Op.SIGN_LR:
            return "Bad opcode!"  # llvm-readobj 14 doesn't know it
        case Arm64Op.CLEAR_UNWOUND:
            return "clear unwound to call"
        case Arm64Op.SAVE:
            registers = [{"fp": "x29", "lr": "x30"}.get(name, name) for name in code.registers]
            if registers[0] != "x29" and registers[-1:] == ["x30"] and len(registers) == 2:
                registers[1] = "lr"
            place = f"[sp, #{code.offset}]"
            if code.amount:
                place = f"[sp], #{code.amount}" if undoes else f"[sp, #-{code.amount}]!"
            return f"{'ld' if undoes else 'st'}{'p' if len(registers) == 2 else 'r'} {', '.join(registers)}, {place}"
    return code.op.name.lower()


def _shown(text: str) -> Iterator[tuple[int, int, list[str], list[tuple[int, list[str]]]]]:
    """Address, length, prolog and epilogs of each full record; nothing of an epilog that shares the prolog's codes."""
    for function in text.split("RuntimeFunction {")[1:]:
        if "EpiloguePacked" not in function or "0xe7 " in function:  # llvm-readobj 14 knows no save_any_reg
            continue
        address = re.search(r"Function: (?:\S+ \()?0x(\w+)", function)
        length = re.search(r"FunctionLength: (\d+)", function)
        prolog, *epilogs = function.split("StartOffset: ")
        codes = [re.findall(r"^ +0x\w+ +; (.*)$", part, re.MULTILINE) for part in (prolog, *epilogs)]
        starts = [4 * int(part.split(maxsplit=1)[0]) for part in epilogs]
        if address is None or length is None or not all("end" in lines for lines in codes):
            return  # cut short
        ended = [lines[: lines.index("end")] for lines in codes]
        yield int(address[1], 16), int(length[1]), ended[0], list(zip(starts, ended[1:], strict=True))


def _ours(image: PeImage, function: Arm64Function, *, packed: bool) -> object:
    prolog = [_words(code, undoes=False) for code in function.codes if not code.is_end]
    epilogs = [
        (epilog.start, [_words(code, undoes=True) for code in epilog.codes])
        for epilog in function.epilogs
        if not packed
    ]
    return image.image_base + function.begin, function.length, prolog, epilogs


@pytest.mark.external("llvm-readobj")
@pytest.mark.parametrize("name", ["arm64/vcruntime140.dll", "arm64/msvcp140.dll"])
def test_every_full_record_by_msvc_is_as_llvm_readobj_shows_it(msvc: WindowsFiles, name: str) -> None:
    image = PeImage.from_file(msvc.data(name))
    # It may crash on what it doesn't know, behind what it has shown by then.
    shown = subprocess.run(
        ["llvm-readobj", "--unwind", msvc.path(name)], check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    count = 0
    for expected in _shown(shown.stdout.decode()):
        function = image.arm64_functions.lookup(expected[0] - image.image_base)
        assert function is not None
        assert _ours(image, function, packed=not expected[3]) == expected
        count += 1
    assert count > 100
