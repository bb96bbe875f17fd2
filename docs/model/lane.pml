/* The lane between an emitter and the daemon: OwnershipMachine.admit on each node, and EmitterLane's belief. Included by hand-over.pml.
 *
 * Event e carries as prev the event before it, whatever its sequence is, so "prev is the cursor" reads e == cursor. Without BELIEF every
 * event may reach every node at any time, again and again: whatever an emitter believes, it does no more than that. With BELIEF events
 * reach only the believed node, and the question is whether the emitter always finds the owner. */

#define cursor(x) ((x) >= 4 -> 3 : ((x) >= 2 -> 2 : (x)))

#ifdef V_NO_PREV
#define follows(n, e) (e >= cursor(done[n]))
#else
#define follows(n, e) (e == cursor(done[n]))
#endif

#if BELIEF
byte believed, believedEpoch;           /* OwnerBelief: changed together */
byte delivered;                         /* events whose acknowledgement the emitter has heard */
byte redirected;                        /* attempts that were committed once: their Moved may be on the wire for ever */
/* One event is pipelined behind the one that waits. An owner of a lower epoch than the emitter's answers notHere. */
#define arrives(n, e) (believed == n && e <= delivered + 1 && believedEpoch <= owned[n])
#define DELIVERED (delivered == EVENTS)
#else
#define arrives(n, e) true
#define DELIVERED (accepted == ALL)
#endif

inline process(n, e) {
    processedTwice = processedTwice || (handled & bitOf(e)); handled = handled | bitOf(e);
    outOfOrder = outOfOrder || (~done[n] & (bitOf(e) - 1));
    done[n] = done[n] | bitOf(e);
    printf("node %d processes event %d\n", n, e)
}

/* Above the cursor and next: process and acknowledge, one step. At or below the cursor: acknowledge; a fenced or doubtful source too. */
#ifdef V_ACK_EARLY
#define LANE(n, e) \
:: d_step { owns(n) && arrives(n, e) && !(queued[n] & bitOf(e)) && e == cursor(done[n] | queued[n]) -> \
       queued[n] = queued[n] | bitOf(e); accepted = accepted | bitOf(e); check() } \
:: d_step { owns(n) && (queued[n] & bitOf(e)) && e == cursor(done[n]) -> queued[n] = queued[n] & ~bitOf(e); process(n, e); check() }
#else
#define LANE(n, e) \
:: d_step { owns(n) && arrives(n, e) && follows(n, e) -> process(n, e); accepted = accepted | bitOf(e); check() }
#endif

proctype Lane(byte n) {
end: do
LANE(n, 0)
#if EVENTS > 1
LANE(n, 1)
#endif
#if EVENTS > 2
LANE(n, 2)
#endif
od }

#if BELIEF
inline believe(n, e) { believed = n; believedEpoch = e; printf("the emitter believes in node %d at epoch %d\n", n, e) }

#define REDIRECT(m) \
:: d_step { (source[m] == S_committed || source[m] == S_done) && !(redirected & bitOf(m)) -> redirected = redirected | bitOf(m) } \
:: d_step { (redirected & bitOf(m)) && epoch[m] > believedEpoch -> believe(to[m], epoch[m]) }
#ifdef V_MOVED_AT_FENCE
#define EARLY(m) \
:: d_step { source[m] == S_streaming && believed == from[m] && epoch[m] > believedEpoch -> believe(to[m], epoch[m]) }
#else
#define EARLY(m)
#endif

/* An answer counts when it is of the believed pair, or of a higher epoch: from the believed node at any time, from others after notHere
 * or silence, which may be at any time as well. */
#ifdef V_BELIEVE_EPOCH_ONLY
#define ANSWER(n) :: d_step { owns(n) && owned[n] > believedEpoch -> believedEpoch = owned[n] }
#else
#define ANSWER(n) :: d_step { owns(n) && owned[n] > believedEpoch && ASKED(n) -> believe(n, owned[n]) }
#endif
#ifdef V_NO_DISCOVERY
#define ASKED(n) (believed == n)
#else
#define ASKED(n) true
#endif
#define ACKNOWLEDGED(n) \
:: d_step { standing[n] && standing[n] != N_moved && believed == n && owned[n] == believedEpoch && \
       delivered < EVENTS && (done[n] & bitOf(delivered)) -> delivered++ }

proctype Emitter() {
end: do
REDIRECT(0) EARLY(0)
#if ATTEMPTS > 1
REDIRECT(1) EARLY(1)
#endif
ANSWER(0) ANSWER(1) ACKNOWLEDGED(0) ACKNOWLEDGED(1)
#if NODES == 3
ANSWER(2) ACKNOWLEDGED(2)
#endif
od }
#endif
