/* A small image with exports by name and ordinal, a forwarder, statics, and lines. */
__declspec(dllexport) int counter = 7;
static int hidden_value = 9;
__attribute__((noinline)) static int hidden(int x) { return x * hidden_value; }
__declspec(dllexport) __attribute__((noinline)) int Add(int a, int b) {
    return hidden(a) + b;
}
__declspec(dllexport) int add_lower(int a) { return Add(a, a) + Add(a, 2) + counter; }
int Entry(void *a, void *b) { hidden_value = add_lower(3); return hidden(1); }
