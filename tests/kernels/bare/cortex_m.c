/* SPDX-License-Identifier: Apache-2.0 */
/* A bare Cortex-M under QEMU up to main(), with the arguments of -semihosting-config arg=... */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern uint32_t bare_stack_top[], bare_bss[], bare_bss_end[];
extern const uint32_t bare_data_from[];
extern uint32_t bare_data[], bare_data_end[];

void initialise_monitor_handles(void); /* newlib's librdimon */
int main(int argc, char **argv);
void bare_start(void);
void bare_fault(void);

#define SYS_GET_CMDLINE 0x15
#define SYS_EXIT        0x18
#define MAX_ARGS        12

static uint32_t semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void bare_fault(void)
{
    semihost(SYS_EXIT, (const void *)0x20023); /* a run-time error: status 1 */
    for (;;)
        continue;
}

/* Words between spaces; no quoting. */
static int split(char *line, char **argv)
{
    int argc = 0;
    for (char *word = strtok(line, " "); word && argc < MAX_ARGS; word = strtok(NULL, " "))
        argv[argc++] = word;
    return argc;
}

void bare_start(void)
{
    memcpy(bare_data, bare_data_from, (size_t)((char *)bare_data_end - (char *)bare_data));
    memset(bare_bss, 0, (size_t)((char *)bare_bss_end - (char *)bare_bss));
#ifdef __ARM_FEATURE_MVE
    *(volatile uint32_t *)0xe000ed88 |= 0xfU << 20; /* CPACR: floating point and MVE */
    __asm__ volatile("dsb\n isb");
    *(volatile uint32_t *)0xe000ed14 |= 1U << 19; /* CCR.LOB: low-overhead branches */
#endif
    initialise_monitor_handles();
    static char line[1024];
    static char *argv[MAX_ARGS + 1];
    struct {
        char *text;
        uint32_t n;
    } block = { line, sizeof line };
    semihost(SYS_GET_CMDLINE, &block);
    exit(main(split(line, argv), argv));
}

struct vectors {
    uint32_t *stack_top;
    void (*handlers[15])(void);
};

#define FAULT_4 bare_fault, bare_fault, bare_fault, bare_fault

__attribute__((section(".vectors"), used)) static const struct vectors vectors = {
    .stack_top = bare_stack_top,
    .handlers = { bare_start, bare_fault, bare_fault, FAULT_4, FAULT_4, FAULT_4 },
};
