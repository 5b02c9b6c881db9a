// Memory, strings, and the formatter behind DbgPrint.
#include "nt.h"

EXPORT VOID *CDECL memcpy(void *To, const void *From, SIZE_T Size)
{
    void *Result = To;
    __asm__ volatile("rep movsb" : "+D"(To), "+S"(From), "+c"(Size)::"memory");
    return Result;
}

EXPORT VOID *CDECL memset(void *To, int Value, SIZE_T Size)
{
    void *Result = To;
    __asm__ volatile("rep stosb" : "+D"(To), "+c"(Size) : "a"(Value) : "memory");
    return Result;
}

EXPORT int CDECL memcmp(const void *A, const void *B, SIZE_T Size)
{
    const UCHAR *Left = A, *Right = B;
    for (; Size; Size--, Left++, Right++)
        if (*Left != *Right)
            return *Left < *Right ? -1 : 1;
    return 0;
}

EXPORT VOID RtlInitUnicodeString(UNICODE_STRING *String, const WCHAR *Text)
{
    USHORT Length = 0;
    while (Text && Text[Length])
        Length++;
    String->Length = Length * 2;
    String->MaximumLength = Text ? Length * 2 + 2 : 0;
    String->Buffer = (WCHAR *)Text;
}

NOINLINE WCHAR RtlpUpcase(WCHAR Character) { return Character >= 'a' && Character <= 'z' ? Character - 32 : Character; }

EXPORT BOOLEAN RtlEqualUnicodeString(const UNICODE_STRING *A, const UNICODE_STRING *B, BOOLEAN IgnoreCase)
{
    if (A->Length != B->Length)
        return FALSE;
    for (ULONG i = 0; i < A->Length / 2u; i++) {
        WCHAR Left = A->Buffer[i], Right = B->Buffer[i];
        if (IgnoreCase ? RtlpUpcase(Left) != RtlpUpcase(Right) : Left != Right)
            return FALSE;
    }
    return TRUE;
}

typedef struct _OUTPUT {
    CHAR *Buffer;
    ULONG Size, Length;
} OUTPUT;

NOINLINE VOID RtlpPut(OUTPUT *Output, CHAR Character)
{
    if (Output->Length + 1 < Output->Size)
        Output->Buffer[Output->Length++] = Character;
}

NOINLINE VOID RtlpPutNumber(OUTPUT *Output, ULONG64 Value, ULONG Radix, ULONG Width, CHAR Fill, BOOLEAN Upper, BOOLEAN Negative)
{
    CHAR Digits[24];
    ULONG Count = 0;
    do {
        ULONG Digit = Value % Radix;
        Digits[Count++] = Digit < 10 ? '0' + Digit : (Upper ? 'A' : 'a') + Digit - 10;
        Value /= Radix;
    } while (Value);
    if (Negative)
        Digits[Count++] = '-';
    for (ULONG i = Count; i < Width; i++)
        RtlpPut(Output, Fill);
    while (Count)
        RtlpPut(Output, Digits[--Count]);
}

ULONG RtlStringVPrint(CHAR *Buffer, ULONG Size, const CHAR *Format, __builtin_va_list Arguments)
{
    OUTPUT Output = {Buffer, Size, 0};
    for (; *Format; Format++) {
        ULONG Width = 0, Bits = 32;
        CHAR Fill = ' ';
        BOOLEAN Wide = FALSE;
        if (*Format != '%') {
            RtlpPut(&Output, *Format);
            continue;
        }
        Format++;
        if (*Format == '0')
            Fill = '0';
        for (; *Format >= '0' && *Format <= '9'; Format++)
            Width = Width * 10 + *Format - '0';
        for (;; Format++) {
            if (*Format == 'l' && Format[1] == 'l') {
                Bits = 64;
                Format++;
            } else if (*Format == 'I' && Format[1] == '6' && Format[2] == '4') {
                Bits = 64;
                Format += 2;
            } else if (*Format == 'l' || *Format == 'w')
                Wide = TRUE;
            else
                break;
        }
        ULONG64 Value = 0;
        if (*Format != '%' && *Format)
            Value = Bits == 64 ? __builtin_va_arg(Arguments, ULONG64) : __builtin_va_arg(Arguments, ULONG_PTR);
        switch (*Format) {
        case 'd': {
            LONG64 Signed = Bits == 64 ? (LONG64)Value : (LONG)Value;
            RtlpPutNumber(&Output, Signed < 0 ? -Signed : Signed, 10, Width, Fill, FALSE, Signed < 0);
            break;
        }
        case 'u':
            RtlpPutNumber(&Output, Bits == 64 ? Value : (ULONG)Value, 10, Width, Fill, FALSE, FALSE);
            break;
        case 'x':
        case 'X':
            RtlpPutNumber(&Output, Bits == 64 ? Value : (ULONG)Value, 16, Width, Fill, *Format == 'X', FALSE);
            break;
        case 'p':
            RtlpPutNumber(&Output, Value, 16, 2 * sizeof(PVOID), '0', TRUE, FALSE);
            break;
        case 'c':
            RtlpPut(&Output, (CHAR)Value);
            break;
        case 'Z': {
            const UNICODE_STRING *String = (const UNICODE_STRING *)(ULONG_PTR)Value;
            for (ULONG i = 0; i < String->Length / 2u; i++)
                RtlpPut(&Output, (CHAR)String->Buffer[i]);
            break;
        }
        case 's':
        case 'S':
            if (Wide || *Format == 'S')
                for (const WCHAR *Text = (const WCHAR *)(ULONG_PTR)Value; Text && *Text; Text++)
                    RtlpPut(&Output, (CHAR)*Text);
            else
                for (const CHAR *Text = (const CHAR *)(ULONG_PTR)Value; Text && *Text; Text++)
                    RtlpPut(&Output, *Text);
            break;
        default:
            RtlpPut(&Output, *Format);
        }
    }
    if (Output.Size)
        Output.Buffer[Output.Length] = 0;
    return Output.Length;
}

ULONG RtlStringPrint(CHAR *Buffer, ULONG Size, const CHAR *Format, ...)
{
    __builtin_va_list Arguments;
    __builtin_va_start(Arguments, Format);
    ULONG Length = RtlStringVPrint(Buffer, Size, Format, Arguments);
    __builtin_va_end(Arguments);
    return Length;
}
