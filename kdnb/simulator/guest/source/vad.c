// The ranges of user mode that each process has. The tree is one by addresses, but not kept in balance.
#include "nt.h"
#include "vad.h"

#define FAST_REFERENCES BY_MACHINE(15, 7)
#ifdef __x86_64__
#define VPN_HIGH(vad) ((ULONG64)(vad)->StartingVpnHigh << 32)
#else
#define VPN_HIGH(vad) 0
#endif

NOINLINE VOID MiInsertVad(EPROCESS *Process, MMVAD_SHORT *Vad, ULONG_PTR Start, SIZE_T Size)
{
    RTL_BALANCED_NODE **Link = &Process->VadRoot.Root, *Parent = NULL;
    ULONG_PTR First = Start / PAGE_SIZE, Last = (Start + Size - 1) / PAGE_SIZE;
    Vad->StartingVpn = (ULONG)First;
    Vad->EndingVpn = (ULONG)Last;
#ifdef __x86_64__
    Vad->StartingVpnHigh = (UCHAR)(First >> 32);
    Vad->EndingVpnHigh = (UCHAR)(Last >> 32);
#endif
    while (*Link) {
        MMVAD_SHORT *Other = CONTAINING_RECORD(Parent = *Link, MMVAD_SHORT, VadNode);
        ULONG_PTR Begin = VPN_HIGH(Other) | Other->StartingVpn;
        Link = First < Begin ? &Parent->Left : &Parent->Right;
    }
    Vad->VadNode.ParentValue = (ULONG_PTR)Parent;
    *Link = &Vad->VadNode;
    Process->VadCount++;
}

VOID MiInsertPrivateVad(EPROCESS *Process, ULONG_PTR Start, SIZE_T Size, ULONG Protection)
{
    MMVAD_SHORT *Vad = ExAllocatePoolWithTag(0, sizeof(*Vad), 'SdaV');
    Vad->u.VadFlags.Protection = Protection;
    Vad->u.VadFlags.PrivateMemory = 1;
    Vad->u1.VadFlags1.MemCommit = 1;
    Vad->u1.VadFlags1.CommitCharge = (ULONG)(Size / PAGE_SIZE);
    MiInsertVad(Process, Vad, Start, Size);
}

// The file is known by its section only, as on Windows.
VOID MiInsertImageVad(EPROCESS *Process, ULONG_PTR Start, SIZE_T Size, SIZE_T Committed, const WCHAR *Path)
{
    MMVAD *Vad = ExAllocatePoolWithTag(0, sizeof(*Vad), ' daV');
    CONTROL_AREA *Area = ExAllocatePoolWithTag(0, sizeof(*Area) + sizeof(SUBSECTION), 'iCmM');
    FILE_OBJECT *File = ObpAllocateObject(ObFileType, sizeof(*File), 'eliF');
    File->Type = 5;
    File->Size = sizeof(*File);
    File->DeviceObject = IopFindDevice(L"\\Ntfs");
    RtlInitUnicodeString(&File->FileName, Path);
    Area->NumberOfSectionReferences = Area->NumberOfMappedViews = 1;
    Area->FilePointer = (ULONG_PTR)File | FAST_REFERENCES;
    Vad->Subsection = (SUBSECTION *)(Area + 1);
    Vad->Subsection->ControlArea = Area;
    Vad->Core.u.VadFlags.VadType = VadImageMap;
    Vad->Core.u.VadFlags.Protection = MM_EXECUTE_WRITECOPY;
    Vad->Core.u1.VadFlags1.CommitCharge = (ULONG)(Committed / PAGE_SIZE);
    MiInsertVad(Process, &Vad->Core, Start, Size);
}
