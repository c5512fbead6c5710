/* avrsim.c - runs a test program on simavr's model of an AVR, and serves what lab_avr.c asks for.
 * avrsim MCU RAMEND PROGRAM [MARKS]: the marks' cycles go into the file, as lines "mark N CYCLES". */
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>
#include <simavr/sim_io.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GPIOR0 = 0x3e };
enum { OPEN = 1, READ = 2, WRITE = 3, EXIT = 4, MARK = 5, TEXT = 6 };

static FILE *files[8];
static int opened;
static FILE *marks;
static int marked;

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(96);
}

static uint32_t word(const avr_t *avr, unsigned at, int bytes)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint32_t)avr->data[at + (unsigned)i] << (8 * i);
    return value;
}

static void transfer(avr_t *avr, int op, unsigned at, uint32_t bytes, unsigned file)
{
    if (at + bytes > avr->ramend + 1u || file >= 8 || files[file] == NULL) fail("a request beyond the memory");
    size_t done = op == READ ? fread(avr->data + at, 1, bytes, files[file])
                             : fwrite(avr->data + at, 1, bytes, files[file]);
    if (done != bytes) fail(op == READ ? "input ends too early" : "cannot write results");
}

static void serve(avr_t *avr, avr_io_addr_t addr, uint8_t op, void *param)
{
    (void)param;
    avr->data[addr] = op;
    if (op == MARK) {
        if (marks != NULL) fprintf(marks, "mark %d %llu\n", marked++, (unsigned long long)avr->cycle);
        return;
    }
    unsigned block = word(avr, 22, 2);
    unsigned at = word(avr, block, 2), file = word(avr, block + 6, 2);
    uint32_t bytes = word(avr, block + 2, 4);
    switch (op) {
    case OPEN:
        if (opened == 8 || (files[opened] = fopen((char *)avr->data + at, bytes ? "wb" : "rb")) == NULL)
            fail("cannot open a file");
        avr->data[block + 6] = (uint8_t)opened++;
        avr->data[block + 7] = 0;
        return;
    case READ:
    case WRITE:
        transfer(avr, op, at, bytes, file);
        return;
    case EXIT:
        for (int i = 0; i < opened; i++)
            if (fclose(files[i]) != 0) fail("cannot write results");
        if (marks != NULL) fclose(marks);
        exit((int)(bytes & 255u));
    case TEXT:
        fputs((char *)avr->data + block, stderr);
        return;
    default:
        fail("an unknown request");
    }
}

static void quiet(avr_t *avr, const int level, const char *format, va_list args)
{
    (void)avr;
    if (level <= LOG_ERROR) vfprintf(stderr, format, args);
}

int main(int argc, char **argv)
{
    static elf_firmware_t firmware;
    if (argc < 4) fail("avrsim MCU RAMEND PROGRAM [MARKS]");
    avr_global_logger_set(quiet);
    if (elf_read_firmware(argv[3], &firmware) != 0) fail("no program");
    avr_t *avr = avr_make_mcu_by_name(argv[1]);
    if (avr == NULL) fail("simavr does not know the chip");
    avr->ramend = (uint16_t)strtoul(argv[2], NULL, 0);
    avr_init(avr);
    avr_load_firmware(avr, &firmware);
    avr_register_io_write(avr, GPIOR0, serve, NULL);
    if (argc > 4 && (marks = fopen(argv[4], "w")) == NULL) fail("cannot write marks");
    for (;;) {
        int state = avr_run(avr);
        if (state == cpu_Crashed) fail("the program crashed: an address outside of the chip's memory");
        if (state == cpu_Done) fail("the program sleeps with interrupts off");
    }
}
