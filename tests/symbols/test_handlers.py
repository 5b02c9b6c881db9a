from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from kdnb.symbols.handlers import HandlerData, handler_routine
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.windows_files import WindowsFiles


def _without_names(_rva: int) -> Iterable[str]:
    return ()


def _routines(image: PeImage, names_at: object = _without_names) -> Counter[str]:
    """How many functions each known routine handles."""
    assert callable(names_at)
    found: Counter[str] = Counter()
    for function in image.function_table:
        info = image.unwind_info(function.unwind)
        if info.handler is not None:
            known = handler_routine(image, info.handler, names_at)
            found[known[0] if known is not None else ""] += 1
    return found


def test_handlers_behind_imports_are_known_without_symbols(msvc: WindowsFiles) -> None:
    """Jumps through the import table, and copies of the cookie checks that call such a jump; what is left only checks
    a cookie."""
    found = _routines(PeImage.from_file(msvc.data("msvcp140.dll")))
    assert found == {"__CxxFrameHandler4": 440 + 85, "__C_specific_handler": 6, "": 59}


def test_handlers_of_a_program_that_holds_them_are_known_by_its_pdb(msvc: WindowsFiles) -> None:
    image = PeImage.from_file(msvc.data("inject_dll_amd64.exe"))
    names: dict[int, list[str]] = {}
    for symbol in PdbFile.open(msvc.path("inject_dll_amd64.pdb")).symbols():
        names.setdefault(symbol.rva, []).append(symbol.name)
    found = _routines(image, lambda rva: names.get(rva, ()))
    assert found == {
        "__C_specific_handler": 52,
        "__C_specific_handler_noexcept": 5,
        "__CxxFrameHandler3": 8,
        "__CxxFrameHandler4": 34,
        "__GSHandlerCheck_EH": 2,
        "__GSHandlerCheck_EH4": 9,
        "__GSHandlerCheck_SEH": 1,
        "": 49,
    }
    assert set(_routines(image)) == {""}  # nothing leads to a known import


@pytest.mark.parametrize("name", ["arm64/msvcp140.dll", "arm64/concrt140.dll"])
def test_handlers_of_arm64_images_are_known_by_their_imports(msvc: WindowsFiles, name: str) -> None:
    image = PeImage.from_file(msvc.data(name))
    table = image.arm64_functions
    found: Counter[HandlerData | None] = Counter()
    for index in range(len(table)):
        function = table.lookup(table.entry(index)[0])
        if function is not None and function.handler is not None:
            known = handler_routine(image, function.handler, _without_names)
            found[known[1] if known is not None else None] += 1
    assert found[HandlerData.CXX3] + found[HandlerData.CXX4] > 200
