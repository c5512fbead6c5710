/* main.c - ESP32-C3 (rv32imc) with ESP-IDF, which starts the chip and sends standard output through its serial port. */
#include "classify.h"
#include <stdio.h>

void app_main(void);

static void board_put(char c)
{
    putchar(c);
}

void app_main(void)
{
    classify_digits(board_put);
    fflush(stdout);
}
