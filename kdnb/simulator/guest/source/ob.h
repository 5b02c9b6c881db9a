// What every object has before its body. Layouts as in public PDBs of Windows 10.
#pragma once
#include "nt.h"

typedef struct _OBJECT_TYPE {
    LIST_ENTRY TypeList;
    UNICODE_STRING Name;
    PVOID DefaultObject;
    UCHAR Index;
    ULONG TotalNumberOfObjects;
    ULONG TotalNumberOfHandles;
} OBJECT_TYPE;
AT(OBJECT_TYPE, Index, 0x28, 0x14);

typedef struct _OBJECT_HEADER_NAME_INFO {
    struct _OBJECT_DIRECTORY *Directory;
    UNICODE_STRING Name;
    LONG ReferenceCount;
    PAD(Reserved, 4, 0);
} OBJECT_HEADER_NAME_INFO;
SIZED(OBJECT_HEADER_NAME_INFO, 0x20, 0x10);

typedef struct _OBJECT_HEADER {
    LONG_PTR PointerCount;
    LONG_PTR HandleCount;
    PVOID Lock;
    UCHAR TypeIndex; // mixed with a byte of the header's address and the cookie
    UCHAR TraceFlags, InfoMask, Flags;
    PAD(Reserved, 4, 0);
    PVOID ObjectCreateInfo;
    PVOID SecurityDescriptor;
    ULONG64 Body;
} OBJECT_HEADER;
AT(OBJECT_HEADER, TypeIndex, 0x18, 0xC);
AT(OBJECT_HEADER, Body, 0x30, 0x18);

#define HEADER(object) CONTAINING_RECORD(object, OBJECT_HEADER, Body)
#define PREFIX (sizeof(OBJECT_HEADER_NAME_INFO) + OFFSET(OBJECT_HEADER, Body))
#define NAME_INFO 2

extern OBJECT_TYPE *ObTypeIndexTable[16];
extern UCHAR ObHeaderCookie;

// Number of an object's type, 2 for Type itself.
static inline __attribute__((always_inline)) UCHAR ObpTypeNumber(const OBJECT_HEADER *Header)
{
    return Header->TypeIndex ^ (UCHAR)((ULONG_PTR)Header >> 8) ^ ObHeaderCookie;
}
