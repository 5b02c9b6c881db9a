"""Text of tokens, security identifiers and access lists: `!token !sid !acl` (the command reference, 7.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.security import AccessList, SecurityId, TokenInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

_GROUP_BITS = (
    (0x1, "Mandatory"), (0x2, "Default"), (0x4, "Enabled"), (0x8, "Owner"), (0x10, "DenyOnly"),
    (0x20, "GroupIntegrity"), (0x40, "GroupIntegrityEnabled"), (0xC000_0000, "LogonId"), (0x2000_0000, "Resource"),
)  # fmt: skip
"""SE_GROUP_* of public headers."""
_LEVELS = ("Anonymous", "Identification", "Impersonation", "Delegation")
_TYPES = {1: "Primary", 2: "Impersonation"}
_ACES = {
    0: "ACCESS_ALLOWED_ACE_TYPE", 1: "ACCESS_DENIED_ACE_TYPE", 2: "SYSTEM_AUDIT_ACE_TYPE", 3: "SYSTEM_ALARM_ACE_TYPE",
    4: "ACCESS_ALLOWED_COMPOUND_ACE_TYPE", 5: "ACCESS_ALLOWED_OBJECT_ACE_TYPE", 6: "ACCESS_DENIED_OBJECT_ACE_TYPE",
    9: "ACCESS_ALLOWED_CALLBACK_ACE_TYPE", 10: "ACCESS_DENIED_CALLBACK_ACE_TYPE",
    0x11: "SYSTEM_MANDATORY_LABEL_ACE_TYPE", 0x12: "SYSTEM_RESOURCE_ATTRIBUTE_ACE_TYPE",
    0x13: "SYSTEM_SCOPED_POLICY_ID_ACE_TYPE", 0x14: "SYSTEM_PROCESS_TRUST_LABEL_ACE_TYPE",
}  # fmt: skip
_TOKEN_IN_USE = 0x2000


def _sid(value: SecurityId | None) -> str:
    if value is None:
        return "(null)"
    if value.note:
        return f"0x{value.address:x} ({value.note})"
    return f"{value.text} ({value.name})" if value.with_name and value.name else value.text


def _luid(number: int) -> tuple[int, int]:
    return number >> 32 & 0xFFFFFFFF, number & 0xFFFFFFFF


@lines.register(SecurityId)
def _one_sid(value: SecurityId) -> Iterator[str]:
    yield f"SID is: {_sid(value)}"


@lines.register(TokenInfo)
def _token(value: TokenInfo) -> Iterator[str]:
    digits = 2 * value.address_size
    if value.process:
        yield f"_EPROCESS 0x{value.process:0{digits}x}, _TOKEN 0x{value.address:0{digits}x}"
    else:
        yield f"_TOKEN 0x{value.address:0{digits}x}"
    if value.session_id is not None:
        yield f"TS Session ID: {value.session_id:#x}" if value.session_id else "TS Session ID: 0"
    yield f"User: {_sid(value.user)}"
    yield "User Groups: "
    for index, group in enumerate(value.groups):
        yield f" {index:02} {_sid(group.sid)}"
        yield f"    Attributes - {''.join(f'{word} ' for bit, word in _GROUP_BITS if group.attributes & bit == bit)}"
    yield f"Primary Group: {_sid(value.primary_group)}"
    yield "Privs: "
    for each in value.privileges:
        words = ("Enabled " if each.is_enabled else "") + ("Default " if each.is_default else "")
        yield f" {each.number:02} 0x{each.number:09x} {each.name:<33} Attributes - {words}"
    high, low = _luid(value.authentication_id)
    yield f"Authentication ID:         ({high:x},{low:x})"
    level = value.impersonation_level
    yield f"Impersonation Level:       {_LEVELS[level] if level < len(_LEVELS) else level}"
    yield f"TokenType:                 {_TYPES.get(value.type, value.type)}"
    use = " ( Token in use )" if value.flags & _TOKEN_IN_USE else ""
    yield f"Source: {value.source:<19}TokenFlags: {value.flags:#x}{use}"
    yield f"Token ID: {value.token_id:<17x}ParentToken ID: {value.parent_id:x}"
    high, low = _luid(value.modified_id)
    yield f"Modified ID:               ({high:x}, {low:x})"
    yield f"RestrictedSidCount: {value.restricted_count:<7}RestrictedSids: 0x{value.restricted_sids:0{digits}x}"
    yield f"OriginatingLogonSession: {value.originating_session:x}"
    if value.note:
        yield f"WARNING: {value.note}"


@lines.register(AccessList)
def _acl(value: AccessList) -> Iterator[str]:
    word = "ACL is: "
    yield word
    yield f"{word}->AclRevision: {value.revision:#x}"
    yield f"{word}->AclSize    : {value.size:#x}"
    yield f"{word}->AceCount   : {value.count:#x}"
    for index, each in enumerate(value):
        start = f"{word}->Ace[{index}]: "
        yield f"{start}->AceType: {_ACES.get(each.type, f'{each.type:#x}')}"
        yield f"{start}->AceFlags: {each.flags:#x}"
        yield f"{start}->AceSize: {each.size:#x}"
        yield f"{start}->Mask : 0x{each.mask:08x}"
        if each.sid is not None:
            yield f"{start}->SID: {_sid(each.sid)}"
    if value.note:
        yield f"WARNING: {value.note}"
