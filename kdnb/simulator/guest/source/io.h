// I/O structures: files, devices, drivers, IRPs, device nodes. Layouts as in public PDBs of Windows 10.
#pragma once

struct _DEVICE_OBJECT;
struct _DRIVER_OBJECT;
struct _IRP;

typedef struct _IO_STATUS_BLOCK {
    union {
        NTSTATUS Status;
        PVOID Pointer;
    };
    ULONG_PTR Information;
} IO_STATUS_BLOCK;

typedef struct _OBJECT_ATTRIBUTES {
    ULONG Length;
    HANDLE RootDirectory;
    UNICODE_STRING *ObjectName;
    ULONG Attributes;
    PVOID SecurityDescriptor;
    PVOID SecurityQualityOfService;
} OBJECT_ATTRIBUTES;

#define IO_TYPE_DEVICE 3
#define IO_TYPE_DRIVER 4
#define IO_TYPE_FILE 5
#define IO_TYPE_IRP 6
#define IO_TYPE_DEVICE_OBJECT_EXTENSION 13
#define IO_TYPE_DEVICE_QUEUE 20

#define FO_SYNCHRONOUS_IO 0x2
#define FO_HANDLE_CREATED 0x40000

typedef struct _FILE_OBJECT {
    SHORT Type;
    SHORT Size;
    struct _DEVICE_OBJECT *DeviceObject;
    PVOID Vpb, FsContext, FsContext2, SectionObjectPointer, PrivateCacheMap;
    NTSTATUS FinalStatus;
    struct _FILE_OBJECT *RelatedFileObject;
    BOOLEAN LockOperation, DeletePending, ReadAccess, WriteAccess, DeleteAccess, SharedRead, SharedWrite, SharedDelete;
    ULONG Flags;
    UNICODE_STRING FileName;
    LONG64 CurrentByteOffset;
    ULONG Waiters, Busy;
    PVOID LastLock;
    KEVENT Lock, Event;
    PVOID CompletionContext;
    KSPIN_LOCK IrpListLock;
    LIST_ENTRY IrpList;
    PVOID FileObjectExtension;
} FILE_OBJECT;
AT(FILE_OBJECT, Flags, 0x50, 0x2C);
AT(FILE_OBJECT, FileName, 0x58, 0x30);
AT(FILE_OBJECT, Event, 0x98, 0x5C);
SIZED(FILE_OBJECT, 0xD8, 0x80);

// What a file system's FsContext begins with (public headers).
typedef struct _FSRTL_COMMON_FCB_HEADER {
    SHORT NodeTypeCode;
    SHORT NodeByteSize;
    UCHAR Flags, IsFastIoPossible, Flags2, Version;
    ERESOURCE *Resource;
    ERESOURCE *PagingIoResource;
    LONG64 AllocationSize, FileSize, ValidDataLength;
} FSRTL_COMMON_FCB_HEADER;

#define IRP_MJ_CREATE 0
#define IRP_MJ_CLOSE 2
#define IRP_MJ_READ 3
#define IRP_MJ_WRITE 4
#define IRP_MJ_DEVICE_CONTROL 14
#define IRP_MJ_CLEANUP 18
#define IRP_MJ_MAXIMUM_FUNCTION 27

#define SL_PENDING_RETURNED 0x01
#define SL_INVOKE_ON_CANCEL 0x20
#define SL_INVOKE_ON_SUCCESS 0x40
#define SL_INVOKE_ON_ERROR 0x80

typedef NTSTATUS IO_COMPLETION_ROUTINE(struct _DEVICE_OBJECT *DeviceObject, struct _IRP *Irp, PVOID Context);
typedef VOID DRIVER_CANCEL(struct _DEVICE_OBJECT *DeviceObject, struct _IRP *Irp);

// Pointer-sized places in unions of parameters; on x86 everything here is packed to four bytes.
#ifdef __x86_64__
#define POINTER_ALIGNMENT __attribute__((aligned(8)))
#else
#define POINTER_ALIGNMENT
#pragma pack(push, 4)
#endif
typedef struct _IO_STACK_LOCATION {
    UCHAR MajorFunction, MinorFunction, Flags, Control;
    union {
        struct {
            PVOID SecurityContext;
            ULONG Options;
            USHORT POINTER_ALIGNMENT FileAttributes;
            USHORT ShareAccess;
            ULONG POINTER_ALIGNMENT EaLength;
        } Create;
        struct {
            ULONG Length;
            ULONG POINTER_ALIGNMENT Key;
            LONG64 ByteOffset;
        } Read;
        struct {
            ULONG Length;
            ULONG POINTER_ALIGNMENT Key;
            LONG64 ByteOffset;
        } Write;
        struct {
            ULONG OutputBufferLength;
            ULONG POINTER_ALIGNMENT InputBufferLength;
            ULONG POINTER_ALIGNMENT IoControlCode;
            PVOID Type3InputBuffer;
        } DeviceIoControl;
        struct {
            PVOID Argument1, Argument2, Argument3, Argument4;
        } Others;
    } Parameters;
    struct _DEVICE_OBJECT *DeviceObject;
    FILE_OBJECT *FileObject;
    IO_COMPLETION_ROUTINE *CompletionRoutine;
    PVOID Context;
} IO_STACK_LOCATION;
#ifndef __x86_64__
#pragma pack(pop)
#endif
AT(IO_STACK_LOCATION, Parameters, 8, 4);
AT(IO_STACK_LOCATION, DeviceObject, 0x28, 0x14);
SIZED(IO_STACK_LOCATION, 0x48, 0x24);

