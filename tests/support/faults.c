/* Faults of the system, put between a process and libc by LD_PRELOAD.
 *
 * FAULT_FSYNC names a file: while it exists, fdatasync of a segment of the journal fails with EIO.
 * FAULT_CLOCK names a file with a number of seconds that is added to the wall clock, read anew at
 * each look at the clock; without the file the clock is right.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int is_segment(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return strstr(path, ".journal") != NULL;
}

int fdatasync(int fd) {
    const char *flag = getenv("FAULT_FSYNC");
    if (flag && access(flag, F_OK) == 0 && is_segment(fd)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static long shift(void) {
    const char *name = getenv("FAULT_CLOCK");
    if (!name) return 0;
    int kept = errno, fd = open(name, O_RDONLY | O_CLOEXEC);
    char text[32] = {0};
    if (fd >= 0) {
        if (read(fd, text, sizeof text - 1) < 0) text[0] = 0;
        close(fd);
    }
    errno = kept;
    return atol(text);
}

int clock_gettime(clockid_t id, struct timespec *at) {
    int failed = (int)syscall(SYS_clock_gettime, id, at);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += shift();
    return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
    at->tv_sec = exact.tv_sec;
    at->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (at) *at = exact.tv_sec;
    return exact.tv_sec;
}
