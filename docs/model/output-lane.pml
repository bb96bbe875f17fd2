/* A daemon's outputs to one subscriber while it moves, for spin. Outputs 1 and 2 were emitted by the source under epoch 1 and are not
 * acknowledged; the target emits output 3 under epoch 2. Each output carries as prev the one before it.
 *
 * The rule: what is unacknowledged (OutputLaneState) travels with the daemon, and the new owner sends it again. After Release the source
 * sends nothing, not even a repeat. What was on the wire when the source died is lost. */

#define LAST 3
#define bitOf(x) (1 << (x))

byte ofSource, ofTarget;                /* outputs on the wire, as sets; obeyed at any time, again and again */
bit released, taken, isGone, heal;
byte cursor, believedEpoch = 1;         /* the subscriber's */
bit skipped, staleBelieved;

#ifdef V_NO_PREV
#define follows(k) (cursor < k)
#else
#define follows(k) (cursor == k - 1)
#endif
#ifdef V_STALE_OWNER
#define isCurrent(e) true
#else
#define isCurrent(e) (believedEpoch <= e)
#endif

inline receive(k, e) {
    skipped = skipped || (cursor != k - 1); cursor = k; assert(!skipped);
    staleBelieved = staleBelieved || e < believedEpoch; believedEpoch = e; assert(!staleBelieved);
    printf("the subscriber gets output %d of epoch %d\n", k, e)
}

active proctype Source() {
end: do
:: d_step { !released && !(ofSource & bitOf(1)) -> ofSource = ofSource | bitOf(1) }
:: d_step { !released && !(ofSource & bitOf(2)) -> ofSource = ofSource | bitOf(2) }
:: d_step { !released -> released = 1 }
:: d_step { taken && !isGone && !heal -> isGone = 1; ofSource = 0; printf("the source is gone\n") }
od }

active proctype Target() {
end: do
:: d_step { released && !taken -> taken = 1 }
:: d_step { taken && !(ofTarget & bitOf(3)) -> ofTarget = ofTarget | bitOf(3) }
#ifndef V_OUTPUTS_STAY
:: d_step { taken && !(ofTarget & bitOf(1)) -> ofTarget = ofTarget | bitOf(1) }
:: d_step { taken && !(ofTarget & bitOf(2)) -> ofTarget = ofTarget | bitOf(2) }
#endif
od }

active proctype Subscriber() {
end: do
:: d_step { (ofSource & bitOf(1)) && isCurrent(1) && follows(1) -> receive(1, 1) }
:: d_step { (ofSource & bitOf(2)) && isCurrent(1) && follows(2) -> receive(2, 1) }
:: d_step { (ofTarget & bitOf(1)) && follows(1) -> receive(1, 2) }
:: d_step { (ofTarget & bitOf(2)) && follows(2) -> receive(2, 2) }
:: d_step { (ofTarget & bitOf(3)) && follows(3) -> receive(3, 2) }
od }

active proctype Monitor() {
    bit outputLost;
    heal = 1;
end:
    timeout -> outputLost = cursor != LAST; assert(!outputLost)
}