typedef struct _KDEVICE_QUEUE {
    SHORT Type;
    SHORT Size;
    LIST_ENTRY DeviceListHead;
    KSPIN_LOCK Lock;
    BOOLEAN Busy;
    PAD(Reserved, 7, 3);
} KDEVICE_QUEUE;
SIZED(KDEVICE_QUEUE, 0x28, 0x14);

typedef struct _KDEVICE_QUEUE_ENTRY {
    LIST_ENTRY DeviceListEntry;
    ULONG SortKey;
    BOOLEAN Inserted;
} KDEVICE_QUEUE_ENTRY;
SIZED(KDEVICE_QUEUE_ENTRY, 0x18, 0x10);

typedef struct _KAPC {
    UCHAR Type, SpareByte0, Size, SpareByte1;
    ULONG SpareLong0;
    struct _KTHREAD *Thread;
    LIST_ENTRY ApcListEntry;
    PVOID Reserved[3];
    PVOID NormalContext, SystemArgument1, SystemArgument2;
    CHAR ApcStateIndex, ApcMode;
    BOOLEAN Inserted;
} KAPC;
SIZED(KAPC, 0x58, 0x30);

typedef struct _KDPC {
    UCHAR Type, Importance;
    USHORT Number;
    PVOID DpcListEntry;
    ULONG_PTR ProcessorHistory;
    PVOID DeferredRoutine, DeferredContext, SystemArgument1, SystemArgument2, DpcData;
} KDPC;
SIZED(KDPC, 0x40, 0x20);

typedef struct __attribute__((aligned(BY_MACHINE(16, 8)))) _IRP {
    SHORT Type;
    USHORT Size;
#ifdef __x86_64__
    USHORT AllocationProcessorNumber;
    USHORT Reserved;
#endif
    PVOID MdlAddress;
    ULONG Flags;
    union {
        struct _IRP *MasterIrp;
        LONG IrpCount;
        PVOID SystemBuffer;
    } AssociatedIrp;
    LIST_ENTRY ThreadListEntry;
    IO_STATUS_BLOCK IoStatus;
    CHAR RequestorMode;
    BOOLEAN PendingReturned;
    CHAR StackCount;
    CHAR CurrentLocation; // counts down from StackCount + 1
    BOOLEAN Cancel;
    KIRQL CancelIrql;
    CHAR ApcEnvironment;
    UCHAR AllocationFlags;
    IO_STATUS_BLOCK *UserIosb;
    KEVENT *UserEvent;
    union {
        struct {
            PVOID UserApcRoutine;
            PVOID UserApcContext;
        } AsynchronousParameters;
        LONG64 AllocationSize;
    } Overlay;
    DRIVER_CANCEL *CancelRoutine;
    PVOID UserBuffer;
    union {
        struct {
            union {
                KDEVICE_QUEUE_ENTRY DeviceQueueEntry;
                PVOID DriverContext[4];
            };
            ETHREAD *Thread;
            CHAR *AuxiliaryBuffer;
            LIST_ENTRY ListEntry;
            union {
                IO_STACK_LOCATION *CurrentStackLocation;
                ULONG PacketType;
            };
            FILE_OBJECT *OriginalFileObject;
            PVOID IrpExtension;
        } Overlay;
        KAPC Apc;
        PVOID CompletionKey;
    } Tail;
} IRP;
AT(IRP, ThreadListEntry, 0x20, 0x10);
AT(IRP, StackCount, 0x42, 0x22);
AT(IRP, CancelRoutine, 0x68, 0x38);
AT(IRP, Tail.Overlay.Thread, 0x98, 0x50);
AT(IRP, Tail.Overlay.CurrentStackLocation, 0xB8, 0x60);
SIZED(IRP, 0xD0, 0x70);

typedef NTSTATUS DRIVER_DISPATCH(struct _DEVICE_OBJECT *DeviceObject, IRP *Irp);
typedef VOID DRIVER_STARTIO(struct _DEVICE_OBJECT *DeviceObject, IRP *Irp);
typedef NTSTATUS DRIVER_INITIALIZE(struct _DRIVER_OBJECT *DriverObject, UNICODE_STRING *RegistryPath);
typedef NTSTATUS DRIVER_ADD_DEVICE(struct _DRIVER_OBJECT *DriverObject, struct _DEVICE_OBJECT *PhysicalDeviceObject);
typedef VOID DRIVER_UNLOAD(struct _DRIVER_OBJECT *DriverObject);

#define DO_DEVICE_HAS_NAME 0x40
#define DO_BUS_ENUMERATED_DEVICE 0x1000
#define FILE_AUTOGENERATED_DEVICE_NAME 0x80

