/* The hand-over of one daemon, Ferry profile, for spin. README.md says what is checked, with which bounds, and what is left out.
 *
 * Names are those of the code. A state carries an initial: S_ SourceMachine, T_ TargetMachine, O_ OrchestratorMachine, N_ the standing of a
 * node's OwnershipMachine. Messages are the cases of FerryMessage.Body. States that only wait for the host or for the journal are part of
 * the step that they belong to: describing is part of offered; fencing and opening of streaming; restored of restoring; releasing,
 * committing, taking, preparing and resuming of what follows them.
 *
 * Network: what was sent stays on the wire and may be obeyed at any later time, in any order, any number of times or never, until the
 * session dies with one of its nodes: what arrives from a dead node's last session might as well have arrived just before it died, and
 * nothing arrives at its next boot. Unknown of a new boot needs no place on the wire: once true it stays true.
 *
 * Each V_ flag leaves out or bends one rule, each M_ flag mends one: the tables in README.md list them with what breaks. */

#ifndef NODES
#define NODES 2
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 2
#endif
#ifndef EVENTS
#define EVENTS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef JOURNAL
#define JOURNAL 0       /* bit n: node n has a journal, and survives a crash with it */
#endif
#ifndef LIVE
#define LIVE 0          /* 0: stop-and-copy, fenced before the snapshot; 1: serves while the state streams, fenced at Release */
#endif
#ifndef GATE
#define GATE 1          /* 1: the target is active from ActivateTarget (TakeAck) on; 0: from its own ActivateAck (Take) on */
#endif
#ifndef BELIEF
#define BELIEF 0        /* 0: events reach any node at any time; 1: the emitter follows its belief (owner, epoch) */
#endif
#ifndef ORCHESTRATOR
#define ORCHESTRATOR 0  /* 0: planning and order are one step; 1: OrchestratorMachine plans, orders, aborts and hears of the end */
#endif
#ifndef AGAIN
#define AGAIN 0         /* of so many attempts the order may be given again, once their orchestrator has crashed */
#endif
#ifndef WITHDRAWALS
#define WITHDRAWALS 0   /* 1: an operator may let the daemon go at a target in doubt */
#endif

mtype = { N_active, N_fenced, N_inDoubt, N_moved };                                 /* OwnershipStanding; 0: no machine */
mtype = { S_offered, S_streaming, S_released, S_committed, S_done, S_abandoned, S_declined, S_forgotten, S_closed };
mtype = { T_reserved, T_restoring, T_prepared, T_took, T_active, T_refused, T_forgotten, T_closed };
mtype = { O_planningSource, O_planningTarget, O_ordering, O_moving, O_orphaned, O_confirming,
    O_completed, O_rolledBack, O_declined, O_forgotten, O_gone };

/* Source and target. */
#define SnapshotReady   1
#define RestoreComplete 2       /* and ReplayComplete */
#define Release         4
#define Prepared        8
#define CutoverNotify   16      /* Commit */
#define ActivateAck     32      /* Take */
#define ActivateTarget  64      /* TakeAck */
#define Abort           128     /* the source's word; also its statusReply(abandoned) */
#define Refused         256     /* also the target's statusReply(abandoned) */
short wire[ATTEMPTS];

mtype source[ATTEMPTS], target[ATTEMPTS];
byte from[ATTEMPTS], to[ATTEMPTS];      /* the order's nodes */
byte epoch[ATTEMPTS];                   /* what the attempt burns */
byte frozen[ATTEMPTS], copy[ATTEMPTS];  /* events in the source's frozen state, and in the target's restored one */
byte started;
#if WITHDRAWALS
bit withdrawal[ATTEMPTS];               /* the target has taken its take back: still T_took, with the copy on standby */
#define isWithdrawn(m) withdrawal[m]
#define standWithdrawn(m, is) withdrawal[m] = is
#else
#define isWithdrawn(m) false
#define standWithdrawn(m, is) skip
#endif

mtype standing[NODES];
byte owned[NODES], burnt[NODES];        /* the epoch owned, and the highest that any attempt here has burnt */
byte done[NODES];                       /* events in the daemon's state: the lane's cursor, as a set */
byte holder[NODES];                     /* 1 + the attempt that holds the daemon: activeMigration */
byte stub[NODES];                       /* the attempt whose Moved the node keeps */

