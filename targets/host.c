/* host.c - the test program as a process of the host: files by stdio, nothing to count. */
#include "test-lab.h"
#include <stdio.h>
#include <stdlib.h>

void lab_puts(const char *s) { fputs(s, stderr); }

void lab_exit(int code) { exit(code); }

lab_file lab_open(const char *path, int write)
{
    FILE *f = fopen(path, write ? "wb" : "rb");
    if (f == NULL) {
        perror(path);
        exit(97);
    }
    return (lab_file)f;
}

void lab_read(lab_file file, void *to, uint32_t bytes)
{
    if (fread(to, 1, bytes, (FILE *)file) != bytes) {
        lab_puts("input ends too early\n");
        exit(96);
    }
}

void lab_write(lab_file file, const void *from, uint32_t bytes)
{
    if (fwrite(from, 1, bytes, (FILE *)file) != bytes) {
        perror("cannot write results");
        exit(95);
    }
}

void lab_close(lab_file file)
{
    if (fclose((FILE *)file) != 0) {
        perror("cannot write results");
        exit(95);
    }
}

void *lab_memory(void *fixed, size_t bytes)
{
    void *memory = malloc(bytes);
    (void)fixed;
    if (memory == NULL) {
        perror("memory");
        exit(94);
    }
    return memory;
}

void lab_release(void *memory) { free(memory); }

void lab_mark(uint32_t id) { (void)id; }
