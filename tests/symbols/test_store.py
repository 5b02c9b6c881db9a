from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.symbols.pe import CodeView, PeImage
from kdnb.symbols.store import DEFAULT_STORE, SymbolPath, safe_name

if TYPE_CHECKING:
    from tests.symbols.build import Built

KEY = "0123456789ABCDEF0123456789ABCDEF1"


def codeview_of(built: Built) -> CodeView:
    codeview = PeImage.from_file(built.image.read_bytes()).codeview
    assert codeview is not None
    return codeview


def test_a_path_is_read_as_windbg_writes_it() -> None:
    path = SymbolPath.parse(
        r"c:\sym ; srv*d:\cache*https://server.example/symbols;cache*x;symsrv*symsrv.dll*y*\\share\z;;"
    )
    assert [element.folders for element in path.elements] == [
        (Path(r"c:\sym"),),
        (Path(r"d:\cache"),),
        (Path("x"),),
        (Path("y"), Path(r"\\share\z")),
    ]
    assert path.elements[1].servers == ("https://server.example/symbols",)
    assert str(path).startswith(r"c:\sym;srv*d:\cache*https")
    assert str(SymbolPath.parse("a") + SymbolPath.parse("b")) == "a;b"


def test_a_server_alone_means_the_default_store() -> None:
    assert SymbolPath.parse("srv*").elements[0].folders == (DEFAULT_STORE.expanduser(),)
    assert SymbolPath.parse("srv*https://server.example/x").elements[0].folders == (DEFAULT_STORE.expanduser(),)


def test_the_environment_gives_a_path() -> None:
    path = SymbolPath.from_environment({"_NT_SYMBOL_PATH": "b", "_NT_ALT_SYMBOL_PATH": "a"})
    assert str(path) == "a;b"
    assert SymbolPath.from_environment({}).elements == ()


@pytest.mark.parametrize("layout", ["plain", "store", "srv"])
def test_a_pdb_is_found_in_plain_folders_and_in_stores(built: Built, tmp_path: Path, layout: str) -> None:
    codeview = codeview_of(built)
    folder = tmp_path if layout == "plain" else tmp_path / built.pdb.name / codeview.key
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(built.pdb, folder)
    found = SymbolPath.parse(f"srv*{tmp_path}" if layout == "srv" else str(tmp_path)).open_pdb(codeview)
    assert found.pdb is not None
    assert found.pdb.guid == codeview.guid
    assert found.path == folder / built.pdb.name


def test_a_pdb_of_another_build_is_passed_over_and_said(built: Built, built_x86: Built, tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder, source in ((first, built_x86), (second, built)):
        folder.mkdir()
        shutil.copy(source.pdb, folder / "program.pdb")
    found = SymbolPath.parse(f"{first};{second}").open_pdb(codeview_of(built))
    assert found.path == second / "program.pdb"
    assert any("mismatched" in line for line in found.tried)
    assert SymbolPath.parse(str(first)).open_pdb(codeview_of(built)).mismatch


def test_a_damaged_pdb_is_passed_over_and_said(built: Built, tmp_path: Path) -> None:
    (tmp_path / "program.pdb").write_bytes(b"nonsense")
    found = SymbolPath.parse(str(tmp_path)).open_pdb(codeview_of(built))
    assert found.pdb is None
    assert any("not a readable PDB" in line for line in found.tried)


@pytest.mark.parametrize(
    ("untrusted", "name"),
    [
        (r"d:\build\ntkrnlmp.pdb", "ntkrnlmp.pdb"),
        ("/tmp/x/echo.pdb", "echo.pdb"),
        ("echo.pdb", "echo.pdb"),
        ("..", None),
        (r"a\..", None),
        ("", None),
        ("a/", None),
        ("c:x.pdb", None),
        ("nul", None),
        ("COM1.pdb", None),
        ("a\0b", None),
        ("x.pdb ", None),
        ("x" * 300, None),
    ],
)
def test_names_from_targets_are_reduced_to_safe_file_names(untrusted: str, name: str | None) -> None:
    assert safe_name(untrusted) == name


@given(st.text(max_size=40), st.text("0123456789ABCDEF./\\", max_size=40))
def test_no_name_from_a_target_leaves_the_folder(untrusted: str, key: str) -> None:
    root = Path("/symbols")
    for candidate in SymbolPath.parse("/symbols").candidates(untrusted, key):
        assert candidate.is_relative_to(root)
        assert ".." not in candidate.parts
