// Tokens and security identifiers as public headers and PDBs of Windows 10 have them.
#pragma once

typedef struct _SID {
    UCHAR Revision;
    UCHAR SubAuthorityCount;
    UCHAR IdentifierAuthority[6];
    ULONG SubAuthority[1];
} SID;

typedef struct _SID_AND_ATTRIBUTES {
    SID *Sid;
    ULONG Attributes;
} SID_AND_ATTRIBUTES;

typedef struct _LUID {
    ULONG LowPart;
    LONG HighPart;
} LUID;

typedef struct _ACL {
    UCHAR AclRevision, Sbz1;
    USHORT AclSize, AceCount, Sbz2;
} ACL;

typedef struct _ACCESS_ALLOWED_ACE {
    UCHAR AceType, AceFlags;
    USHORT AceSize;
    ULONG Mask;
    ULONG SidStart;
} ACCESS_ALLOWED_ACE;

typedef struct _TOKEN_SOURCE {
    CHAR SourceName[8];
    LUID SourceIdentifier;
} TOKEN_SOURCE;

// Bits by privilege number.
typedef struct _SEP_TOKEN_PRIVILEGES {
    ULONG64 Present, Enabled, EnabledByDefault;
} SEP_TOKEN_PRIVILEGES;

typedef enum _TOKEN_TYPE { TokenPrimary = 1, TokenImpersonation } TOKEN_TYPE;
typedef enum _SECURITY_IMPERSONATION_LEVEL { SecurityAnonymous, SecurityIdentification, SecurityImpersonation, SecurityDelegation } SECURITY_IMPERSONATION_LEVEL;

typedef struct _TOKEN {
    TOKEN_SOURCE TokenSource;
    LUID TokenId, AuthenticationId, ParentTokenId;
    LONG64 ExpirationTime;
    ERESOURCE *TokenLock;
    LUID ModifiedId;
    SEP_TOKEN_PRIVILEGES Privileges;
    UCHAR AuditPolicy[0x20];
    ULONG SessionId, UserAndGroupCount, RestrictedSidCount, VariableLength, DynamicCharged, DynamicAvailable, DefaultOwnerIndex;
    SID_AND_ATTRIBUTES *UserAndGroups, *RestrictedSids;
    PVOID PrimaryGroup;
    ULONG *DynamicPart;
    ACL *DefaultDacl;
    TOKEN_TYPE TokenType;
    SECURITY_IMPERSONATION_LEVEL ImpersonationLevel;
    ULONG TokenFlags;
    BOOLEAN TokenInUse;
    ULONG IntegrityLevelIndex, MandatoryPolicy;
    PVOID LogonSession;
    LUID OriginatingLogonSession;
} TOKEN;
AT(TOKEN, Privileges, 0x40, 0x40);
AT(TOKEN, UserAndGroups, 0x98, 0x94);
AT(TOKEN, TokenFlags, 0xC8, 0xB0);
AT(TOKEN, OriginatingLogonSession, 0xE0, 0xC4);

#define FAST_REFERENCES BY_MACHINE(15, 7) // the low bits of an EX_FAST_REF

VOID SeAssignPrimaryToken(EPROCESS *Process, BOOLEAN IsUser);
