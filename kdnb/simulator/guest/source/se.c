// Who processes run as: one token for the system and its services, one for each process of the user.
#include "ob.h"
#include "se.h"

#define SE_GROUP_ENABLED 7 // mandatory, enabled by default, enabled
#define SE_GROUP_OWNER 8
#define SE_GROUP_DENY_ONLY 0x10
#define SE_GROUP_INTEGRITY 0x60
#define TOKEN_IN_USE 0x2000
#define PRIVILEGES(number) (1ULL << (number))

typedef struct _SEP_SID {
    UCHAR Revision, Count, Authority[6];
    ULONG Values[5];
} SEP_SID;

static const SEP_SID SeLocalSystemSid = {1, 1, {0, 0, 0, 0, 0, 5}, {18}};
static const SEP_SID SeAdministratorsSid = {1, 2, {0, 0, 0, 0, 0, 5}, {32, 544}};
static const SEP_SID SeUsersSid = {1, 2, {0, 0, 0, 0, 0, 5}, {32, 545}};
static const SEP_SID SeWorldSid = {1, 1, {0, 0, 0, 0, 0, 1}, {0}};
static const SEP_SID SeAuthenticatedUsersSid = {1, 1, {0, 0, 0, 0, 0, 5}, {11}};
static const SEP_SID SeSystemLevelSid = {1, 1, {0, 0, 0, 0, 0, 16}, {0x4000}};
static const SEP_SID SeMediumLevelSid = {1, 1, {0, 0, 0, 0, 0, 16}, {0x2000}};
static const SEP_SID SePersonSid = {1, 5, {0, 0, 0, 0, 0, 5}, {21, 1085031214, 1563985344, 725345543, 1001}};
static const SEP_SID SePersonsGroupSid = {1, 5, {0, 0, 0, 0, 0, 5}, {21, 1085031214, 1563985344, 725345543, 513}};

static SID_AND_ATTRIBUTES SepSystemGroups[] = {
    {(SID *)&SeLocalSystemSid, 0},
    {(SID *)&SeAdministratorsSid, SE_GROUP_ENABLED - 1 + SE_GROUP_OWNER},
    {(SID *)&SeWorldSid, SE_GROUP_ENABLED},
    {(SID *)&SeAuthenticatedUsersSid, SE_GROUP_ENABLED},
    {(SID *)&SeSystemLevelSid, SE_GROUP_INTEGRITY},
};
static SID_AND_ATTRIBUTES SepPersonsGroups[] = {
    {(SID *)&SePersonSid, 0},
    {(SID *)&SePersonsGroupSid, SE_GROUP_ENABLED},
    {(SID *)&SeWorldSid, SE_GROUP_ENABLED},
    {(SID *)&SeAdministratorsSid, SE_GROUP_DENY_ONLY},
    {(SID *)&SeUsersSid, SE_GROUP_ENABLED},
    {(SID *)&SeAuthenticatedUsersSid, SE_GROUP_ENABLED},
    {(SID *)&SeMediumLevelSid, SE_GROUP_INTEGRITY},
};

ULONG SepNextId = 0x3E8;
TOKEN *SeSystemToken;

// Read, write and execute for the system, read and execute for administrators: what new objects get.
NOINLINE ACL *SepCreateDacl(void)
{
    static const struct {
        const SEP_SID *Sid;
        ULONG Mask;
    } Entries[] = {{&SeLocalSystemSid, 0x10000000}, {&SeAdministratorsSid, 0xA0020000}};
    UCHAR *Next;
    ACL *Dacl = ExAllocatePoolWithTag(0, 0x60, 'lcAS');
    Dacl->AclRevision = 2;
    Next = (UCHAR *)(Dacl + 1);
    for (ULONG i = 0; i < sizeof(Entries) / sizeof(*Entries); i++) {
        ACCESS_ALLOWED_ACE *Ace = (ACCESS_ALLOWED_ACE *)Next;
        ULONG SidSize = 8 + 4 * Entries[i].Sid->Count;
        Ace->AceSize = (USHORT)(8 + SidSize);
        Ace->Mask = Entries[i].Mask;
        memcpy(&Ace->SidStart, Entries[i].Sid, SidSize);
        Next += Ace->AceSize;
        Dacl->AceCount++;
    }
    Dacl->AclSize = (USHORT)(Next - (UCHAR *)Dacl);
    return Dacl;
}

NOINLINE TOKEN *SepCreateToken(BOOLEAN IsUser)
{
    TOKEN *Token = ObpAllocateObject(ObTokenType, sizeof(*Token), 'ekoT');
    memcpy(Token->TokenSource.SourceName, IsUser ? "User32 " : "*SYSTEM*", 8);
    Token->TokenId.LowPart = SepNextId++;
    Token->ModifiedId.LowPart = SepNextId++;
    Token->AuthenticationId.LowPart = IsUser ? 0x1A2B3 : 0x3E7;
    Token->OriginatingLogonSession.LowPart = IsUser ? 0x3E7 : 0;
    Token->ExpirationTime = 0x7FFFFFFFFFFFFFFF;
    Token->Privileges.Present = IsUser ? PRIVILEGES(19) | PRIVILEGES(23) | PRIVILEGES(25) | PRIVILEGES(33) | PRIVILEGES(34) : 0x1FF2FFFFBC;
    Token->Privileges.Enabled = Token->Privileges.EnabledByDefault = IsUser ? PRIVILEGES(23) : 0x1E60B1E890;
    Token->SessionId = IsUser;
    Token->UserAndGroups = IsUser ? SepPersonsGroups : SepSystemGroups;
    Token->UserAndGroupCount = IsUser ? sizeof(SepPersonsGroups) / sizeof(*SepPersonsGroups) : sizeof(SepSystemGroups) / sizeof(*SepSystemGroups);
    Token->IntegrityLevelIndex = Token->UserAndGroupCount - 1;
    Token->PrimaryGroup = Token->UserAndGroups[IsUser].Sid;
    Token->DefaultDacl = SepCreateDacl();
    Token->TokenType = TokenPrimary;
    Token->TokenFlags = TOKEN_IN_USE;
    Token->TokenInUse = TRUE;
    return Token;
}

// A process holds its token by a pointer whose low bits count references that need no lock.
VOID SeAssignPrimaryToken(EPROCESS *Process, BOOLEAN IsUser)
{
    if (!IsUser && !SeSystemToken)
        SeSystemToken = SepCreateToken(FALSE);
    Process->Token = (ULONG_PTR)(IsUser ? SepCreateToken(TRUE) : SeSystemToken) | FAST_REFERENCES;
}
