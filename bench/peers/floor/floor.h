/* SPDX-License-Identifier: MIT
 *
 * The C floor of the race: what a programmer in C gets from lua_newthread, lua_resume and a ring as
 * run queue, with bare structs. There are no policies, no tokens, no paths, no contexts and no
 * limits: what ends is told to one hook and started again, in a new thread, at the end of the ring.
 *
 * Of the memory and time that a supervisor in Lua takes, this much cannot be saved.
 */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

/* The stack of the main thread: tables by position, from `floor_open` on. */
enum { FLOOR_THREADS = 1, FLOOR_BODIES = 2 };

struct supervisor;

/* In its supervisor's list, in the order of adding. */
struct node {
    struct node *before;
    struct node *behind;
    struct supervisor *above;
    int is_supervisor;
};

struct supervisor {
    struct node node;
    struct node *first;
    struct node *last;
    char name[];
};

struct service {
    struct node node;
    lua_State *co;
    int slot;  /* in the table of threads */
    int body;  /* on the stack of the main thread */
    int given; /* values on the stack of `co` for its next resume */
    int stopping;
    char name[];
};

/* ring.c: the services that are ready to run, first in, first out. */
void ring_push(struct service *service);
struct service *ring_pop(void); /* NULL: nobody is ready */

/* heap.c: the services that sleep, by the time at which they are due. */
void heap_push(int64_t due_ns, struct service *service);
int heap_first(int64_t *due_ns); /* 0: nobody sleeps */
struct service *heap_pop(void);

/* floor.c */
int64_t floor_now_ns(void);
void floor_open(const char *bodies);
int floor_body(const char *name); /* its place on the stack, for `floor_add` and `floor_hook` */
void floor_hook(const char *name);
double floor_call(const char *name, double argument); /* a function among the bodies */
struct supervisor *floor_supervisor(struct supervisor *above, const char *name);
struct service *floor_add(struct supervisor *above, int body, const char *name);
void floor_known(struct service *service); /* to be posted to by its name */
void floor_stop(struct supervisor *supervisor);
void floor_settle(void);                   /* runs what is ready, until nobody is */
void floor_run_until(int64_t deadline_ns); /* and sleeps when nobody is */
void floor_collect(void);
double floor_lua_bytes(void);

#endif
