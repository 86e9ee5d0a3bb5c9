/* SPDX-License-Identifier: MIT
 *
 * usage: spawn TIMES COMMAND [ARGUMENT...]
 *
 * Runs a command so many times, and prints what a whole run of it took: the median of the
 * milliseconds from before the fork to after the wait, of the processor time, and of the largest
 * resident set.
 */
#define _DEFAULT_SOURCE /* wait4 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1000 };

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double milliseconds(struct timeval time) {
    return (double)time.tv_sec * 1e3 + (double)time.tv_usec / 1e3;
}

static _Noreturn void become(char **command) {
    int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    execvp(command[0], command);
    _exit(127);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_median(const char *name, double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, ascending);
    printf("%s %.9g\n", name, values[count / 2]);
}

int main(int argc, char **argv) {
    static double wall[MOST], cpu[MOST], rss[MOST];
    int times = argc > 2 ? atoi(argv[1]) : 0;
    if (times < 1 || times > MOST) {
        fprintf(stderr, "usage: spawn TIMES COMMAND [ARGUMENT...]\n");
        return 2;
    }
    for (int i = 0; i < times; i++) {
        int status;
        struct rusage used;
        double began = now_ms();
        pid_t child = fork();
        if (child == 0) become(argv + 2);
        if (child < 0 || wait4(child, &status, 0, &used) < 0 || status != 0) {
            fprintf(stderr, "spawn: %s failed\n", argv[2]);
            return 1;
        }
        wall[i] = now_ms() - began;
        cpu[i] = milliseconds(used.ru_utime) + milliseconds(used.ru_stime);
        rss[i] = (double)used.ru_maxrss / 1024;
    }
    print_median("wall_ms", wall, times);
    print_median("cpu_ms", cpu, times);
    print_median("rss_mb", rss, times);
    return 0;
}
