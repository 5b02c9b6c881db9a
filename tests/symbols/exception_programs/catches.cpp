/* C++ exceptions: what `__CxxFrameHandler3` reads. The runtime's parts are stand-ins; nothing is run. */
#define EXPORT extern "C" __declspec(dllexport)
extern "C" int _fltused = 0;
extern "C" int __CxxFrameHandler3() { return 0; }
extern "C" void *type_info_vtable asm("??_7type_info@@6B@");
void *type_info_vtable = 0;
volatile int sink;

struct Held {
    int value;
    explicit Held(int n) : value(n) { sink = n; }
    ~Held() { sink = -value; }
};
void Calm(int n) { sink = n; }
void (*volatile Risky)(int) = Calm; // the compiler can't know that it doesn't throw

EXPORT int Catches(int n) {
    Held outer(1);
    try {
        Held inner(2);
        Risky(n);
    } catch (const int &caught) {
        return caught;
    } catch (...) {
        return -1;
    }
    return n;
}
EXPORT int Unwinds(int n) {
    Held one(1);
    Risky(n);
    Held two(2);
    Risky(n + 1);
    return n;
}
EXPORT int Entry(int n) { return Catches(n) + Unwinds(n); }
