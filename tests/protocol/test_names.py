"""Names of statuses, exceptions and bug checks."""

from __future__ import annotations

import pytest

from kdnb.protocol import names
from kdnb.protocol.bugchecks import BUG_CHECK_PARAMETERS, BUG_CHECK_TEXTS, BUG_CHECKS
from kdnb.protocol.constants import ContinueStatus, Status
from kdnb.protocol.ntstatus import NTSTATUS


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0, "STATUS_SUCCESS"),
        (0x103, "STATUS_PENDING"),
        (0xC0000001, "STATUS_UNSUCCESSFUL"),
        (0xC0000005, "STATUS_ACCESS_VIOLATION"),
        (-0x3FFFFFFB, "STATUS_ACCESS_VIOLATION"),
        (0x8000001A, "STATUS_NO_MORE_ENTRIES"),
        (0xC000000F, "STATUS_NO_SUCH_FILE"),
        (0x10002, "DBG_CONTINUE"),
        (0x80010001, "DBG_EXCEPTION_NOT_HANDLED"),
        (0xC1234567, None),
    ],
)
def test_a_status_has_the_name_of_the_header_files(code: int, name: str | None) -> None:
    assert names.status_name(code) == name


def test_a_status_has_a_text_where_it_is_common() -> None:
    assert names.status_text(0xC0000022) == "Access is denied."
    assert names.status_text(1) is None
    assert names.status_text(0xC1234567) is None


def test_exceptions_are_worded_as_in_windbg() -> None:
    assert names.exception_name(0x80000003) == "Break instruction exception"
    assert names.exception_name(0xC0000005) == "Access violation"
    assert names.exception_name(0xC0000034) == "STATUS_OBJECT_NAME_NOT_FOUND"
    assert names.exception_name(0xC1234567) is None


def test_bug_checks_have_names_and_parameters() -> None:
    assert names.bugcheck_name(0xD1) == "DRIVER_IRQL_NOT_LESS_OR_EQUAL"
    assert names.bugcheck_name(0x1000007E) == "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED"
    assert names.bugcheck_name(0xE2) == "MANUALLY_INITIATED_CRASH"
    assert names.bugcheck_name(0x12345) is None
    assert names.bugcheck_parameters(0xA)[1] == "IRQL"
    assert names.bugcheck_parameters(0x2) == ()
    assert names.bugcheck_text(0xE2) == "The crash was asked for by a user or a debugger."


def test_the_tables_are_large_sorted_and_without_duplicates() -> None:
    codes = [int(line.split(" ")[0], 16) for line in NTSTATUS.splitlines()]
    assert len(codes) > 500
    assert codes == sorted(set(codes))
    checks = [line.split(" ")[0] for line in BUG_CHECKS.splitlines()]
    assert len(checks) > 200
    assert len(checks) == len(set(checks))
    assert len(BUG_CHECK_PARAMETERS) >= 30
    assert {len(parameters) for parameters in BUG_CHECK_PARAMETERS.values()} == {4}
    assert all(names.bugcheck_name(code) for code in {*BUG_CHECK_PARAMETERS, *BUG_CHECK_TEXTS})


def test_every_number_that_the_protocol_uses_has_a_name() -> None:
    for status in Status:
        assert names.status_name(status) == f"STATUS_{status.name}"
    for status in ContinueStatus:
        assert names.status_name(status) == status.name
