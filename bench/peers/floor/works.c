/* SPDX-License-Identifier: MIT
 *
 * usage: floor WORK N [SERVICES]
 *
 * The works of the race on the C floor, as bench/peers/works.lua has them for contestants in Lua;
 * see there for what each of them is. Times are processor time.
 */
#include "floor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)

static double cpu(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static double resident(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1) abort();
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void figure(const char *name, double value) { printf("%s %.9g\n", name, value); }

static void expect(const char *what, double had, double wanted) {
    if (had == wanted) return;
    fprintf(stderr, "floor: %s: %.0f, not %.0f\n", what, had, wanted);
    exit(1);
}

static struct supervisor *crowd(int n, const char *body) {
    struct supervisor *root = floor_supervisor(NULL, "bench");
    int place = floor_body(body);
    char name[32];
    for (int i = 1; i <= n; i++) {
        snprintf(name, sizeof name, "service-%d", i);
        floor_add(root, place, name);
    }
    return root;
}

/* n idle services, all of which have begun to wait. */
static struct supervisor *idle_crowd(int n) {
    floor_call("begin", 0);
    struct supervisor *root = crowd(n, "idle");
    floor_settle();
    expect("services begun", floor_call("ended", 0), n);
    return root;
}

static void add(int n, int services) {
    (void)services;
    floor_stop(idle_crowd(1000));
    floor_collect();
    double began = cpu();
    idle_crowd(n);
    figure("per_second", n / (cpu() - began));
}

static void bytes(int n, int services) {
    (void)services;
    floor_collect();
    double before = resident();
    double counted = floor_lua_bytes();
    idle_crowd(n);
    floor_collect();
    figure("bytes", (resident() - before) / n);
    figure("lua_bytes", (floor_lua_bytes() - counted) / n);
}

static void stop(int n, int services) {
    (void)services;
    floor_stop(idle_crowd(1000));
    struct supervisor *root = idle_crowd(n);
    floor_collect();
    double began = cpu();
    floor_stop(root);
    figure("per_second", n / (cpu() - began));
}

/* Runs services until they have ended n times together, and gives the seconds. */
static double ends(int n, int services, const char *body) {
    floor_call("begin", n);
    double began = cpu();
    struct supervisor *root = crowd(services, body);
    floor_settle();
    double took = cpu() - began;
    expect("ends told", floor_call("ended", 0), n);
    floor_stop(root);
    return took;
}

static void panic(int n, int services) {
    floor_hook("panic_hook");
    ends(services + 1000, services, "panics");
    figure("per_second", n / ends(n, services, "panics"));
}

static void plain_end(int n, int services) {
    floor_hook("end_hook");
    ends(1000, services, "returns");
    figure("per_second", n / ends(n, services, "returns"));
}

/* ---- trees ---- */

static int leaf; /* what leaves run */

static void grow_chain(struct supervisor *root, int levels) {
    char name[32];
    for (int i = 1; i <= levels; i++) {
        snprintf(name, sizeof name, "level-%d", i);
        root = floor_supervisor(root, name);
    }
    floor_add(root, leaf, "below");
}

/* Three children for each supervisor down to the last level, which has services. */
static void grow_wide(struct supervisor *above, int levels) {
    char name[32];
    struct supervisor *made = floor_supervisor(above, "child");
    for (int i = 1; i <= 3; i++) {
        snprintf(name, sizeof name, "child-%d", i);
        if (levels > 2)
            grow_wide(made, levels - 1);
        else
            floor_add(made, leaf, name);
    }
}

static void plant(int n, int leaves, void (*grow)(struct supervisor *, int), double *took) {
    floor_collect();
    floor_call("begin", 0);
    double began = cpu();
    struct supervisor *root = floor_supervisor(NULL, "bench");
    grow(root, n);
    floor_settle();
    double standing = cpu();
    expect("leaves begun", floor_call("ended", 0), leaves);
    double stopping = cpu();
    floor_stop(root);
    took[0] += standing - began;
    took[1] += cpu() - stopping;
}

static void trees(int n, int leaves, void (*grow)(struct supervisor *, int)) {
    enum { TIMES = 5 };
    double took[2] = {0, 0};
    leaf = floor_body("idle");
    plant(n, leaves, grow, took);
    took[0] = took[1] = 0;
    for (int i = 0; i < TIMES; i++)
        plant(n, leaves, grow, took);
    figure("start_ms", took[0] / TIMES * 1e3);
    figure("stop_ms", took[1] / TIMES * 1e3);
}

static void chain(int n, int services) {
    (void)services;
    trees(n, 1, grow_chain);
}

static void wide(int n, int services) {
    (void)services;
    int leaves = 1;
    for (int level = 1; level < n; level++)
        leaves *= 3;
    trees(n, leaves, grow_wide);
}

/* ---- time, and giving way ---- */

static void sleepers(int n, int services) {
    (void)services;
    enum { MEASURED = 16 };
    struct supervisor *root = floor_supervisor(NULL, "bench");
    int sleeper = floor_body("sleeper");
    int measured = floor_body("measured");
    char name[32];
    floor_call("begin", 0);
    for (int i = 1; i <= n; i++) {
        snprintf(name, sizeof name, "service-%d", i);
        floor_add(root, i % MEASURED == 0 ? measured : sleeper, name);
    }
    floor_run_until(floor_now_ns() + SECOND_NS / 2);
    floor_call("begin", 0);
    int64_t began_ns = floor_now_ns();
    double began = cpu();
    floor_run_until(began_ns + 5 * SECOND_NS);
    double took = (double)(floor_now_ns() - began_ns) / 1e9;
    double used = cpu() - began;
    double wakeups = floor_call("wakeups", 0);
    figure("per_second", wakeups / (took < used ? took : used));
    figure("cpu_us", used / wakeups * 1e6);
    figure("p99_ms", floor_call("lateness", 0) * 1e3);
}

static double play(int n) {
    struct supervisor *root = floor_supervisor(NULL, "bench");
    floor_call("begin", n);
    double began = cpu();
    floor_known(floor_add(root, floor_body("pong"), "pong"));
    floor_known(floor_add(root, floor_body("ping"), "ping"));
    floor_settle();
    double took = cpu() - began;
    expect("times there and back", floor_call("ended", 0), n);
    floor_stop(root);
    return took;
}

static void pingpong(int n, int services) {
    (void)services;
    play(1000);
    figure("per_second", n / play(n));
}

static double give_way(int each, int services) {
    floor_call("begin", each);
    double began = cpu();
    struct supervisor *root = crowd(services, "yields");
    floor_settle();
    double took = cpu() - began;
    expect("services ended", floor_call("ended", 0), services);
    floor_stop(root);
    return took;
}

static void yield(int n, int services) {
    give_way(100, services);
    figure("per_second", n / give_way(n / services, services));
}

static void idle(int n, int services) {
    (void)services;
    idle_crowd(n);
    floor_run_until(floor_now_ns() + SECOND_NS / 10);
    double began = cpu();
    floor_run_until(floor_now_ns() + 5 * SECOND_NS);
    figure("cpu_ms", (cpu() - began) * 1e3);
}

static void cold(int n, int services) {
    (void)n;
    (void)services;
    idle_crowd(1);
    figure("rss_mb", resident() / (1024 * 1024));
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*work)(int n, int services);
    } works[] = {
        {"add", add},     {"bytes", bytes},         {"stop", stop},
        {"panic", panic}, {"plain-end", plain_end}, {"chain", chain},
        {"wide", wide},   {"sleepers", sleepers},   {"pingpong", pingpong},
        {"yield", yield}, {"idle", idle},           {"cold", cold},
    };
    floor_open("bench/peers/floor/bodies.lua");
    for (size_t i = 0; argc > 2 && i < sizeof works / sizeof *works; i++)
        if (strcmp(works[i].name, argv[1]) == 0) {
            works[i].work(atoi(argv[2]), argc > 3 ? atoi(argv[3]) : 1);
            fflush(stdout);
            _exit(0); /* neither garbage nor services are any part of the work */
        }
    fprintf(stderr, "usage: floor WORK N [SERVICES]\n");
    return 2;
}
