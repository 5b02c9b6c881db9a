"""Security identifiers, access lists and tokens, as `!sid`, `!acl` and `!token` show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import Result, TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "PRIVILEGES",
    "WELL_KNOWN",
    "AccessEntry",
    "AccessList",
    "GroupMembership",
    "Privilege",
    "SecurityId",
    "TokenInfo",
]

PRIVILEGES = dict(
    enumerate(
        (
            "SeCreateTokenPrivilege", "SeAssignPrimaryTokenPrivilege", "SeLockMemoryPrivilege",
            "SeIncreaseQuotaPrivilege", "SeMachineAccountPrivilege", "SeTcbPrivilege", "SeSecurityPrivilege",
            "SeTakeOwnershipPrivilege", "SeLoadDriverPrivilege", "SeSystemProfilePrivilege", "SeSystemtimePrivilege",
            "SeProfileSingleProcessPrivilege", "SeIncreaseBasePriorityPrivilege", "SeCreatePagefilePrivilege",
            "SeCreatePermanentPrivilege", "SeBackupPrivilege", "SeRestorePrivilege", "SeShutdownPrivilege",
            "SeDebugPrivilege", "SeAuditPrivilege", "SeSystemEnvironmentPrivilege", "SeChangeNotifyPrivilege",
            "SeRemoteShutdownPrivilege", "SeUndockPrivilege", "SeSyncAgentPrivilege", "SeEnableDelegationPrivilege",
            "SeManageVolumePrivilege", "SeImpersonatePrivilege", "SeCreateGlobalPrivilege",
            "SeTrustedCredManAccessPrivilege", "SeRelabelPrivilege", "SeIncreaseWorkingSetPrivilege",
            "SeTimeZonePrivilege", "SeCreateSymbolicLinkPrivilege", "SeDelegateSessionUserImpersonatePrivilege",
        ),
        start=2,
    )
)  # fmt: skip
"""Privilege numbers of public headers (`SE_CREATE_TOKEN_PRIVILEGE` is 2)."""

WELL_KNOWN = {
    "S-1-0-0": "NULL SID", "S-1-1-0": "Everyone", "S-1-2-0": "LOCAL", "S-1-3-0": "CREATOR OWNER",
    "S-1-3-1": "CREATOR GROUP", "S-1-5-2": "NT AUTHORITY\\NETWORK", "S-1-5-4": "NT AUTHORITY\\INTERACTIVE",
    "S-1-5-6": "NT AUTHORITY\\SERVICE", "S-1-5-7": "NT AUTHORITY\\ANONYMOUS LOGON",
    "S-1-5-10": "NT AUTHORITY\\SELF", "S-1-5-11": "NT AUTHORITY\\Authenticated Users",
    "S-1-5-12": "NT AUTHORITY\\RESTRICTED", "S-1-5-18": "NT AUTHORITY\\SYSTEM",
    "S-1-5-19": "NT AUTHORITY\\LOCAL SERVICE", "S-1-5-20": "NT AUTHORITY\\NETWORK SERVICE",
    "S-1-5-32-544": "BUILTIN\\Administrators", "S-1-5-32-545": "BUILTIN\\Users", "S-1-5-32-546": "BUILTIN\\Guests",
    "S-1-15-2-1": "APPLICATION PACKAGE AUTHORITY\\ALL APPLICATION PACKAGES",
    "S-1-16-0": "Mandatory Label\\Untrusted Mandatory Level", "S-1-16-4096": "Mandatory Label\\Low Mandatory Level",
    "S-1-16-8192": "Mandatory Label\\Medium Mandatory Level", "S-1-16-12288": "Mandatory Label\\High Mandatory Level",
    "S-1-16-16384": "Mandatory Label\\System Mandatory Level",
}  # fmt: skip
"""Identifiers that are the same on every machine (public documentation)."""


@dataclass(frozen=True, slots=True, repr=False)
class SecurityId(Result):
    """A SID. `text` is its usual form, `S-1-5-18`; `note` says why there is none."""

    address: int
    text: str
    note: str = ""
    with_name: bool = False

    @property
    def name(self) -> str:
        """Of a well-known one; else empty."""
        return WELL_KNOWN.get(self.text, "")


@dataclass(frozen=True, slots=True)
class GroupMembership:
    """A group in a token."""

    sid: SecurityId
    attributes: int
    """SE_GROUP_* bits."""


@dataclass(frozen=True, slots=True)
class Privilege:
    """A privilege that a token has."""

    number: int
    name: str
    is_enabled: bool
    is_default: bool


@dataclass(frozen=True, slots=True, repr=False)
class TokenInfo(TableResult):
    """A token: who, in which groups, with which privileges. What the build doesn't tell is None."""

    address: int
    process: int
    """EPROCESS whose primary token it is; 0 where it was asked for by its own address."""
    session_id: int | None
    user: SecurityId | None
    groups: tuple[GroupMembership, ...]
    primary_group: SecurityId | None
    privileges: tuple[Privilege, ...]
    authentication_id: int
    impersonation_level: int
    type: int
    """1 primary, 2 impersonation."""
    source: str
    flags: int
    token_id: int
    parent_id: int
    modified_id: int
    restricted_count: int
    restricted_sids: int
    originating_session: int
    address_size: int
    note: str = ""

    def __iter__(self) -> Iterator[Privilege]:
        return iter(self.privileges)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"number": each.number, "name": each.name, "enabled": each.is_enabled, "default": each.is_default}
            for each in self.privileges
        ]


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """One entry of an access list; no SID where the type of entry has it elsewhere."""

    type: int
    flags: int
    size: int
    mask: int
    sid: SecurityId | None


@dataclass(frozen=True, slots=True, repr=False)
class AccessList(TableResult):
    """An ACL and its entries."""

    address: int
    revision: int
    size: int
    count: int
    entries: tuple[AccessEntry, ...]
    note: str = ""

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[AccessEntry]:
        return iter(self.entries)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"type": each.type, "flags": each.flags, "mask": each.mask, "sid": each.sid.text if each.sid else ""}
            for each in self.entries
        ]