typedef struct _DEVICE_OBJECT {
    SHORT Type;
    USHORT Size;
    LONG ReferenceCount;
    struct _DRIVER_OBJECT *DriverObject;
    struct _DEVICE_OBJECT *NextDevice;
    struct _DEVICE_OBJECT *AttachedDevice;
    IRP *CurrentIrp;
    PVOID Timer;
    ULONG Flags;
    ULONG Characteristics;
    PVOID Vpb;
    PVOID DeviceExtension;
    ULONG DeviceType;
    CHAR StackSize;
    PAD(Queue, 0x98 - 0x4D, 0x5C - 0x31);
    ULONG AlignmentRequirement;
    KDEVICE_QUEUE DeviceQueue;
    KDPC Dpc;
    ULONG ActiveThreadCount;
    PVOID SecurityDescriptor;
    KEVENT DeviceLock;
    USHORT SectorSize, Spare1;
    struct _DEVOBJ_EXTENSION *DeviceObjectExtension;
    PAD(Reserved, 0x10, 4);
} DEVICE_OBJECT;
AT(DEVICE_OBJECT, StackSize, 0x4C, 0x30);
AT(DEVICE_OBJECT, DeviceQueue, 0xA0, 0x60);
AT(DEVICE_OBJECT, DeviceObjectExtension, 0x138, 0xB0);
SIZED(DEVICE_OBJECT, 0x150, 0xB8);

typedef struct _DEVOBJ_EXTENSION {
    SHORT Type;
    USHORT Size;
    DEVICE_OBJECT *DeviceObject;
    ULONG PowerFlags;
    PVOID Dope;
    ULONG ExtensionFlags;
    struct _DEVICE_NODE *DeviceNode;
    DEVICE_OBJECT *AttachedTo;
} DEVOBJ_EXTENSION;
AT(DEVOBJ_EXTENSION, AttachedTo, 0x30, 0x18);

typedef struct _DRIVER_EXTENSION {
    struct _DRIVER_OBJECT *DriverObject;
    DRIVER_ADD_DEVICE *AddDevice;
    ULONG Count;
    UNICODE_STRING ServiceKeyName;
} DRIVER_EXTENSION;
AT(DRIVER_EXTENSION, ServiceKeyName, 0x18, 0xC);

typedef struct _DRIVER_OBJECT {
    SHORT Type;
    SHORT Size;
    DEVICE_OBJECT *DeviceObject;
    ULONG Flags;
    PVOID DriverStart;
    ULONG DriverSize;
    PVOID DriverSection;
    DRIVER_EXTENSION *DriverExtension;
    UNICODE_STRING DriverName;
    UNICODE_STRING *HardwareDatabase;
    PVOID FastIoDispatch;
    DRIVER_INITIALIZE *DriverInit;
    DRIVER_STARTIO *DriverStartIo;
    DRIVER_UNLOAD *DriverUnload;
    DRIVER_DISPATCH *MajorFunction[IRP_MJ_MAXIMUM_FUNCTION + 1];
} DRIVER_OBJECT;
AT(DRIVER_OBJECT, DriverStart, 0x18, 0xC);
AT(DRIVER_OBJECT, DriverName, 0x38, 0x1C);
AT(DRIVER_OBJECT, MajorFunction, 0x70, 0x38);
SIZED(DRIVER_OBJECT, 0x150, 0xA8);

static inline __attribute__((always_inline)) IO_STACK_LOCATION *IoGetCurrentIrpStackLocation(IRP *Irp) { return Irp->Tail.Overlay.CurrentStackLocation; }
static inline __attribute__((always_inline)) IO_STACK_LOCATION *IoGetNextIrpStackLocation(IRP *Irp) { return Irp->Tail.Overlay.CurrentStackLocation - 1; }
static inline __attribute__((always_inline)) VOID IoMarkIrpPending(IRP *Irp) { IoGetCurrentIrpStackLocation(Irp)->Control |= SL_PENDING_RETURNED; }

// The parameters for the next driver; what the present one is told of stays with it.
static inline __attribute__((always_inline)) VOID IoCopyCurrentIrpStackLocationToNext(IRP *Irp)
{
    IO_STACK_LOCATION *Current = IoGetCurrentIrpStackLocation(Irp), *Next = IoGetNextIrpStackLocation(Irp);
    Next->MajorFunction = Current->MajorFunction;
    Next->MinorFunction = Current->MinorFunction;
    Next->Flags = Current->Flags;
    Next->Control = 0;
    Next->Parameters = Current->Parameters;
    Next->FileObject = Current->FileObject;
}

// What is called when the next driver has completed the IRP.
static inline __attribute__((always_inline)) VOID IoSetCompletionRoutine(IRP *Irp, IO_COMPLETION_ROUTINE *Routine, PVOID Context)
{
    IO_STACK_LOCATION *Next = IoGetNextIrpStackLocation(Irp);
    Next->CompletionRoutine = Routine;
    Next->Context = Context;
    Next->Control = SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL;
}
