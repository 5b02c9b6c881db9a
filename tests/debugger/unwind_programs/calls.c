/* Functions of every shape that clang gives a frame to. Run instruction by instruction in an emulated CPU,
   while the test compares each unwound chain with the true one. */
typedef unsigned long long u64;
#define NOINLINE __attribute__((noinline))
#define EXPORT __declspec(dllexport)

int _fltused;
extern u64 AsmChained(u64), AsmVersion2(u64), AsmFar(u64), AsmTrap(u64), AsmFrameRegister(u64), AsmIndirect(u64);
extern void TheEnd(void);
volatile u64 sink;

NOINLINE u64 Leaf(u64 x) { return x * 3 + 1; }
NOINLINE u64 Called(u64 x) { sink += x; return Leaf(x) ^ sink; }

NOINLINE u64 Saves(u64 a, u64 b, u64 c, u64 d) {
    u64 e = Leaf(a), f = Leaf(b), g = Leaf(c), h = Leaf(d);
    u64 i = Called(e + f), j = Called(g + h), k = Called(a ^ e);
    return a + b + c + d + e * f + g * h + i + Called(j) * k;
}

NOINLINE double Doubles(double a, double b) {
    double c = (double)(long long)Called((u64)a), d = (double)(long long)Called((u64)b);
    double e = (double)(long long)Called((u64)(c + d));
    return a * b + c * d + e + (double)(long long)Called((u64)e);
}

NOINLINE u64 LargeFrame(u64 n) {
    volatile char buffer[6000];
    buffer[n % 6000] = (char)n;
    return Called(n) + buffer[n % 6000];
}

NOINLINE u64 HugeFrame(u64 n) {
    volatile char buffer[700000];
    buffer[n] = (char)n;
    return Called(n) + buffer[n];
}

NOINLINE u64 Dynamic(u64 n) {
    volatile char *block = __builtin_alloca(n * 16);
    block[n] = 1;
    u64 first = Called(n);
    volatile char *more = __builtin_alloca(n * 32);
    more[n] = (char)first;
    return Called(first) + block[n] + more[n] + LargeFrame(n);
}

NOINLINE u64 TailCall(u64 n) { sink ^= Leaf(n); return Called(n + 1); }
u64 (*volatile pointer)(u64) = Called;
NOINLINE u64 IndirectTailCall(u64 n) { sink ^= Called(n); return pointer(n); }

NOINLINE u64 Recursive(u64 n, u64 accumulated) {
    volatile u64 local[4] = {n, accumulated};
    if (n == 0) return Dynamic(3);
    u64 below = Recursive(n - 1, accumulated + local[0]);
    return below + local[1] + n;
}

NOINLINE u64 Switch(u64 n) {
    u64 result = Called(n);
    switch (n) {
    case 0: result += Leaf(7); break;
    case 1: result ^= Called(9); break;
    case 2: result -= Leaf(11); break;
    case 3: result *= Called(13); break;
    case 4: result |= Leaf(15); break;
    case 5: result &= Called(17); break;
    }
    return result + Leaf(n);
}

NOINLINE u64 EarlyOut(u64 *p) {
    if (!p) return 0;
    u64 total = 0;
    for (int i = 0; i < 3; i++) total += Called(p[i]);
    return total;
}

__attribute__((noreturn, noinline)) void Fatal(u64 code) {
    volatile u64 parameters[8] = {code, Called(code)};
    sink = parameters[1];
    TheEnd();
    for (;;) ;
}

/* The call to Fatal is the last instruction: its return address lies in the next function. */
NOINLINE void LastCall(u64 code) { if (sink != 0x1234567) Fatal(Called(code)); }

EXPORT void Entry(void) {
    u64 values[3] = {1, 2, 3};
    sink = Saves(1, 2, 3, 4);
    sink += (u64)Doubles(2.5, 4.5);
    sink += LargeFrame(5) + HugeFrame(9) + Dynamic(4) + TailCall(3) + IndirectTailCall(8) + Recursive(4, 0);
    for (u64 n = 0; n < 7; n++) sink += Switch(n);
    sink += EarlyOut(values) + EarlyOut(0);
    sink += AsmChained(5) + AsmVersion2(6) + AsmFar(7) + AsmTrap(8) + AsmFrameRegister(9) + AsmIndirect(10);
    LastCall(sink);
}
