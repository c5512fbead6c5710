/* uart.c - polled output through a serial port. UART_CMSDK, UART_NRF51, UART_SIFIVE or UART_NS16550 is the address
 * of its registers. */
#include "uart.h"
#include "test-lab.h"

#define WORD(base, offset) (*(volatile uint32_t *)((base) + (offset)))
#define BYTE(base, offset) (*(volatile uint8_t *)((base) + (offset)))

#if defined(UART_CMSDK)          /* Arm's Cortex-M system design kit: MPS2 and MPS3 boards */
void uart_start(void)
{
    WORD(UART_CMSDK, 0x10) = 16; /* BAUDDIV: the least that works */
    WORD(UART_CMSDK, 0x08) = 1;  /* CTRL: transmit */
}
void uart_putc(char c)
{
    while (WORD(UART_CMSDK, 0x04) & 1u) { } /* STATE: full */
    WORD(UART_CMSDK, 0x00) = (uint8_t)c;
}
#elif defined(UART_NRF51)        /* nRF51: micro:bit */
void uart_start(void)
{
    WORD(UART_NRF51, 0x500) = 4; /* ENABLE */
    WORD(UART_NRF51, 0x008) = 1; /* STARTTX */
}
void uart_putc(char c)
{
    WORD(UART_NRF51, 0x11c) = 0; /* TXDRDY */
    WORD(UART_NRF51, 0x51c) = (uint8_t)c;
    while (WORD(UART_NRF51, 0x11c) == 0) { }
}
#elif defined(UART_SIFIVE)       /* FE310 */
void uart_start(void)
{
    WORD(UART_SIFIVE, 0x08) = 1; /* txctrl: enable */
}
void uart_putc(char c)
{
    while (WORD(UART_SIFIVE, 0x00) >> 31) { } /* txdata: full */
    WORD(UART_SIFIVE, 0x00) = (uint8_t)c;
}
#elif defined(UART_NS16550)      /* QEMU's virt */
void uart_start(void)
{
    BYTE(UART_NS16550, 3) = 3;   /* LCR: 8 bits */
}
void uart_putc(char c)
{
    while ((BYTE(UART_NS16550, 5) & 0x20u) == 0) { } /* LSR: not empty */
    BYTE(UART_NS16550, 0) = (uint8_t)c;
}
#else
static lab_file serial;
void uart_start(void) { serial = lab_open("serial.log", 1); }
void uart_putc(char c) { lab_write(serial, &c, 1); }
#endif

void uart_puts(const char *s)
{
    while (*s) uart_putc(*s++);
}
