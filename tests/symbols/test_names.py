from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.symbols.names import type_name, undecorate, undecorate_cplusplus
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage
from kdnb.symbols.table import SymbolTable

if TYPE_CHECKING:
    from tests.windows_files import WindowsFiles


@pytest.mark.parametrize(
    ("decorated", "plain"),
    [
        ("_f", "f"),
        ("_f@8", "f"),
        ("@f@8", "f"),
        ("__imp__f@8", "_imp__f"),
        ("?f@@YAHXZ", "?f@@YAHXZ"),
        ("f", "f"),
        ("_", "_"),
    ],
)
def test_undecorated_names(decorated: str, plain: str) -> None:
    assert undecorate(decorated) == plain


@pytest.mark.parametrize(
    ("decorated", "plain"),
    [
        ("?f@@YAXH@Z", "f"),
        ("??$?6U?$char_traits@D@std@@@std@@YAAAV?$basic_ostream@DU?$char_traits@D@std@@@0@AAV10@PBD@Z",
         "std::operator<<<std::char_traits<char> >"),
        ("??_Gexception@std@@UEAAPEAXI@Z", "std::exception::`scalar deleting destructor'"),
        ("??_7type_info@@6B@", "type_info::`vftable'"),
        ("??_R0?AVexception@std@@@8", "std::exception `RTTI Type Descriptor'"),
        ("??_C@_0P@DIIFGFCG@stream?5timeout@", "`string'"),
        ("??0AccessDeniedException@Platform@@QE$AAA@XZ", "??0AccessDeniedException@Platform@@QE$AAA@XZ"),  # C++/CX
        ("?", "?"),
        ("plain", "plain"),
    ],
)  # fmt: skip
def test_cplusplus_names_lose_all_but_the_name(decorated: str, plain: str) -> None:
    assert undecorate_cplusplus(decorated) == plain


@pytest.mark.parametrize("name", ["inject_dll_amd64.pdb", "inject_dll_x86.pdb"])
def test_undecorated_publics_are_the_names_that_msvc_gives_the_procedures(msvc: WindowsFiles, name: str) -> None:
    pdb = PdbFile.open(msvc.path(name))
    procedures: dict[int, set[str]] = defaultdict(set)
    for procedure in pdb.procedures():
        procedures[procedure.rva].add(procedure.name)
    publics = [one for one in pdb.publics() if one.name.startswith("?") and one.rva in procedures]
    assert len(publics) > 300
    differ = {
        undecorate_cplusplus(one.name) for one in publics if undecorate_cplusplus(one.name) not in procedures[one.rva]
    }
    # The same code stands for both deleting destructors; names inside names keep their signature.
    assert [one for one in differ if "`vector deleting destructor'" not in one and "push_back(char)'" not in one] == []


@pytest.mark.external("llvm-undname")
def test_exports_by_msvc_are_named_as_llvm_undname_names_them(msvc: WindowsFiles) -> None:
    names = [name for _, name in PeImage.from_file(msvc.data("msvcp140.dll")).exports() if name.startswith("??0")]
    shown = subprocess.run(
        ["llvm-undname", "--no-calling-convention", "--no-access-specifier", "--no-return-type", "--no-member-type"],
        input="\n".join(names),
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert len(names) > 50
    for name, full in zip(shown[::3], shown[1::3], strict=True):
        ours = undecorate_cplusplus(name)
        spelled = re.sub(r">(?=>)", "> ", re.sub(r"class |struct ", "", full).replace(", ", ","))
        assert spelled.startswith(f"{ours}(")


def test_symbol_tables_show_and_find_undecorated_names(msvc: WindowsFiles) -> None:
    exports = SymbolTable.from_exports(PeImage.from_file(msvc.data("msvcp140.dll")))
    assert exports.lookup("std::_Lockit::_Lockit") is not None
    assert any(one.name.startswith("std::") for one in exports.search("std::*ostream*::operator<<"))
    names = [one.name for one in SymbolTable.from_pdb(PdbFile.open(msvc.path("attach_amd64.pdb")))]
    assert not [name for name in names if name.startswith("?")]


def test_type_descriptors_name_their_types() -> None:
    assert type_name(".?AVbad_alloc@std@@") == "std::bad_alloc"
    assert type_name(".H") == "int"
    assert type_name(".nonsense") == ".nonsense"


@given(st.text(alphabet="?@$_0123456789ABCDEFGHQVXZabc", max_size=120))
def test_no_name_breaks_the_reader(text: str) -> None:
    assert isinstance(undecorate_cplusplus("?" + text), str)
    assert isinstance(type_name("." + text), str)