byte accepted;                          /* events acknowledged by an owner, ever */
byte handled;                           /* events processed with effects, ever */
byte crashes;
bit heal;                               /* from here on nobody crashes, cancels or refuses without need */
bit mayBeLost;                          /* the daemon's only node has crashed without a journal */
#ifdef V_ACK_EARLY
byte queued[NODES];
#endif
#ifdef V_REUSE_MID
bit reused[ATTEMPTS];
#endif

/* What must never be: one variable each, so that a counterexample names what it breaks. */
bit twoOwners, acceptedLost, processedTwice, outOfOrder, epochReused, epochFell;
byte signed_, highest;                  /* epochs of signed releases, as a set; the highest epoch ever owned */

#define bitOf(x) (1 << (x))
#define ALL (bitOf(EVENTS) - 1)
#define sent(m, message) (wire[m] & (message))
#define owns(n) (standing[n] == N_active)
#if NODES == 2
#define OWNERS (owns(0) + owns(1))
#define LACKS(n) (owns(n) && (accepted & ~(done[n] QUEUED(n))))
#define LOSES (LACKS(0) || LACKS(1))
#else
#define OWNERS (owns(0) + owns(1) + owns(2))
#define LACKS(n) (owns(n) && (accepted & ~(done[n] QUEUED(n))))
#define LOSES (LACKS(0) || LACKS(1) || LACKS(2))
#endif
#ifdef V_ACK_EARLY
#define QUEUED(n) | queued[n]
#else
#define QUEUED(n)
#endif

inline check() {
    twoOwners = twoOwners || (OWNERS > 1);      assert(!twoOwners);             /* S1 */
    acceptedLost = acceptedLost || LOSES;       assert(!acceptedLost);          /* S2 */
    assert(!processedTwice);                                                    /* S3 */
    assert(!outOfOrder);                                                        /* S4 */
    assert(!epochReused);                                                       /* S5 */
    assert(!epochFell)                                                          /* S5 */
}

#define sourceEnded(m) (source[m] == S_done || source[m] == S_abandoned || source[m] == S_declined || hasForgotten(m))
#define hasForgotten(m) (source[m] == S_forgotten || source[m] == S_closed)
#define targetEnded(m) (target[m] == T_active || target[m] == T_refused || target[m] == T_forgotten || target[m] == T_closed)

#if ORCHESTRATOR
#include "orchestrator.pml"
#else
#define tellFailed(m) skip
#define tellComplete(m) skip
#define tellProgress(m) skip
#define tellActive(m) skip
#define askAgain(m, n) skip
#define setsEpoch(m, is) skip
#define knowsNothing(m) (source[m] == S_forgotten)
#endif

/* --- what is on the wire --------------------------------------------------------------------------------------------------------- */

inline send(m, message) {
    wire[m] = wire[m] | (message);
    printf("attempt %d: source %e, target %e\n", m, source[m], target[m])
}

/* The session between source and target died: what was under way is gone, each side repeats what its state has unanswered. */
inline reconnect(m) {
    wire[m] = 0;
    if
    :: source[m] == S_streaming -> wire[m] = SnapshotReady
    :: source[m] == S_released -> wire[m] = Release
    :: source[m] == S_committed -> wire[m] = CutoverNotify
    :: source[m] == S_done -> wire[m] = ActivateTarget
    :: source[m] == S_abandoned -> wire[m] = Abort
    :: else
    fi;
    if
    :: target[m] == T_restoring -> wire[m] = wire[m] | RestoreComplete
    :: target[m] == T_prepared -> wire[m] = wire[m] | Prepared
    :: target[m] == T_took && !isWithdrawn(m) || target[m] == T_active -> wire[m] = wire[m] | ActivateAck
    :: target[m] == T_took && isWithdrawn(m) || target[m] == T_refused -> wire[m] = wire[m] | Refused
    :: else
    fi
}

/* --- OwnershipMachine ------------------------------------------------------------------------------------------------------------ */

#ifdef V_NOBURN
#define burn(n, e) skip
#else
#define burn(n, e) burnt[n] = e
#endif
inline own(n, state, e) {
    standing[n] = N_active; done[n] = state; holder[n] = 0; stub[n] = 0;
    epochFell = epochFell || e <= highest; highest = e;
    owned[n] = e; burnt[n] = e
}
#define holds(m) (holder[from[m]] == m + 1)

