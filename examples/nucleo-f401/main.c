/* main.c - Nucleo-F401RE (STM32F401RE, Cortex-M4), by registers alone: no SDK, no C library but memcpy and memset.
 * The debugger's serial port is USART2 on PA2; 115200 baud of the 16 MHz that the chip starts with. */
#include "classify.h"
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define RCC_AHB1ENR REG(0x40023830u)
#define RCC_APB1ENR REG(0x40023840u)
#define GPIOA_MODER REG(0x40020000u)
#define GPIOA_AFRL REG(0x40020020u)
#define USART2_SR REG(0x40004400u)
#define USART2_DR REG(0x40004404u)
#define USART2_BRR REG(0x40004408u)
#define USART2_CR1 REG(0x4000440cu)

extern uint32_t stack_top[], data_load[], data_start[], data_end[], bss_start[], bss_end[];
int main(void);

static void board_start(void)
{
    RCC_AHB1ENR |= 1u;                                        /* the clock of port A */
    RCC_APB1ENR |= 1u << 17;                                  /* and of USART2 */
    GPIOA_MODER = (GPIOA_MODER & ~(3u << 4)) | 2u << 4;       /* PA2: alternate function */
    GPIOA_AFRL = (GPIOA_AFRL & ~(15u << 8)) | 7u << 8;        /* 7: USART2 */
    USART2_BRR = 139;                                         /* 16,000,000 / 115,200 */
    USART2_CR1 = 1u << 13 | 1u << 3;                          /* on, transmitting */
}

static void board_put(char c)
{
    while ((USART2_SR & 1u << 7) == 0) { } /* until there is room */
    USART2_DR = (uint8_t)c;
}

int main(void)
{
    board_start();
    classify_digits(board_put);
    for (;;) { }
}

static void reset(void)
{
    uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end;) *to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;) *to++ = 0;
    main();
}

static void fault(void)
{
    for (;;) { }
}

/* No interrupt is used: the stack, reset, NMI and faults are all that the table needs. */
__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_top, (void *)reset, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault,
};
