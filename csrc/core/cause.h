/* SPDX-License-Identifier: MIT
 *
 * On whose account a service was asked to stop, or was started again: told by the id of whoever
 * caused it, none for nobody in the tree.
 *
 * A service remembers only in which direction its cause lies; the id stands where it is shared: of
 * a group's restart and of an end by itself in the supervisor, of a call by a service, or of a
 * failed sibling that was named in `after`, in the options. An id may outlive its service, which is
 * harmless: whoever wants to tell of such a one has kept its path (sut_service.blamed).
 *
 * The cause is always whose own end began it, through however many supervisors that has gone: a
 * supervisor that ended because of a child is not to blame itself.
 */
#ifndef SUT_CORE_CAUSE_H
#define SUT_CORE_CAUSE_H

#include "core/service.h"

/* On whose account the latest stop or restart of the service was. */
struct sut_id sut_service_cause(const struct sut_service *service);

/* The same for a supervisor: of its present life, or of its end once it stops. */
struct sut_id sut_supervisor_cause(const struct sut_supervisor *sup);

/* What an event that is being emitted says of that: none at a first start, which nobody caused. */
struct sut_id sut_event_cause(const struct sut_supervisor *sup, const struct sut_service *service,
                              enum sut_event_type type);

/* Names whose end the end of the service is: itself, or who ended the supervisor in its place.
 * Whoever that is, is marked as blamed. */
struct sut_id sut_service_blame(const struct sut_service *service);

/* What was wished before is not to be changed by a later wish, of a service that stops: to forget
 * sticks, to retire almost, and one that restarts with its group does not restart alone. */
bool sut_service_insists(const struct sut_service *service, enum sut_after after);

/* True when a stop changes what becomes of the service, so that its cause is the one of the stop.
 */
bool sut_service_heeds(const struct sut_service *service, enum sut_after after);

/* A stop on purpose, on the account of `by`: of a service when it has options, else of nobody.
 * Events reserved; cannot fail. */
void sut_service_request(struct sut_service *service, enum sut_after after, struct sut_id by);

#endif
