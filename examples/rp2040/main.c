/* main.c - Raspberry Pi Pico (RP2040, Cortex-M0+), by registers alone: no SDK, no C library but memcpy and memset.
 * It is loaded into RAM, so flash needs no second boot stage. UART0 is on GPIO 0, 115200 baud of the 12 MHz crystal. */
#include "classify.h"
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define RESETS_CLEAR REG(0x4000f000u) /* RESET, bits written are cleared */
#define RESETS_DONE REG(0x4000c008u)
#define XOSC_CTRL REG(0x40024000u)
#define XOSC_STATUS REG(0x40024004u)
#define XOSC_STARTUP REG(0x4002400cu)
#define CLK_REF_CTRL REG(0x40008030u)
#define CLK_REF_SELECTED REG(0x40008038u)
#define CLK_SYS_CTRL REG(0x4000803cu)
#define CLK_SYS_SELECTED REG(0x40008044u)
#define CLK_PERI_CTRL REG(0x40008048u)
#define GPIO0_CTRL REG(0x40014004u)
#define UART0_DR REG(0x40034000u)
#define UART0_FR REG(0x40034018u)
#define UART0_IBRD REG(0x40034024u)
#define UART0_FBRD REG(0x40034028u)
#define UART0_LCR_H REG(0x4003402cu)
#define UART0_CR REG(0x40034030u)

enum { IO_BANK0 = 1 << 5, PADS_BANK0 = 1 << 8, UART0 = 1 << 22 };

extern uint32_t stack_top[], bss_start[], bss_end[];
int main(void);
void reset(void);

static void board_start(void)
{
    XOSC_STARTUP = 47;                                  /* a millisecond, in units of 256 ticks */
    XOSC_CTRL = 0xfab000u | 0xaa0u;                     /* on, 1 to 15 MHz */
    while ((XOSC_STATUS & 1u << 31) == 0) { }           /* until it is stable */
    CLK_SYS_CTRL = 0;                                   /* the system runs from the reference clock, */
    while ((CLK_SYS_SELECTED & 1u) == 0) { }
    CLK_REF_CTRL = 2;                                   /* and that from the crystal */
    while ((CLK_REF_SELECTED & 1u << 2) == 0) { }
    CLK_PERI_CTRL = 1u << 11 | 4u << 5;                 /* and so does the UART */
    RESETS_CLEAR = IO_BANK0 | PADS_BANK0 | UART0;
    while ((~RESETS_DONE & (IO_BANK0 | PADS_BANK0 | UART0)) != 0) { }
    GPIO0_CTRL = 2;                                     /* function 2: UART */
    UART0_IBRD = 6;                                     /* 12,000,000 / (16 * 115,200) = 6 + 33 / 64 */
    UART0_FBRD = 33;
    UART0_LCR_H = 3u << 5 | 1u << 4;                    /* 8 bits, FIFO */
    UART0_CR = 1u << 8 | 1u;                            /* on, transmitting */
}

static void board_put(char c)
{
    while ((UART0_FR & 1u << 5) != 0) { } /* until there is room */
    UART0_DR = (uint8_t)c;
}

int main(void)
{
    board_start();
    classify_digits(board_put);
    for (;;) { }
}

/* The boot ROM jumps to the first byte of an image in RAM. */
__attribute__((naked, used, section(".entry"))) void reset(void)
{
    __asm__ volatile("ldr r0, =stack_top\n\tmov sp, r0\n\tbl begin\n\t.ltorg");
}

__attribute__((used)) static void begin(void)
{
    for (uint32_t *to = bss_start; to < bss_end;) *to++ = 0;
    main();
}
