/* SPDX-License-Identifier: Apache-2.0 */
/* LD_PRELOAD library for the real daemon: counts its allocations, or its calls that open, write and
 * sync files, and makes one of them fail.
 *   MW_FAULT_KIND   "memory" or "disk"
 *   MW_FAULT_AT     number of the call that fails, from 1; 0: none
 *   MW_FAULT_FILE   the number of calls is written here at the end, as text
 * A process that dies says where, on standard error. Where the allocation that fails is Paho's own,
 * or made for it by the C library, MW_FAULT_FILE with ".paho" behind it is made first: 1.3.12 uses
 * some without a look. Those of libseccomp are neither counted nor made to fail: it leaves a rule
 * out then, and does not say so. glibc only: its own names for the allocator need no look-up, which
 * would itself allocate. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

typedef ssize_t write_at(int fd, const void *bytes, size_t n, off_t at);
typedef int sync_one(int fd);
typedef int cut_one(int fd, off_t size);
typedef int open_one(const char *path, int flags, ...);
typedef int open_in(int folder, const char *path, int flags, ...);

static struct {
    bool memory, disk;
    long fail_at;
    char file[256], paho_file[272];
    struct part {
        uintptr_t begin, end;
    } paho, seccomp;
    write_at *pwrite;
    sync_one *fsync, *fdatasync;
    cut_one *ftruncate;
    open_one *open;
    open_in *openat;
} shim;

static _Atomic long n_calls;

static void find(const char *name, void *ret_function)
{
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(ret_function, &found, sizeof found);
}

static struct part code_of(const struct dl_phdr_info *info)
{
    struct part code = { 0, 0 };
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        code.begin = info->dlpi_addr + part->p_vaddr;
        code.end = code.begin + part->p_memsz;
    }
    return code;
}

static int find_libraries(struct dl_phdr_info *info, size_t n, void *ctx)
{
    (void)n, (void)ctx;
    if (strstr(info->dlpi_name, "libpaho-mqtt"))
        shim.paho = code_of(info);
    if (strstr(info->dlpi_name, "libseccomp"))
        shim.seccomp = code_of(info);
    return 0;
}

static bool within(const struct part *code, const void *address)
{
    return (uintptr_t)address >= code->begin && (uintptr_t)address < code->end;
}

static void die(int number)
{
    void *frames[32];
    shim.memory = shim.disk = false;
    backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
    signal(number, SIG_DFL);
    raise(number);
}

__attribute__((constructor)) static void begin(void)
{
    void *frame[1];
    backtrace(frame, 1); /* loads what it needs now and not in the handler */
    signal(SIGSEGV, die);
    signal(SIGABRT, die);
    signal(SIGBUS, die);
    const char *kind = getenv("MW_FAULT_KIND"), *at = getenv("MW_FAULT_AT");
    const char *file = getenv("MW_FAULT_FILE");
    find("pwrite", &shim.pwrite);
    find("fsync", &shim.fsync);
    find("fdatasync", &shim.fdatasync);
    find("ftruncate", &shim.ftruncate);
    find("open", &shim.open);
    find("openat", &shim.openat);
    snprintf(shim.file, sizeof shim.file, "%s", file ? file : "");
    snprintf(shim.paho_file, sizeof shim.paho_file, "%s.paho", shim.file);
    dl_iterate_phdr(find_libraries, NULL);
    shim.fail_at = at ? strtol(at, NULL, 10) : 0;
    shim.memory = kind && strcmp(kind, "memory") == 0;
    shim.disk = kind && strcmp(kind, "disk") == 0;
}

__attribute__((destructor)) static void end(void)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", (long)n_calls);
    shim.memory = shim.disk = false;
    int fd = shim.file[0] ? shim.open(shim.file, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
    if (fd < 0)
        return;
    if (write(fd, text, (size_t)n) != n)
        abort();
    close(fd);
}

static bool fails(bool counted, int error)
{
    if (!counted || atomic_fetch_add(&n_calls, 1) + 1 != shim.fail_at)
        return false;
    errno = error;
    return true;
}

static bool for_paho(void)
{
    void *frames[32];
    int n = backtrace(frames, 32);
    for (int i = 0; i < n; i++)
        if (within(&shim.paho, frames[i]))
            return true;
    return false;
}

static bool memory_fails(const void *caller)
{
    if (within(&shim.seccomp, caller) || !fails(shim.memory, ENOMEM))
        return false;
    if (for_paho())
        close(shim.open(shim.paho_file, O_WRONLY | O_CREAT, 0600));
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    return memory_fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return memory_fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return memory_fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    return fails(shim.disk, EIO) ? -1 : shim.pwrite(fd, bytes, n, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
    return pwrite(fd, bytes, n, at);
}

int fsync(int fd)
{
    return fails(shim.disk, EIO) ? -1 : shim.fsync(fd);
}

int fdatasync(int fd)
{
    return fails(shim.disk, EIO) ? -1 : shim.fdatasync(fd);
}

int ftruncate(int fd, off_t size)
{
    return fails(shim.disk, EIO) ? -1 : shim.ftruncate(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

static mode_t mode_of(int flags, va_list list)
{
    return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(list, int) : 0;
}

#define WITH_MODE(flags, call)          \
    va_list list;                       \
    va_start(list, flags);              \
    mode_t mode = mode_of(flags, list); \
    va_end(list);                       \
    return fails(shim.disk, EMFILE) ? -1 : (call)

int open(const char *path, int flags, ...)
{
    WITH_MODE(flags, shim.open(path, flags, mode));
}

int open64(const char *path, int flags, ...)
{
    WITH_MODE(flags, shim.open(path, flags, mode));
}

int openat(int folder, const char *path, int flags, ...)
{
    WITH_MODE(flags, shim.openat(folder, path, flags, mode));
}

int openat64(int folder, const char *path, int flags, ...)
{
    WITH_MODE(flags, shim.openat(folder, path, flags, mode));
}