/* --- SourceMachine --------------------------------------------------------------------------------------------------------------- */

#ifdef V_NOBURN
#define NEXT_EPOCH(n) (owned[n] + 1)
#else
#define NEXT_EPOCH(n) (burnt[n] + 1)
#endif
#ifdef V_CONCURRENT
#define isFree(n) true
#define mayFence(m) true
#else
#define isFree(n) (holder[n] == 0)
#define mayFence(m) (owns(from[m]) && epoch[m] > burnt[from[m]])
#endif
#ifdef V_EPOCH_UNCHECKED
#undef mayFence
#define mayFence(m) owns(from[m])
#endif

inline fence(m) { standing[from[m]] = N_fenced; burn(from[m], epoch[m]) }
/* takeSnapshot is obeyed. */
inline begin(m) {
    source[m] = S_streaming; holder[from[m]] = m + 1; frozen[m] = done[from[m]];
#if !LIVE
    fence(m);
#endif
    tellProgress(m); send(m, SnapshotReady)
}
inline order(m, a, b) { started++; from[m] = a; to[m] = b; epoch[m] = NEXT_EPOCH(a); begin(m) }

inline resume(m) {
    if :: holds(m) && standing[from[m]] == N_fenced -> standing[from[m]] = N_active :: else fi;
    if :: holds(m) -> holder[from[m]] = 0 :: else fi
}
inline abandon(m) { source[m] = S_abandoned; resume(m); tellFailed(m); send(m, Abort); check() }
#ifdef V_SAME_EPOCH
#define AFTER_COMMIT(m) owned[from[m]]
#else
#define AFTER_COMMIT(m) (epoch[m] + 1)
#endif
inline resumeAfterCommit(m) {
    source[m] = S_abandoned;
    if
    :: holds(m) && standing[from[m]] == N_inDoubt ->
#ifdef V_SAME_EPOCH
        standing[from[m]] = N_active; holder[from[m]] = 0
#else
        own(from[m], done[from[m]], epoch[m] + 1)
#endif
    :: else
    fi;
    tellFailed(m); send(m, Abort); check()
}

inline release(m) {
#if LIVE
    fence(m);
#endif
    frozen[m] = done[from[m]];
#ifdef V_ACK_EARLY
    queued[from[m]] = 0;
#endif
    epochReused = epochReused || (signed_ & bitOf(epoch[m])); signed_ = signed_ | bitOf(epoch[m]);
    source[m] = S_released; send(m, Release); check()
}
inline commit(m) { source[m] = S_committed; standing[from[m]] = N_inDoubt; send(m, CutoverNotify); check() }

/* --- TargetMachine --------------------------------------------------------------------------------------------------------------- */

inline activate(m) { target[m] = T_active; standWithdrawn(m, 0); tellActive(m); own(to[m], copy[m], epoch[m]); send(m, ActivateAck); check() }
inline refuse(m) { target[m] = T_refused; standWithdrawn(m, 0); send(m, Refused) }
#if WITHDRAWALS
/* An operator lets the daemon go. The take is on its way, and the source may obey it first: the copy is kept until it has said so. Where
 * the source has crashed the operator lets the last copy go. */
inline withdraw(m) {
    if :: knowsNothing(m) -> mayBeLost = 1 :: else fi;
#ifdef V_WITHDRAWN_DROPS
    refuse(m)
#else
    withdrawal[m] = 1; send(m, Refused)
#endif
}
#ifdef V_WITHDRAWN_ACTIVATES
#define activatesUnasked(m) true
#else
#define activatesUnasked(m) !isWithdrawn(m)
#endif
#ifdef V_WITHDRAWN_IGNORES_TAKE_ACK
#define obeysTakeAck(m) !isWithdrawn(m)
#else
#define obeysTakeAck(m) true
#endif
#ifdef V_WITHDRAWN_IGNORES_ABORT
#define standsDown(m) (isWithdrawn(m) && knowsNothing(m))
#else
#define standsDown(m) (isWithdrawn(m) && (sent(m, Abort) || knowsNothing(m)))
#endif
#else
#define activatesUnasked(m) true
#define obeysTakeAck(m) true
#endif

