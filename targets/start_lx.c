/* start_lx.c - reset code for bare-metal lx106 (QEMU's sim). Exceptions end in the loop of their vector: a time-out. */
#include "test-lab.h"

extern uint32_t __stack_limit[];
extern uint32_t __bss_start[], __bss_end[];

__asm__(".section .vectors,\"ax\"\n"
        ".globl _start\n"
        "_start:\n"
        "  j 1f\n"
        "  .align 4\n"
        "2: .word __stack_top\n"
        "3: .word lx_main\n"
        "1: l32r a1, 2b\n"
        "  l32r a0, 3b\n"
        "  callx0 a0\n"
        "  .text\n");

void lx_main(void);
__attribute__((noreturn, used)) void lx_main(void)
{
    for (uint32_t *d = __bss_start; d < __bss_end;) *d++ = 0;
    for (uint32_t *p = __stack_limit; p < lab_sp() - 8; p++) *(volatile uint32_t *)p = LAB_PAINT;
    lab_exit(lab_start());
}

/* Integer functions of the compiler that an ESP8266 has in its ROM, and Debian's libgcc therefore leaves out. */
union words { uint64_t all; uint32_t word[2]; };

uint64_t __umulsidi3(uint32_t a, uint32_t b);
uint64_t __umulsidi3(uint32_t a, uint32_t b)
{
    uint32_t al = a & 0xffffu, ah = a >> 16, bl = b & 0xffffu, bh = b >> 16;
    uint32_t low = al * bl;
    uint32_t middle = ah * bl + (low >> 16);
    uint32_t other = al * bh + (middle & 0xffffu);
    union words r;
    r.word[0] = (other << 16) | (low & 0xffffu);
    r.word[1] = ah * bh + (middle >> 16) + (other >> 16);
    return r.all;
}

uint64_t __muldi3(uint64_t a, uint64_t b);
uint64_t __muldi3(uint64_t a, uint64_t b)
{
    union words x = { a }, y = { b }, r;
    r.all = __umulsidi3(x.word[0], y.word[0]);
    r.word[1] += x.word[0] * y.word[1] + x.word[1] * y.word[0];
    return r.all;
}

static uint32_t divide(uint32_t a, uint32_t b, uint32_t *rest)
{
    uint32_t q = 0, r = 0;
    for (int bit = 31; bit >= 0; bit--) {
        r = (r << 1) | ((a >> bit) & 1u);
        if (r >= b) r -= b, q |= 1u << bit;
    }
    *rest = r;
    return q;
}

uint32_t __udivsi3(uint32_t a, uint32_t b);
uint32_t __udivsi3(uint32_t a, uint32_t b) { return divide(a, b, &a); }

uint32_t __umodsi3(uint32_t a, uint32_t b);
uint32_t __umodsi3(uint32_t a, uint32_t b) { divide(a, b, &a); return a; }

static uint32_t size(int32_t x) { return x < 0 ? 0u - (uint32_t)x : (uint32_t)x; }

int32_t __divsi3(int32_t a, int32_t b);
int32_t __divsi3(int32_t a, int32_t b)
{
    uint32_t rest, q = divide(size(a), size(b), &rest);
    return (int32_t)((a < 0) != (b < 0) ? 0u - q : q);
}

int32_t __modsi3(int32_t a, int32_t b);
int32_t __modsi3(int32_t a, int32_t b)
{
    uint32_t rest;
    divide(size(a), size(b), &rest);
    return (int32_t)(a < 0 ? 0u - rest : rest);
}
