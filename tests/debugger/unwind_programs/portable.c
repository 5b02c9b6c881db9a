/* Functions of many shapes without assembler, for x86 and ARM64. */
typedef unsigned int u32;
#define NOINLINE __attribute__((noinline))
#define EXPORT __declspec(dllexport)
int _fltused;
volatile u32 sink;

EXPORT NOINLINE void TheEnd(void) { sink++; }
NOINLINE u32 Leaf(u32 x) { return x * 3 + 1; }
NOINLINE u32 Called(u32 x) { sink += x; return Leaf(x) ^ sink; }
NOINLINE u32 Saves(u32 a, u32 b, u32 c, u32 d) {
    u32 e = Leaf(a), f = Leaf(b), g = Leaf(c), h = Leaf(d);
    u32 i = Called(e + f), j = Called(g + h), k = Called(a ^ e);
    return a + b + c + d + e * f + g * h + i + Called(j) * k;
}
NOINLINE u32 Nine(u32 a, u32 b, u32 c, u32 d, u32 e, u32 f, u32 g, u32 h, u32 i, u32 j) {
    return Saves(a, b, c, d) + Saves(e, f, g, h) + i * j + Called(i + j);
}
#if defined(__i386__)
NOINLINE u32 __attribute__((stdcall)) Standard(u32 a, u32 b, u32 c) { return Saves(a, b, c, Called(c)) + a; }
NOINLINE u32 __attribute__((fastcall)) Fast(u32 a, u32 b, u32 c) { return Standard(a, b, c) + Called(b) + c; }
#else
#define Fast(a, b, c) Saves(a, b, c, 4)
NOINLINE double Doubles(double a, double b) {
    double c = (double)Called((u32)a), d = (double)Called((u32)b), e = (double)Called((u32)(c + d));
    double f = (double)Called((u32)e), g = (double)Called((u32)f);
    return a * b + c * d + e + f * g + (double)Called((u32)g);
}
#endif
NOINLINE u32 LargeFrame(u32 n) {
    volatile char buffer[3000];
    buffer[n % 3000] = (char)n;
    return Called(n) + buffer[n % 3000];
}
NOINLINE u32 Dynamic(u32 n) {
    volatile char *block = __builtin_alloca(n * 16);
    block[n] = 1;
    u32 first = Called(n);
    return Called(first) + block[n] + LargeFrame(n);
}
NOINLINE u32 TailCall(u32 n) { sink ^= Leaf(n); return Called(n + 1); }
u32 (*volatile pointer)(u32) = Called;
NOINLINE u32 Indirect(u32 n) { sink ^= pointer(n); return pointer(n + 1); }
NOINLINE u32 Recursive(u32 n, u32 accumulated) {
    volatile u32 local[4] = {n, accumulated};
    if (n == 0) return Dynamic(3);
    u32 below = Recursive(n - 1, accumulated + local[0]);
    return below + local[1] + n;
}
NOINLINE u32 EarlyOut(u32 *p) {
    if (!p) return 0;
    u32 total = 0;
    for (int i = 0; i < 3; i++) total += Called(p[i]);
    return total;
}
NOINLINE u32 Aligned(u32 n) {
    volatile u32 __attribute__((aligned(64))) block[16];
    block[n & 15] = n;
    return Called(block[n & 15]) + n;
}
NOINLINE u32 Work(void) {
    u32 numbers[3] = {1, 2, 3};
    u32 total = Nine(1, 2, 3, 4, 5, 6, 7, 8, 9, 10) + Fast(1, 2, 3) + Recursive(4, 1) + TailCall(3) + Indirect(4);
    total += EarlyOut(0) + EarlyOut(numbers) + Aligned(5);
#if !defined(__i386__)
    total += (u32)Doubles(2.0, 3.0);
#endif
    return total;
}
/* No arguments are pushed here: the outermost frame must be found without a known return address above it. */
EXPORT u32 Entry(void) {
    u32 total = Work();
    TheEnd();
    return total;
}
