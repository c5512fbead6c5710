/* lab_avr.c - the harness on AVR: requests to avrsim.c, which sees writes to GPIOR0 and the registers that hold the
 * arguments. No text lies here: it would take RAM. */
#include "test-lab.h"
#include <avr/io.h>

/* op in r24, the pointer in r22 and r23: avrsim.c reads them there. */
__attribute__((naked, noinline))
static void request(uint8_t op __attribute__((unused)), const void *block __attribute__((unused)))
{
    __asm__ volatile("out %0, r24\n\tret" : : "I"(_SFR_IO_ADDR(GPIOR0)) : "memory");
}

enum { OPEN = 1, READ = 2, WRITE = 3, EXIT = 4, MARK = 5, TEXT = 6 };

struct block { const void *at; uint32_t bytes; int16_t file; };

void lab_puts(const char *s) { request(TEXT, s); }

void lab_exit(int code)
{
    struct block b = { 0, (uint32_t)code, 0 };
    request(EXIT, &b);
    for (;;) { }
}

lab_file lab_open(const char *path, int write)
{
    struct block b = { path, write != 0, 0 };
    request(OPEN, &b);
    return b.file;
}

void lab_read(lab_file file, void *to, uint32_t bytes)
{
    struct block b = { to, bytes, file };
    request(READ, &b);
}

void lab_write(lab_file file, const void *from, uint32_t bytes)
{
    struct block b = { from, bytes, file };
    request(WRITE, &b);
}

void lab_close(lab_file file) { (void)file; }

void *lab_memory(void *fixed, size_t bytes) { (void)bytes; return fixed; }

void lab_release(void *memory) { (void)memory; }

/* One instruction and its return between any two marks, the same each time. */
__attribute__((naked, noinline)) void lab_mark(uint32_t id __attribute__((unused)))
{
    __asm__ volatile("ldi r24, %1\n\tout %0, r24\n\tret" : : "I"(_SFR_IO_ADDR(GPIOR0)), "M"(MARK) : "r24");
}

/* avr-libc calls main, and what main returns is how the run ends. */
int main(void);
__attribute__((naked, used, section(".init8"))) static void begin(void)
{
    __asm__ volatile("call main\n\tcall lab_exit");
}
