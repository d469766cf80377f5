/* SPDX-License-Identifier: Apache-2.0 */
/* Between picolibc's start-up code and main() (linked with --wrap=main): the arguments of
 * -semihosting-config arg=..., which picolibc leaves out. */
#include <stdint.h>
#include <string.h>

#define SYS_GET_CMDLINE 0x15
#define MAX_ARGS        12

int __real_main(int argc, char **argv);
int __wrap_main(void);

static intptr_t semihost(intptr_t operation, const void *argument)
{
    register intptr_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;
    /* Three instructions on one page, all uncompressed: that is how the call is known. */
    __asm__ volatile(".balign 16\n.option push\n.option norvc\n"
                     "slli x0, x0, 0x1f\nebreak\nsrai x0, x0, 7\n.option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}

int __wrap_main(void)
{
    static char line[1024];
    static char *argv[MAX_ARGS + 1];
    struct {
        char *text;
        uintptr_t n;
    } block = { line, sizeof line };
    semihost(SYS_GET_CMDLINE, &block);
    int argc = 0;
    for (char *word = strtok(line, " "); word && argc < MAX_ARGS; word = strtok(NULL, " "))
        argv[argc++] = word;
    return __real_main(argc, argv);
}