proctype Source(byte m) {
end: do
#if ORCHESTRATOR
SOURCE_PLANNING(m)
#else
:: d_step { !heal && started == m && !source[m] && owns(0) && isFree(0) -> order(m, 0, 1) }
:: d_step { !heal && started == m && !source[m] && owns(1) && isFree(1) -> order(m, 1, 0) }
#if NODES == 3
:: d_step { !heal && started == m && !source[m] && owns(0) && isFree(0) -> order(m, 0, 2) }
:: d_step { !heal && started == m && !source[m] && owns(1) && isFree(1) -> order(m, 1, 2) }
#endif
#endif
#ifdef V_REUSE_MID
:: d_step { !heal && source[m] == S_abandoned && !reused[m] && owns(from[m]) && isFree(from[m]) ->
       reused[m] = 1; wire[m] = wire[m] & ~Abort; epoch[m] = NEXT_EPOCH(from[m]);
       if :: target[m] == T_refused -> target[m] = 0 :: else fi; begin(m) }
#endif
/* releaseIfRestored */
#if LIVE
:: d_step { source[m] == S_streaming && sent(m, RestoreComplete) && mayFence(m) -> release(m) }
#else
:: d_step { source[m] == S_streaming && sent(m, RestoreComplete) -> release(m) }
#endif
/* a wish, a budget, the order's expiry, a broken stream, a journal that fails */
:: d_step { source[m] == S_streaming || source[m] == S_released -> abandon(m) }
:: d_step { (source[m] == S_streaming || source[m] == S_released) && (sent(m, Refused) || target[m] == T_forgotten) -> abandon(m) }
:: d_step { source[m] == S_released && sent(m, Prepared) -> commit(m) }
:: d_step { source[m] == S_committed && sent(m, ActivateAck) ->
       source[m] = S_done;
       if :: holds(m) -> standing[from[m]] = N_moved; stub[from[m]] = m; done[from[m]] = 0; holder[from[m]] = 0 :: else fi;
       tellComplete(m); send(m, ActivateTarget) }
#ifndef V_NO_REFUSAL
:: d_step { source[m] == S_committed && sent(m, Refused) -> resumeAfterCommit(m) }
#endif
#if GATE || defined(V_UNKNOWN_RESUMES)
:: d_step { source[m] == S_committed && target[m] == T_forgotten -> resumeAfterCommit(m) }
#endif
#ifdef V_ANYBODYS_REFUSED      /* an unsigned Refused that came from somebody else than the target */
:: d_step { source[m] == S_committed -> resumeAfterCommit(m) }
#endif
#ifdef V_ABORT_AFTER_COMMIT
:: d_step { source[m] == S_committed && !heal ->
       source[m] = S_abandoned; standing[from[m]] = N_active; holder[from[m]] = 0; send(m, Abort); check() }
#endif
#ifdef V_LATE_PREPARED
:: d_step { source[m] == S_abandoned && sent(m, Prepared) && !sent(m, CutoverNotify) -> send(m, CutoverNotify) }
#endif
#ifdef V_SKIP_PREPARED
:: d_step { source[m] == S_released -> commit(m) }
#endif
#ifdef V_CLEAN_BY_ORIGIN       /* a repeated Take unregisters "the daemon", whichever attempt brought it here */
:: d_step { source[m] == S_done && sent(m, ActivateAck) && owns(from[m]) -> standing[from[m]] = 0; done[from[m]] = 0 }
#endif
od }

proctype Target(byte m) {
end: do
#if ORCHESTRATOR
TARGET_PLANNING(m)
#define READY T_reserved
#else
#define READY 0
#endif
:: d_step { target[m] == READY && sent(m, SnapshotReady) && !owns(to[m]) ->
       target[m] = T_restoring; copy[m] = frozen[m]; send(m, RestoreComplete) }
:: d_step { target[m] == T_restoring && sent(m, Release) ->
#ifndef V_FORGET_TAIL
       copy[m] = frozen[m];
#endif
       target[m] = T_prepared; send(m, Prepared) }
/* no memory, a broken stream, a release that is not what was restored, a budget; after Prepared a promise */
:: d_step { !heal && (target[m] == T_restoring || target[m] == T_prepared) -> refuse(m) }
/* the source's word; or a source that has forgotten the move, and so can neither commit nor take back */
:: d_step { (target[m] == READY || target[m] == T_restoring || target[m] == T_prepared) &&
       (sent(m, Abort) || knowsNothing(m)) -> refuse(m) }
:: d_step { target[m] == T_prepared && sent(m, CutoverNotify) ->
#if GATE
       target[m] = T_took; send(m, ActivateAck) }
#else
       activate(m) }
