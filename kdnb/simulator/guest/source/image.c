// Images of drivers, from the bytes of a file: those that a debugger gives in place of the driver's own (.kdfiles).
// A file is laid out beside the driver's pages and takes their place only when all of it is right: nothing in it is
// trusted. It has to be linked for the driver's address, since there are no relocations here.
#include "nt.h"
#include "image.h"

// What lies at an RVA, NULL outside the image.
static inline __attribute__((always_inline)) UCHAR *MiAtRva(UCHAR *View, ULONG Rva, ULONG Size)
{
    ULONG SizeOfImage = MiImageHeaders(View)->OptionalHeader.SizeOfImage;
    return Rva < SizeOfImage && Size <= SizeOfImage - Rva ? View + Rva : NULL;
}

// The headers of a file that can be an image for this machine at `Base`, NULL where it can't.
NOINLINE const IMAGE_NT_HEADERS *MiCheckFile(const UCHAR *File, ULONG Length, ULONG_PTR Base)
{
    if (Length < MI_SMALLEST_FILE || *(USHORT *)File != 0x5A4D || *(ULONG *)(File + 0x3C) > MI_SMALLEST_FILE - sizeof(IMAGE_NT_HEADERS) - MI_MAXIMUM_SECTIONS * sizeof(IMAGE_SECTION_HEADER))
        return NULL;
    const IMAGE_NT_HEADERS *Headers = MiImageHeaders(File);
    const IMAGE_OPTIONAL_HEADER *Optional = &Headers->OptionalHeader;
    if (Headers->Signature != 0x4550 || Headers->Machine != IMAGE_MACHINE || Optional->Magic != BY_MACHINE(0x20B, 0x10B))
        return NULL;
    if (Headers->SizeOfOptionalHeader != sizeof(*Optional) || Headers->NumberOfSections > MI_MAXIMUM_SECTIONS || Optional->ImageBase != Base)
        return NULL;
    if (Optional->SizeOfImage > MI_LARGEST_DRIVER || Optional->SizeOfHeaders > PAGE_SIZE || Optional->SizeOfHeaders > Length || Optional->AddressOfEntryPoint >= Optional->SizeOfImage)
        return NULL;
    const IMAGE_DATA_DIRECTORY *Functions = &Optional->DataDirectory[3];
    if (Functions->VirtualAddress > Optional->SizeOfImage || Functions->Size > Optional->SizeOfImage - Functions->VirtualAddress)
        return NULL;
    const IMAGE_SECTION_HEADER *Section = MiFirstSection(Headers);
    for (ULONG i = 0; i < Headers->NumberOfSections; i++, Section++) {
        ULONG Size = Section->VirtualSize > Section->SizeOfRawData ? Section->VirtualSize : Section->SizeOfRawData;
        if (Section->VirtualAddress % PAGE_SIZE || Section->VirtualAddress < PAGE_SIZE || Section->VirtualAddress >= Optional->SizeOfImage || Size > Optional->SizeOfImage - Section->VirtualAddress)
            return NULL;
        if (Section->PointerToRawData > Length || Section->SizeOfRawData > Length - Section->PointerToRawData)
            return NULL;
    }
    return Headers;
}

// RVA of an export, 0 where the image has none of that name.
NOINLINE ULONG MiFindExport(const UCHAR *View, const CHAR *Name)
{
    const UCHAR *Directory = View + MiImageHeaders(View)->OptionalHeader.DataDirectory[0].VirtualAddress;
    const ULONG *Functions = (ULONG *)(View + *(ULONG *)(Directory + 0x1C)), *Names = (ULONG *)(View + *(ULONG *)(Directory + 0x20));
    const USHORT *Ordinals = (USHORT *)(View + *(ULONG *)(Directory + 0x24));
    for (ULONG i = 0; i < *(ULONG *)(Directory + 0x18); i++) {
        const CHAR *Other = (CHAR *)View + Names[i];
        ULONG At = 0;
        while (Name[At] && Name[At] == Other[At])
            At++;
        if (Name[At] == Other[At])
            return Functions[Ordinals[i]];
    }
    return 0;
}

// All imports are from the kernel, by name.
NOINLINE BOOLEAN MiResolveImports(UCHAR *View)
{
    ULONG Rva = MiImageHeaders(View)->OptionalHeader.DataDirectory[1].VirtualAddress, Count = 0;
    for (; Rva; Rva += 20) {
        const ULONG *Descriptor = (ULONG *)MiAtRva(View, Rva, 20);
        if (!Descriptor)
            return FALSE;
        ULONG Lookup = Descriptor[0], Thunk = Descriptor[4];
        if (!Lookup)
            return TRUE;
        for (;; Lookup += sizeof(ULONG_PTR), Thunk += sizeof(ULONG_PTR)) {
            const ULONG_PTR *Entry = (ULONG_PTR *)MiAtRva(View, Lookup, sizeof(ULONG_PTR));
            ULONG_PTR *Place = (ULONG_PTR *)MiAtRva(View, Thunk, sizeof(ULONG_PTR));
            if (!Entry || !Place)
                return FALSE;
            if (!*Entry)
                break;
            const UCHAR *Name = *Entry >> 31 ? NULL : MiAtRva(View, (ULONG)*Entry + 2, MI_LONGEST_IMPORT);
            ULONG Export = Name && Count++ < MI_MOST_IMPORTS ? MiFindExport(__ImageBase, (CHAR *)Name) : 0;
            if (!Export)
                return FALSE;
            *Place = (ULONG_PTR)__ImageBase + Export;
        }
    }
    return TRUE;
}

