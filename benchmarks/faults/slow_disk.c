/* Preloaded, it makes a disk slow: every write to a regular file waits, every sync waits longer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

static void wait_for(int fd, const char *variable) {
    struct stat found;
    const char *milliseconds = getenv(variable);
    if (milliseconds == NULL || fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) return;
    long left = atol(milliseconds);
    struct timespec pause = {left / 1000, left % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

#define SLOW(result, name, variable, parameters, ...)                        \
    result name parameters {                                                 \
        static result(*real) parameters;                                     \
        if (real == NULL) real = (result(*) parameters)dlsym(RTLD_NEXT, #name); \
        wait_for(fd, variable);                                              \
        return real(__VA_ARGS__);                                            \
    }

SLOW(ssize_t, write, "SLOW_WRITE_MS", (int fd, const void *data, size_t size), fd, data, size)
SLOW(ssize_t, writev, "SLOW_WRITE_MS", (int fd, const struct iovec *parts, int count), fd, parts, count)
SLOW(ssize_t, pwrite, "SLOW_WRITE_MS", (int fd, const void *data, size_t size, off_t at), fd, data, size, at)
SLOW(ssize_t, pwrite64, "SLOW_WRITE_MS", (int fd, const void *data, size_t size, off64_t at), fd, data, size, at)
SLOW(int, fsync, "SLOW_SYNC_MS", (int fd), fd)
SLOW(int, fdatasync, "SLOW_SYNC_MS", (int fd), fd)
