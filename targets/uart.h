/* uart.h - the first serial port of the machine that a test program runs on; where there is none, the file
 * serial.log. */
#ifndef THIMBLE_UART_H
#define THIMBLE_UART_H

void uart_start(void);
void uart_putc(char c);
void uart_puts(const char *s);

#endif
