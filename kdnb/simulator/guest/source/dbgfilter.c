// Which prints are shown: each component has a mask of levels, and what Kd_WIN2000_Mask lets pass is shown of all.
#include "nt.h"

EXPORT ULONG Kd_WIN2000_Mask = 1 << DPFLTR_ERROR_LEVEL;
EXPORT ULONG Kd_DEFAULT_Mask = 0;
ULONG Kd_SYSTEM_Mask = 0, Kd_NTFS_Mask = 0, Kd_IHVDRIVER_Mask = 0;

// Of Windows' some 150 components those that somebody in this machine prints for.
ULONG *KdComponentTable[] = {
    [DPFLTR_SYSTEM_ID] = &Kd_SYSTEM_Mask,
    [DPFLTR_NTFS_ID] = &Kd_NTFS_Mask,
    [DPFLTR_IHVDRIVER_ID] = &Kd_IHVDRIVER_Mask,
    [DPFLTR_DEFAULT_ID] = &Kd_DEFAULT_Mask,
};

// Levels up to 31 are numbers of bits, greater ones are masks.
NTSTATUS NtQueryDebugFilterState(ULONG ComponentId, ULONG Level)
{
    ULONG Mask = Level > 31 ? Level : 1u << Level;
    if (ComponentId >= sizeof(KdComponentTable) / sizeof(KdComponentTable[0]))
        return STATUS_INVALID_PARAMETER_1;
    if (Kd_WIN2000_Mask & Mask)
        return TRUE;
    return KdComponentTable[ComponentId] && *KdComponentTable[ComponentId] & Mask ? TRUE : FALSE;
}