#endif
:: d_step { target[m] == T_took && (sent(m, ActivateTarget) && obeysTakeAck(m) || knowsNothing(m) && activatesUnasked(m)) -> activate(m) }
#if WITHDRAWALS
:: d_step { !heal && target[m] == T_took && !isWithdrawn(m) -> withdraw(m) }
/* the source heard the refusal first; or has forgotten, and may have gone on, and moved the daemon, before it crashed */
:: d_step { target[m] == T_took && standsDown(m) -> refuse(m) }
#endif
#ifdef V_SKIP_PREPARED
:: d_step { target[m] == T_restoring && sent(m, CutoverNotify) -> target[m] = T_took; send(m, ActivateAck) }
#endif
#ifdef V_ACTIVATE_ON_TIMER
:: d_step { target[m] == T_took -> activate(m) }
#endif
#ifdef V_SILENT_ABORT          /* drops a prepared move without a word; in the same boot it is not believed to have forgotten */
:: d_step { target[m] == T_prepared && !heal -> target[m] = T_closed }
#endif
#ifdef V_BROKEN_PROMISE        /* a malicious target */
:: d_step { target[m] == T_refused && source[m] == S_abandoned && !owns(to[m]) && epoch[m] > highest - 2 ->
       target[m] = T_active; standing[to[m]] = N_active; check() }
#endif
#ifdef V_COMMIT_TWICE          /* a repeated Commit is obeyed again after the daemon has moved on */
:: d_step { target[m] == T_active && sent(m, CutoverNotify) && standing[to[m]] == N_moved ->
       standing[to[m]] = N_active; done[to[m]] = copy[m]; check() }
#endif
od }

#include "lane.pml"

/* --- crashes --------------------------------------------------------------------------------------------------------------------- */

#if ATTEMPTS == 1
#define each(act, n) act(0, n)
#elif ATTEMPTS == 2
#define each(act, n) act(0, n); act(1, n)
#else
#define each(act, n) act(0, n); act(1, n); act(2, n)
#endif
#define isOn(m, n) (started > m && (from[m] == n || to[m] == n))

/* Whether this crash may cost the daemon: not while somebody else holds it for certain. */
inline mourn(m, n) {
    if
    :: started > m && from[m] == n && (source[m] == S_streaming || source[m] == S_released) -> mayBeLost = 1
    :: started > m && from[m] == n && source[m] == S_committed && (target[m] != T_took || isWithdrawn(m)) -> mayBeLost = 1
    :: started > m && from[m] == n && source[m] == S_done && target[m] == T_took && isWithdrawn(m) -> mayBeLost = 1
    :: started > m && to[m] == n && target[m] == T_took && source[m] != S_committed -> mayBeLost = 1
    :: else
    fi
}
inline forget(m, n) {
    if :: started > m && from[m] == n && source[m] -> source[m] = S_forgotten; setsEpoch(m, 0) :: else fi;
    if :: started > m && to[m] == n -> target[m] = T_forgotten; standWithdrawn(m, 0) :: else fi;
    if :: isOn(m, n) -> reconnect(m) :: else fi;
    askAgain(m, n)
}
inline crash(n) {
    printf("node %d crashes and forgets\n", n);
    if :: owns(n) -> mayBeLost = 1 :: else fi;
    each(mourn, n);
    each(forget, n);
    standing[n] = 0; done[n] = 0; holder[n] = 0; stub[n] = 0; owned[n] = 0; burnt[n] = 0;
#ifdef V_ACK_EARLY
    queued[n] = 0;
#endif
#ifdef V_RESPAWN               /* the host spawns the daemon again from its key file */
    standing[n] = N_active;
#endif
    check()
}
/* What MoveJournal recovers: see MoveRecord. Nothing is written before Release at the source, nor before Prepared at the target. */
inline recover(m, n) {
    if :: started > m && from[m] == n && (source[m] == S_streaming || source[m] == S_released) -> abandon(m) :: else fi;
#ifdef V_COMMIT_UNRECORDED
    if :: started > m && from[m] == n && source[m] == S_committed ->
        source[m] = S_abandoned; standing[n] = N_active; holder[n] = 0; check() :: else fi;
#endif
    if :: started > m && to[m] == n && (target[m] == 0 || target[m] == T_restoring) -> target[m] = T_forgotten :: else fi;
#ifdef V_PREPARED_UNRECORDED
    if :: started > m && to[m] == n && target[m] == T_prepared -> target[m] = T_closed :: else fi;
#endif
#ifdef V_TAKE_UNRECORDED
    if :: started > m && to[m] == n && target[m] == T_took -> target[m] = T_prepared :: else fi;
#endif
#ifndef M_WITHDRAWAL_RECORDED  /* no MoveRecord says that the take was taken back */
    if :: started > m && to[m] == n -> standWithdrawn(m, 0) :: else fi;
#endif
    if :: isOn(m, n) -> reconnect(m) :: else fi;
    askAgain(m, n)
}
proctype Crash(byte n) {
end: do
:: d_step { !heal && crashes < CRASHES && !(JOURNAL & bitOf(n)) -> crashes++; crash(n) }
:: d_step { !heal && crashes < CRASHES && (JOURNAL & bitOf(n)) -> crashes++; printf("node %d crashes and recovers\n", n); each(recover, n) }
od }

