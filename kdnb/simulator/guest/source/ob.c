// Objects: headers with names, types, directories and symbolic links. Layouts as in public PDBs of Windows 10.
#include "ob.h"

#define NUMBER_HASH_BUCKETS 37

typedef struct _OBJECT_DIRECTORY_ENTRY {
    struct _OBJECT_DIRECTORY_ENTRY *ChainLink;
    PVOID Object;
    ULONG HashValue;
} OBJECT_DIRECTORY_ENTRY;

typedef struct _OBJECT_DIRECTORY {
    OBJECT_DIRECTORY_ENTRY *HashBuckets[NUMBER_HASH_BUCKETS];
} OBJECT_DIRECTORY;

typedef struct _OBJECT_SYMBOLIC_LINK {
    LONG64 CreationTime;
    UNICODE_STRING LinkTarget;
} OBJECT_SYMBOLIC_LINK;

OBJECT_DIRECTORY *ObpRootDirectoryObject;
OBJECT_TYPE *ObpTypeObjectType;
OBJECT_TYPE *ObTypeIndexTable[16];
UCHAR ObHeaderCookie = 0x5A;

PVOID ObpAllocateObject(UCHAR Type, SIZE_T Size, ULONG Tag)
{
    ULONG PoolType = Type == ObDirectoryType || Type == ObSymbolicLinkType ? PagedPool : NonPagedPool;
    UCHAR *Block = ExAllocatePoolWithTag(PoolType, PREFIX + Size, Tag | PROTECTED_POOL);
    OBJECT_HEADER *Header = (OBJECT_HEADER *)(Block + sizeof(OBJECT_HEADER_NAME_INFO));
    if (!Block)
        return NULL;
    Header->PointerCount = 1;
    Header->InfoMask = NAME_INFO;
    Header->TypeIndex = Type ^ (UCHAR)((ULONG_PTR)Header >> 8) ^ ObHeaderCookie;
    if (ObTypeIndexTable[Type])
        ObTypeIndexTable[Type]->TotalNumberOfObjects++;
    return &Header->Body;
}

VOID ObpFreeObject(PVOID Object, ULONG Tag) { ExFreePoolWithTag((UCHAR *)Object - PREFIX, Tag); }

NOINLINE ULONG ObpHash(const UNICODE_STRING *Name)
{
    ULONG Hash = 0;
    for (ULONG i = 0; i < Name->Length / 2; i++)
        Hash = Hash * 31 + RtlpUpcase(Name->Buffer[i]);
    return Hash;
}

NOINLINE PVOID ObpLookupDirectoryEntry(OBJECT_DIRECTORY *Directory, const UNICODE_STRING *Name)
{
    OBJECT_DIRECTORY_ENTRY *Entry = Directory->HashBuckets[ObpHash(Name) % NUMBER_HASH_BUCKETS];
    for (; Entry; Entry = Entry->ChainLink) {
        OBJECT_HEADER_NAME_INFO *Info = (OBJECT_HEADER_NAME_INFO *)HEADER(Entry->Object) - 1;
        if (RtlEqualUnicodeString(&Info->Name, Name, TRUE))
            return Entry->Object;
    }
    return NULL;
}

// Walks directories: gives the one that holds, or would hold, the last part of the path, and that part.
NOINLINE OBJECT_DIRECTORY *ObpWalkPath(const UNICODE_STRING *Path, UNICODE_STRING *Last)
{
    OBJECT_DIRECTORY *Directory = ObpRootDirectoryObject;
    WCHAR *At = Path->Buffer, *End = Path->Buffer + Path->Length / 2;
    while (Directory && At < End) {
        WCHAR *Start = ++At;
        while (At < End && *At != '\\')
            At++;
        Last->Buffer = Start;
        Last->Length = Last->MaximumLength = (USHORT)((At - Start) * 2);
        if (At == End)
            return Directory;
        Directory = ObpLookupDirectoryEntry(Directory, Last);
    }
    return NULL;
}

NTSTATUS ObInsertObject(PVOID Object, const UNICODE_STRING *Path)
{
    UNICODE_STRING Last;
    OBJECT_DIRECTORY *Directory = ObpWalkPath(Path, &Last);
    OBJECT_DIRECTORY_ENTRY *Entry = ExAllocatePoolWithTag(PagedPool, sizeof(*Entry), 'iDbO');
    OBJECT_HEADER_NAME_INFO *Info = (OBJECT_HEADER_NAME_INFO *)HEADER(Object) - 1;
    if (!Directory || !Entry)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    Info->Directory = Directory;
    Info->Name = Last;
    Info->ReferenceCount = 1;
    HEADER(Object)->PointerCount++;
    OBJECT_DIRECTORY_ENTRY **Bucket = &Directory->HashBuckets[(Entry->HashValue = ObpHash(&Last)) % NUMBER_HASH_BUCKETS];
    Entry->Object = Object;
    Entry->ChainLink = *Bucket;
    *Bucket = Entry;
    return STATUS_SUCCESS;
}

