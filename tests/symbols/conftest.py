from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.symbols.build import TARGET, Built, build

SOURCE = Path(__file__).parent / "program.c"
EXPORTS = ("/export:ByOrdinal=Add,@40,noname", "/export:Forwarded=other.Function")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An x64 image and its PDB, made by clang and lld."""
    _need_compiler()
    return build(tmp_path_factory.mktemp("x64"), [SOURCE], "-O1", link_options=EXPORTS)


@pytest.fixture(scope="session")
def built_x86(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The same for x86, where names carry decorations."""
    _need_compiler()
    target = ["--target=i686-pc-windows-msvc", *TARGET[1:]]
    return build(tmp_path_factory.mktemp("x86"), [SOURCE], "-O1", target=target, link_options=("/safeseh:no",))


def _need_compiler() -> None:
    if shutil.which("clang") and shutil.which("lld-link"):
        return
    if os.environ.get("KDNB_REQUIRE_EXTERNAL"):
        pytest.fail("needs clang, lld-link on PATH", pytrace=False)
    pytest.skip("needs clang, lld-link on PATH")
