"""The docs say what the code says, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kdnb.protocol.link_states import diagram
from kdnb.protocol.packet_ids import Role

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")])
ARCHITECTURE = REPOSITORY / "docs/explanation/architecture.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_relative_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_no_page_has_leftovers_of_a_merge(page: Path) -> None:
    assert not re.search(r"^(<<<<<<<|=======|>>>>>>>)", page.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("role", list(Role))
def test_the_picture_of_the_link_is_drawn_from_its_table(role: Role) -> None:
    page = ARCHITECTURE.read_text(encoding="utf-8")
    assert diagram(role) in page


def test_the_ladder_on_the_page_is_the_one_that_is_checked() -> None:
    page = ARCHITECTURE.read_text(encoding="utf-8")
    contract = (
        (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8").partition("[[tool.importlinter.contracts]]")[2]
    )
    rungs = [rung.replace("kdnb.", "") for rung in re.findall(r'"(kdnb\.[^"]+)",', contract)]
    shown = re.search(r"```\n(cli .*?)```", page, re.DOTALL)
    assert shown is not None
    for rung, line in zip(rungs, shown.group(1).splitlines(), strict=True):
        assert line.startswith(rung)