// Takes the name from an object. Its body is left alone.
VOID ObMakeTemporaryObject(PVOID Object)
{
    OBJECT_HEADER_NAME_INFO *Info = (OBJECT_HEADER_NAME_INFO *)HEADER(Object) - 1;
    OBJECT_DIRECTORY *Directory = (OBJECT_DIRECTORY *)Info->Directory;
    if (!Directory)
        return;
    OBJECT_DIRECTORY_ENTRY **Link = &Directory->HashBuckets[ObpHash(&Info->Name) % NUMBER_HASH_BUCKETS];
    while (*Link && (*Link)->Object != Object)
        Link = &(*Link)->ChainLink;
    OBJECT_DIRECTORY_ENTRY *Entry = *Link;
    if (Entry) {
        *Link = Entry->ChainLink;
        ExFreePoolWithTag(Entry, 'iDbO');
    }
    memset(Info, 0, sizeof(*Info));
    HEADER(Object)->PointerCount--;
}

PVOID ObpLookupPath(const UNICODE_STRING *Path)
{
    UNICODE_STRING Last;
    OBJECT_DIRECTORY *Directory = ObpWalkPath(Path, &Last);
    return Directory ? ObpLookupDirectoryEntry(Directory, &Last) : NULL;
}

NOINLINE PVOID ObpCreateNamed(UCHAR Type, SIZE_T Size, const WCHAR *Path)
{
    static const ULONG Tags[] = {[ObTypeType] = 'TjbO', [ObDirectoryType] = 'eriD', [ObSymbolicLinkType] = 'bmyS'};
    UNICODE_STRING Name;
    PVOID Object = ObpAllocateObject(Type, Size, Tags[Type]);
    RtlInitUnicodeString(&Name, Path);
    ObInsertObject(Object, &Name);
    return Object;
}

NOINLINE VOID ObpCreateType(UCHAR Index, const WCHAR *Path)
{
    OBJECT_TYPE *Type = ObpCreateNamed(ObTypeType, sizeof(*Type), Path);
    Type->Index = Index;
    Type->Name = ((OBJECT_HEADER_NAME_INFO *)HEADER(Type) - 1)->Name;
    InitializeListHead(&Type->TypeList);
    ObTypeIndexTable[Index] = Type;
}

NOINLINE VOID ObpCreateSymbolicLink(const WCHAR *Path, const WCHAR *Target)
{
    OBJECT_SYMBOLIC_LINK *Link = ObpCreateNamed(ObSymbolicLinkType, sizeof(*Link), Path);
    RtlInitUnicodeString(&Link->LinkTarget, Target);
}

VOID ObInitSystem(void)
{
    static const WCHAR *const Directories[] = {L"\\ObjectTypes", L"\\Device", L"\\Driver", L"\\FileSystem", L"\\??", L"\\Device\\Harddisk0", L"\\BaseNamedObjects"};
    static const WCHAR *const Types[] = {L"\\ObjectTypes\\Type", L"\\ObjectTypes\\Directory", L"\\ObjectTypes\\SymbolicLink", L"\\ObjectTypes\\Process", L"\\ObjectTypes\\Thread", L"\\ObjectTypes\\Device", L"\\ObjectTypes\\Driver", L"\\ObjectTypes\\File", L"\\ObjectTypes\\Event", L"\\ObjectTypes\\Token"};
    ObpRootDirectoryObject = ObpAllocateObject(ObDirectoryType, sizeof(OBJECT_DIRECTORY), 'eriD');
    for (ULONG i = 0; i < sizeof(Directories) / sizeof(*Directories); i++)
        ObpCreateNamed(ObDirectoryType, sizeof(OBJECT_DIRECTORY), Directories[i]);
    for (ULONG i = 0; i < sizeof(Types) / sizeof(*Types); i++)
        ObpCreateType((UCHAR)(ObTypeType + i), Types[i]);
    ObpTypeObjectType = ObTypeIndexTable[ObTypeType];
    ObpCreateSymbolicLink(L"\\DosDevices", L"\\??");
    ObpCreateSymbolicLink(L"\\??\\C:", L"\\Device\\Harddisk0\\DR0");
    ObpCreateSymbolicLink(L"\\SystemRoot", L"\\Device\\Harddisk0\\DR0\\Windows");
}
