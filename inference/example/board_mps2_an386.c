/* SPDX-License-Identifier: Apache-2.0 */
/* Arm's MPS2 with a Cortex-M4, as QEMU's mps2-an386: start-up, UART 0, and the end of the
 * emulation. Source: Arm Application Note 386; Cortex-M System Design Kit TRM, section 4.3 (UART).
 */
#include "board.h"

#include <stdint.h>

extern uint32_t stack_top[], data_from[], data_start[], data_end[], bss_start[], bss_end[];

int main(void);
void reset(void);
void fault(void);

static volatile uint32_t *const uart = (volatile uint32_t *)0x40004000;

enum { UART_DATA, UART_STATE, UART_CTRL, UART_BAUDDIV = 4 };

void board_print(const char *text)
{
    for (; *text; text++) {
        while (uart[UART_STATE] & 1)
            continue;
        uart[UART_DATA] = (uint8_t)*text;
    }
}

/* Semihosting's SYS_EXIT: QEMU ends. Without a debugger a board faults here and stays. */
static void leave(int status)
{
    register uint32_t operation __asm__("r0") = 0x18;
    register uint32_t reason __asm__("r1") = status == 0 ? 0x20026 : 0x20023;
    __asm__ volatile("bkpt 0xab" : : "r"(operation), "r"(reason) : "memory");
    for (;;)
        continue;
}

void fault(void)
{
    leave(1);
}

void reset(void)
{
    const uint32_t *from = data_from;
    for (uint32_t *to = data_start; to != data_end; to++)
        *to = *from++;
    for (uint32_t *to = bss_start; to != bss_end; to++)
        *to = 0;
    uart[UART_BAUDDIV] = 16;
    uart[UART_CTRL] = 1;
    leave(main());
}

struct vectors {
    uint32_t *stack_top;
    void (*handlers[6])(void);
};

__attribute__((section(".vectors"), used)) static const struct vectors vectors = {
    stack_top,
    { reset, fault, fault, fault, fault, fault },
};
