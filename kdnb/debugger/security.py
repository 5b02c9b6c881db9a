"""Tokens, security identifiers and access lists. SID, ACL and ACE are the same in every Windows (public headers)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.loader_list import clean
from kdnb.errors import MemoryReadError, UnknownNameError, UnsupportedError
from kdnb.results.security import (
    PRIVILEGES,
    AccessEntry,
    AccessList,
    GroupMembership,
    Privilege,
    SecurityId,
    TokenInfo,
)

if TYPE_CHECKING:
    from kdnb.debugger.kernel_records import Record
    from kdnb.debugger.session import Session

__all__ = ["FAST_REFERENCES", "describe_token", "process_token", "read_acl", "read_sid"]

MOST_SUB_AUTHORITIES = 15
SID_HEADER, ACL_HEADER, ACE_HEADER = 8, 8, 4
GROUP_LIMIT = 1024
ACL_REVISIONS = (2, 3, 4)
FAST_REFERENCES = {8: 15, 4: 7}
"""Low bits of an EX_FAST_REF, which count references."""
_SID_BEHIND_MASK = range(4)
_MORE_WITH_SID = (0x11, 0x13, 0x14)
"""ACE types with a mask and then a SID: allowed, denied, audit, alarm; mandatory label, scoped policy, trust label."""
PRIVILEGE_BITS = 64
_PATHS = (
    "TokenSource.SourceName", "TokenId", "AuthenticationId", "ParentTokenId", "ModifiedId", "Privileges.Present",
    "Privileges.Enabled", "Privileges.EnabledByDefault", "SessionId", "UserAndGroupCount", "UserAndGroups",
    "RestrictedSidCount", "RestrictedSids", "PrimaryGroup", "TokenType", "ImpersonationLevel", "TokenFlags",
    "OriginatingLogonSession",
)  # fmt: skip


def process_token(session: Session, process: int) -> int:
    """Address of a process's primary token; `UnsupportedError` where the build isn't known."""
    session.processes.records.layout("_EPROCESS", ["Token"]).offset("Token")  # says what is missing
    value = session.processes.records.read("_EPROCESS", process, ["Token"]).number("Token")
    if not value:
        raise UnsupportedError("the process has no token", "!token with the address of another one")
    return value & ~FAST_REFERENCES[session.pointer_size]


def read_sid(session: Session, address: int, *, with_name: bool = False) -> SecurityId:
    """The SID at an address; `note` says why it is none."""
    header = session.memory.read_available(address, SID_HEADER)
    if len(header) < SID_HEADER:
        return SecurityId(address, "", f"can't read {address:x}", with_name)
    revision, count = header[0], header[1]
    if revision != 1 or count > MOST_SUB_AUTHORITIES:
        return SecurityId(address, "", f"no SID: revision {revision}, {count} sub-authorities", with_name)
    data = session.memory.read_available(address + SID_HEADER, 4 * count)
    if len(data) < 4 * count:
        return SecurityId(address, "", f"can't read {address + SID_HEADER:x}", with_name)
    parts = [int.from_bytes(header[2:], "big")]
    parts += [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]
    return SecurityId(address, "-".join(["S", "1", *map(str, parts)]), "", with_name)


def read_acl(session: Session, address: int, *, with_names: bool = False) -> AccessList:
    """The access list at an address; `UnknownNameError` where there is none."""
    header = session.memory.read(address, ACL_HEADER)
    revision = header[0]
    size, count = (int.from_bytes(header[at : at + 2], "little") for at in (2, 4))
    if revision not in ACL_REVISIONS or size < ACL_HEADER:
        raise UnknownNameError(
            f"{address:x} is no ACL: revision {revision}, size {size}", "DefaultDacl of a token is one"
        )
    data = session.memory.read_available(address, size)
    found: list[AccessEntry] = []
    at, note = ACL_HEADER, "" if len(data) == size else "the list can't be read to its end"
    for _ in range(count):
        length = int.from_bytes(data[at + 2 : at + 4], "little")
        if length < ACE_HEADER or at + length > len(data):
            note = note or f"entry {len(found)} reaches beyond the list"
            break
        kind, flags = data[at], data[at + 1]
        mask = int.from_bytes(data[at + 4 : at + 8], "little")
        has_sid = kind in _SID_BEHIND_MASK or kind in _MORE_WITH_SID
        sid = read_sid(session, address + at + 8, with_name=with_names) if has_sid else None
        found.append(AccessEntry(kind, flags, length, mask, sid))
        at += length
    return AccessList(address, revision, size, count, tuple(found), note)


def describe_token(session: Session, address: int, *, process: int = 0, with_names: bool = False) -> TokenInfo:
    """The token at an address; `UnsupportedError` where its build's layout isn't known."""
    for path in ("UserAndGroups", "UserAndGroupCount"):
        session.processes.records.layout("_TOKEN", _PATHS).offset(path)  # says what is missing
    record = session.processes.records.read("_TOKEN", address, _PATHS)
    groups, note = _groups(session, record, with_names=with_names)
    primary = record.number("PrimaryGroup")
    return TokenInfo(
        address=record.address,
        process=process,
        session_id=record.get("SessionId"),
        user=groups[0].sid if groups else None,
        groups=tuple(groups[1:]),
        primary_group=read_sid(session, primary, with_name=with_names) if primary else None,
        privileges=tuple(_privileges(record)),
        authentication_id=record.number("AuthenticationId"),
        impersonation_level=record.number("ImpersonationLevel"),
        type=record.number("TokenType"),
        source=clean(record.bytes("TokenSource.SourceName").split(b"\0", 1)[0].decode("latin-1")).strip(),
        flags=record.number("TokenFlags"),
        token_id=record.number("TokenId"),
        parent_id=record.number("ParentTokenId"),
        modified_id=record.number("ModifiedId"),
        restricted_count=record.number("RestrictedSidCount"),
        restricted_sids=record.number("RestrictedSids"),
        originating_session=record.number("OriginatingLogonSession"),
        address_size=session.pointer_size,
        note=note,
    )


def _groups(session: Session, record: Record, *, with_names: bool) -> tuple[list[GroupMembership], str]:
    """The user, then the groups, and why the array ended early."""
    size = session.pointer_size
    entry = 2 * size  # SID_AND_ATTRIBUTES: a pointer and a number, padded
    start, count = record.number("UserAndGroups"), record.number("UserAndGroupCount")
    note = f"the token claims {count} groups; the first {GROUP_LIMIT} are shown" if count > GROUP_LIMIT else ""
    try:
        data = session.memory.read(start, min(count, GROUP_LIMIT) * entry)
    except MemoryReadError as error:
        data, note = error.partial, f"the groups end early: {error.message}"
    found = []
    for at in range(0, len(data) - entry + 1, entry):
        session.require_stopped()  # sees a cancel
        sid = read_sid(session, int.from_bytes(data[at : at + size], "little"), with_name=with_names)
        found.append(GroupMembership(sid, int.from_bytes(data[at + size : at + size + 4], "little")))
    return found, note


def _privileges(record: Record) -> list[Privilege]:
    present, enabled = record.number("Privileges.Present"), record.number("Privileges.Enabled")
    default = record.number("Privileges.EnabledByDefault")
    return [
        Privilege(number, PRIVILEGES.get(number, "unknown"), bool(enabled >> number & 1), bool(default >> number & 1))
        for number in range(PRIVILEGE_BITS)
        if present >> number & 1
    ]
