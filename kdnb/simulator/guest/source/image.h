// The parts of a PE image that loading needs.
#pragma once

#define SECTION_EXECUTE 0x20000000
#define SECTION_WRITE 0x80000000
#define MI_MAXIMUM_SECTIONS 16
#define MI_LONGEST_IMPORT 64
#define MI_MOST_IMPORTS 512
#define MI_LARGEST_DRIVER 0x10000 // what the loader leaves room for: see kdnb/simulator/loader.py
#define MI_LARGEST_FILE 0x20000
#define MI_SMALLEST_FILE 0x800

typedef struct _IMAGE_DATA_DIRECTORY {
    ULONG VirtualAddress, Size;
} IMAGE_DATA_DIRECTORY;

typedef struct _IMAGE_OPTIONAL_HEADER {
    USHORT Magic;
    UCHAR LinkerVersion[2];
    ULONG SizeOfCode, SizeOfInitializedData, SizeOfUninitializedData, AddressOfEntryPoint, BaseOfCode;
    PAD(BaseOfData, 0, 4);
    ULONG_PTR ImageBase;
    ULONG SectionAlignment, FileAlignment;
    USHORT Versions[6];
    ULONG Win32VersionValue, SizeOfImage, SizeOfHeaders, CheckSum;
    USHORT Subsystem, DllCharacteristics;
    ULONG_PTR StackAndHeap[4];
    ULONG LoaderFlags, NumberOfRvaAndSizes;
    IMAGE_DATA_DIRECTORY DataDirectory[16];
} IMAGE_OPTIONAL_HEADER;
AT(IMAGE_OPTIONAL_HEADER, SizeOfImage, 56, 56);
SIZED(IMAGE_OPTIONAL_HEADER, 240, 224);

typedef struct _IMAGE_NT_HEADERS {
    ULONG Signature;
    USHORT Machine, NumberOfSections;
    ULONG TimeDateStamp, PointerToSymbolTable, NumberOfSymbols;
    USHORT SizeOfOptionalHeader, Characteristics;
    IMAGE_OPTIONAL_HEADER OptionalHeader;
} IMAGE_NT_HEADERS;

typedef struct _IMAGE_SECTION_HEADER {
    CHAR Name[8];
    ULONG VirtualSize, VirtualAddress, SizeOfRawData, PointerToRawData;
    ULONG Unused[3];
    ULONG Characteristics;
} IMAGE_SECTION_HEADER;
SIZED(IMAGE_SECTION_HEADER, 40, 40);

static inline __attribute__((always_inline)) const IMAGE_NT_HEADERS *MiImageHeaders(const UCHAR *Image) { return (const IMAGE_NT_HEADERS *)(Image + *(ULONG *)(Image + 0x3C)); }
static inline __attribute__((always_inline)) const IMAGE_SECTION_HEADER *MiFirstSection(const IMAGE_NT_HEADERS *Headers) { return (const IMAGE_SECTION_HEADER *)((const UCHAR *)&Headers->OptionalHeader + Headers->SizeOfOptionalHeader); }

extern UCHAR __ImageBase[];
ULONG_PTR *MiGetPteAddress(ULONG_PTR Address);
VOID MiFlushTranslations(void);
ULONG MiFindExport(const UCHAR *View, const CHAR *Name);
