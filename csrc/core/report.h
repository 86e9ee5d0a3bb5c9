/* SPDX-License-Identifier: MIT
 *
 * The report of a stop: every service of the subtree that did not stop in its time during it, and
 * those that were removed before and still live. The leaf that hangs is named, never the supervisor
 * above it.
 */
#ifndef SUT_CORE_REPORT_H
#define SUT_CORE_REPORT_H

#include "core/supervisor.h"

enum sut_verdict_of_stop {
    SUT_REPORT_NOT,    /* it stopped in time, or overran in another stop */
    SUT_REPORT_KILLED, /* it was closed by force */
    SUT_REPORT_ALIVE   /* it was left alone, and lived when its time had passed */
};

/* What the report of the latest stop of `top` says of one service below it. */
enum sut_verdict_of_stop sut_report_verdict(const struct sut_supervisor *top,
                                            const struct sut_service *service);

/* True while a forgotten service must be kept as a ghost: it overran its time in the stop of that
 * number or a later one, or, of a child supervisor, something below it did so or still lives. */
bool sut_report_keeps(const struct sut_service *service, uint32_t stop_number);

/* Writes the ids of the services of the report, at most `size`, in start order, ghosts of a
 * supervisor after its children; returns how many there are. After a stop in which all was in
 * time, nothing is gone through. Cannot fail. */
uint32_t sut_report_collect(const struct sut_supervisor *top, struct sut_id *ids, uint32_t size);

#endif
