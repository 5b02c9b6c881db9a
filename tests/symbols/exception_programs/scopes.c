/* Structured exceptions: what `__C_specific_handler` reads. The handlers are stand-ins; nothing is run. */
#define EXPORT __declspec(dllexport)
volatile int sink;
int __C_specific_handler(void) { return 0; }
__attribute__((noinline)) void Risky(int n) { sink = 100 / n; }
__attribute__((noinline)) int Chosen(int n) { return n == 3; }

EXPORT int Always(int n) {
    __try { Risky(n); } __except (1) { return -1; }
    return n;
}
EXPORT int Filtered(int n) {
    __try { Risky(n); } __except (Chosen(n)) { return -1; }
    return n;
}
EXPORT int Finally(int n) {
    __try { Risky(n); } __finally { sink = 0; }
    return n;
}
EXPORT int Nested(int n) {
    __try {
        Risky(n);
        __try { Risky(n + 1); } __finally { sink = 1; }
    } __except (Chosen(n)) { return -2; }
    return n;
}
EXPORT int Entry(int n) { return Always(n) + Filtered(n) + Finally(n) + Nested(n); }