// The file as it lies in memory. `View` has room for the largest driver.
NOINLINE BOOLEAN MiLayOutFile(UCHAR *View, const UCHAR *File, ULONG Length, ULONG_PTR Base)
{
    const IMAGE_NT_HEADERS *Headers = MiCheckFile(File, Length, Base);
    if (!Headers)
        return FALSE;
    memset(View, 0, MI_LARGEST_DRIVER + PAGE_SIZE); // a name at the end ends within the room
    memcpy(View, File, Headers->OptionalHeader.SizeOfHeaders);
    const IMAGE_SECTION_HEADER *Section = MiFirstSection(Headers);
    for (ULONG i = 0; i < Headers->NumberOfSections; i++, Section++)
        memcpy(View + Section->VirtualAddress, File + Section->PointerToRawData, Section->SizeOfRawData);
    return MiResolveImports(View);
}

// What the headers say, for the list of loaded images.
NOINLINE VOID MiDescribeImage(LOADER_IMAGE *Image, const UCHAR *View)
{
    const IMAGE_NT_HEADERS *Headers = MiImageHeaders(View);
    const IMAGE_OPTIONAL_HEADER *Optional = &Headers->OptionalHeader;
    Image->EntryPoint = (UCHAR *)Image->Base + Optional->AddressOfEntryPoint;
    Image->SizeOfImage = Optional->SizeOfImage;
    Image->CheckSum = Optional->CheckSum;
    Image->TimeDateStamp = Headers->TimeDateStamp;
    Image->ExceptionTable = (UCHAR *)Image->Base + Optional->DataDirectory[3].VirtualAddress;
    Image->ExceptionTableSize = Optional->DataDirectory[3].Size;
}

// Page table entries by the sections; what lies between them isn't there. The pages of a driver follow one another.
NOINLINE VOID MiProtectImage(LOADER_IMAGE *Image, const UCHAR *View, ULONG_PTR Frame)
{
    const IMAGE_NT_HEADERS *Headers = MiImageHeaders(View);
    const IMAGE_SECTION_HEADER *Section = MiFirstSection(Headers);
    for (ULONG Offset = 0; Offset < MI_LARGEST_DRIVER; Offset += PAGE_SIZE)
        *MiGetPteAddress((ULONG_PTR)Image->Base + Offset) = 0;
    *MiGetPteAddress((ULONG_PTR)Image->Base) = Frame | PTE_PRESENT | PTE_NO_EXECUTE;
    for (ULONG i = 0; i < Headers->NumberOfSections; i++, Section++) {
        ULONG_PTR Flags = PTE_PRESENT;
        Flags |= Section->Characteristics & SECTION_WRITE ? PTE_WRITE : 0;
        Flags |= Section->Characteristics & SECTION_EXECUTE ? 0 : PTE_NO_EXECUTE;
        for (ULONG Offset = Section->VirtualAddress; Offset < Section->VirtualAddress + Section->VirtualSize; Offset += PAGE_SIZE)
            *MiGetPteAddress((ULONG_PTR)Image->Base + Offset) = (Frame + Offset) | Flags;
    }
    MiFlushTranslations();
}

// TRUE where the debugger gave a file that is the driver now.
NOINLINE BOOLEAN MiReplaceImage(LOADER_IMAGE *Image, UCHAR *View)
{
    UCHAR *File = (UCHAR *)(ULONG_PTR)KeLoaderBlock->PhysicalMapBase + KeLoaderBlock->FileBuffer, *Staging = File + MI_LARGEST_FILE;
    ULONG Length = KdPullRemoteFile(Image->Path, File, MI_LARGEST_FILE);
    if (!Length)
        return FALSE;
    if (!MiLayOutFile(Staging, File, Length, (ULONG_PTR)Image->Base)) {
        DbgPrintEx(DPFLTR_SYSTEM_ID, DPFLTR_ERROR_LEVEL, "KD: the file for %ws is no image that can be loaded here\n", Image->Path);
        return FALSE;
    }
    memcpy(View, Staging, MI_LARGEST_DRIVER);
    return TRUE;
}

// Brings a driver to its pages: from the debugger, else from its own file; those of the start are there already.
VOID MmLoadSystemImage(LOADER_IMAGE *Image)
{
    UCHAR *Map = (UCHAR *)(ULONG_PTR)KeLoaderBlock->PhysicalMapBase;
    ULONG_PTR Frame = (ULONG_PTR)Image->Pages;
    BOOLEAN Replaced = MiReplaceImage(Image, Map + Frame);
    if (!Replaced && !Image->PhysicalBase)
        return;
    if (!Replaced)
        memcpy(Map + Frame, Map + Image->PhysicalBase, MiImageHeaders(Map + Image->PhysicalBase)->OptionalHeader.SizeOfImage);
    MiDescribeImage(Image, Map + Frame);
    MiProtectImage(Image, Map + Frame, Frame);
}