/* --- liveness -------------------------------------------------------------------------------------------------------------------- */

#define settledSource(m) (!source[m] || sourceEnded(m))
#define settledTarget(m) (!target[m] || targetEnded(m))
#define settled(m) (settledSource(m) && settledTarget(m))

proctype Monitor() {
    bit inDoubtForEver, nobodyOwns, deliverNeverReturns;
    heal = 1;
end:
    timeout -> d_step {
        inDoubtForEver = !settled(0);
#if ATTEMPTS > 1
        inDoubtForEver = inDoubtForEver || !settled(1);
#endif
#if ATTEMPTS > 2
        inDoubtForEver = inDoubtForEver || !settled(2);
#endif
        assert(!inDoubtForEver);                                        /* L1, L2 */
        nobodyOwns = OWNERS == 0 && !mayBeLost;     assert(!nobodyOwns);            /* L1 */
        deliverNeverReturns = OWNERS && !DELIVERED; assert(!deliverNeverReturns);   /* L3 */
#if ORCHESTRATOR
        checkVerdicts();
#endif
/* That the model gets there at all: these must fail. */
#ifdef REACH_PING_PONG
        bit wentThereAndBack = source[0] == S_done && source[1] == S_done && from[1] == 1 && DELIVERED;
        assert(!wentThereAndBack);
#endif
#ifdef REACH_CONFIRMED
        bit confirmedByTarget = neverHad(0) && orchestrator[0] == O_completed;
        assert(!confirmedByTarget);
#endif
#ifdef REACH_WITHDRAWN
        bit withdrawnAndMoved = source[0] == S_abandoned && target[0] == T_refused && sent(0, ActivateAck) && source[1] == S_done;
        assert(!withdrawnAndMoved);
#endif
#ifdef REACH_WITHDRAWN_TOO_LATE
        bit withdrawnTooLate = target[0] == T_active && sent(0, Refused);
        assert(!withdrawnTooLate);
#endif
#ifdef REACH_RESUMED_AFTER_COMMIT
        bit resumedAndMoved = source[0] == S_abandoned && source[1] == S_done && owned[to[1]] == 4;
        assert(!resumedAndMoved);
#endif
    }
}

init { atomic {
    standing[0] = N_active; owned[0] = 1; burnt[0] = 1; highest = 1;
#if BELIEF
    believedEpoch = 1;
#endif
    run Monitor();
    run Source(0); run Target(0);
#if ATTEMPTS > 1
    run Source(1); run Target(1);
#endif
#if ATTEMPTS > 2
    run Source(2); run Target(2);
#endif
#if ORCHESTRATOR
    run Orchestrator(0);
#if ATTEMPTS > 1
    run Orchestrator(1);
#endif
#endif
    run Lane(0); run Lane(1); run Crash(0); run Crash(1);
#if NODES == 3
    run Lane(2); run Crash(2);
#endif
#if BELIEF
    run Emitter();
#endif
} }
