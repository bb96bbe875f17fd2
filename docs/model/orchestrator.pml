/* OrchestratorMachine, and what source and target do for it: planning, the order, the abort, and the word about the end. Included by
 * hand-over.pml with ORCHESTRATOR. It runs on a node of its own, which may vanish; it decides nothing, so the question is whether what
 * it says of the end is true.
 *
 * With AGAIN it may be given the same order once more, after a crash, and does not know what the boot before has done with it.
 *
 * V_ flags bend a rule, M_ flags mend one, and the verdict can be false: see README.md. */

#define PlanSource     1
#define Offered        2        /* planReply(offered) */
#define PlanTarget     4
#define Reserved       8        /* planReply(reserved) */
#define PlanRefused    16       /* planReply(refused), of the target */
#define TakeSnapshot   32
#define Progress       64
#define AbortSource    128
#define AbortTarget    256
#define TooLate        512
#define Busy           1024
#define MigrationFailed 2048    /* also planReply(refused), of the source */
#define CleanupComplete 4096
int order_[ATTEMPTS];           /* the orchestrator's sessions with both */

mtype orchestrator[ATTEMPTS];
bit gone[ATTEMPTS];             /* the source has handed the daemon over, or the target has it */
bit falseVerdict;

#if AGAIN
bit mayHaveBegun[ATTEMPTS];     /* a boot of the orchestrator that has crashed may have given the order */
bit hasEpoch[ATTEMPTS];         /* the source has had the daemon in this boot: what it says carries the attempt's epoch */
#define setsEpoch(m, is) hasEpoch[m] = is
#define underEpoch(m) (hasEpoch[m])
#define isAgain(m) (mayHaveBegun[m] && orchestrator[m] == O_planningSource)
/* A source that has declined without having had the daemon takes no part in what its node did before it crashed, and says unknown of it. */
#define neverHad(m) (source[m] == S_declined && !underEpoch(m))
#ifdef V_DECLINED_KNOWS
#define knowsNothing(m) (source[m] == S_forgotten)
#else
#define knowsNothing(m) (source[m] == S_forgotten || neverHad(m))
#endif
#else
#define neverHad(m) false
#define setsEpoch(m, is) skip
#define underEpoch(m) true
#define isAgain(m) false
#define knowsNothing(m) (source[m] == S_forgotten)
#endif

#define told(m, message) (order_[m] & (message))
inline tell(m, message) {
    order_[m] = order_[m] | (message);
    printf("attempt %d: orchestrator %e, source %e, target %e\n", m, orchestrator[m], source[m], target[m])
}
#define tellFailed(m) tell(m, MigrationFailed)
#define tellComplete(m) gone[m] = 1; tell(m, CleanupComplete)
#define tellProgress(m) tell(m, Progress)
#define tellActive(m) gone[m] = 1

#define toSource (PlanSource | TakeSnapshot | AbortSource)
#define ofSource (Offered | Progress | TooLate | Busy | MigrationFailed | CleanupComplete)
#define planning(m) (orchestrator[m] == O_planningSource || orchestrator[m] == O_planningTarget)
#define ordered(m) (orchestrator[m] == O_ordering || orchestrator[m] == O_moving)
#define hears(m) (planning(m) || ordered(m) || orchestrator[m] == O_orphaned || orchestrator[m] == O_confirming)
/* A cancel that the source has not answered: the order is not repeated. */
#define isCancelling(m) told(m, AbortSource)

inline conclude(m, verdict) {
    orchestrator[m] = verdict;
    if
    :: verdict == O_declined -> tell(m, AbortSource | AbortTarget)
    :: else -> printf("attempt %d: orchestrator %e\n", m, orchestrator[m])
    fi
}

/* A session with the orchestrator died: it asks again; who was asked, and what was answered and not heard, is repeated when asked. */
inline askAgain(m, n) {
    if
    :: started > m && from[m] == n && isAgain(m) && isCancelling(m) && !told(m, TooLate) ->
        order_[m] = order_[m] & ~(toSource | ofSource);
        tell(m, AbortSource)
    :: started > m && from[m] == n && !(isAgain(m) && isCancelling(m) && !told(m, TooLate)) ->
        order_[m] = order_[m] & ~(toSource | ofSource);
        if
        :: orchestrator[m] == O_planningSource -> tell(m, PlanSource)
        :: orchestrator[m] == O_ordering -> tell(m, TakeSnapshot)
        :: else
        fi;
        if :: source[m] == S_done -> tell(m, CleanupComplete) :: else fi;
        if :: source[m] == S_abandoned || source[m] == S_declined -> tell(m, MigrationFailed) :: else fi
    :: else
    fi;
    if
    :: started > m && to[m] == n ->
        order_[m] = order_[m] & ~(PlanTarget | Reserved | PlanRefused | AbortTarget);
        if :: orchestrator[m] == O_planningTarget -> tell(m, PlanTarget) :: else fi
    :: else
    fi
}

/* A daemon that another attempt holds is described as well: that attempt may be given up before the order comes. */
#define hosts(n) (standing[n] && standing[n] != N_moved)
inline decline(m) { source[m] = S_declined; tellFailed(m) }
inline declineUnknown(m) { setsEpoch(m, 0); decline(m) }

#define SOURCE_PLANNING(m) \
:: d_step { !source[m] && told(m, PlanSource) && hosts(from[m]) -> \
       source[m] = S_offered; setsEpoch(m, 1); epoch[m] = NEXT_EPOCH(from[m]); tell(m, Offered) } \
:: d_step { (!source[m] || source[m] == S_forgotten) && told(m, PlanSource) && !hosts(from[m]) -> declineUnknown(m) } \
:: d_step { source[m] == S_offered -> decline(m) } \
:: d_step { source[m] == S_offered && told(m, TakeSnapshot) && holder[from[m]] && !told(m, Busy) -> tell(m, Busy) } \
:: d_step { source[m] == S_offered && told(m, TakeSnapshot) && isFree(from[m]) && mayFence(m) -> begin(m) } \
:: d_step { source[m] == S_offered && told(m, TakeSnapshot) && isFree(from[m]) && !mayFence(m) -> abandon(m) } \
:: d_step { (source[m] == S_committed || source[m] == S_done) && told(m, AbortSource) && !told(m, TooLate) -> tell(m, TooLate) } \
LAPSED_SOURCE(m) \
REPEATED_PLAN_SOURCE(m) \
ABORTED_SOURCE(m)

#define TARGET_PLANNING(m) \
:: d_step { (!target[m] || target[m] == T_forgotten) && told(m, PlanTarget) && !owns(to[m]) -> target[m] = T_reserved; tell(m, Reserved) } \
:: d_step { (!target[m] || target[m] == T_forgotten) && told(m, PlanTarget) && (!heal || owns(to[m])) -> \
       target[m] = T_refused; tell(m, PlanRefused) } \
:: d_step { target[m] == T_reserved && (told(m, AbortTarget) || sourceEnded(m) || !heal) -> refuse(m) } \
LAPSED_TARGET(m) \
REPEATED_PLAN_TARGET(m) \
ABORTED_TARGET(m)

/* A plan that comes again is answered with what has become of the first one; so is a cancel, which comes with a question. */
#if AGAIN
#define isAsked(m) told(m, PlanSource | AbortSource)
#define REPEATED_PLAN_SOURCE(m) \
:: d_step { source[m] == S_offered && told(m, PlanSource) && !told(m, Offered) -> tell(m, Offered) } \
:: d_step { (source[m] == S_streaming || source[m] == S_released || source[m] == S_committed) && isAsked(m) && \
       !told(m, Progress) -> tell(m, Progress) } \
:: d_step { source[m] == S_done && isAsked(m) && !told(m, CleanupComplete) -> tell(m, CleanupComplete) } \
:: d_step { (source[m] == S_abandoned || source[m] == S_declined) && isAsked(m) && !told(m, MigrationFailed) -> \
       tell(m, MigrationFailed) }
#define REPEATED_PLAN_TARGET(m) \
:: d_step { target[m] == T_reserved && told(m, PlanTarget) && !told(m, Reserved) -> tell(m, Reserved) } \
:: d_step { target[m] == T_refused && told(m, PlanTarget) && !told(m, PlanRefused) -> tell(m, PlanRefused) }
#else
#define REPEATED_PLAN_SOURCE(m)
#define REPEATED_PLAN_TARGET(m)
#endif

/* The order has lapsed and both sides have closed: the move is forgotten, and whoever asks hears unknown. */
#ifdef FORGETS
#define LAPSED_SOURCE(m) \
:: d_step { (source[m] == S_done || source[m] == S_abandoned || source[m] == S_declined) && targetEnded(m) -> source[m] = S_closed }
#define LAPSED_TARGET(m) \
:: d_step { (target[m] == T_active || target[m] == T_refused) && sourceEnded(m) -> target[m] = T_closed }
#else
#define LAPSED_SOURCE(m)
#define LAPSED_TARGET(m)
#endif
#ifdef V_ORCHESTRATOR_ABORTS_COMMITTED
#define ABORTED_SOURCE(m) \
:: d_step { source[m] == S_committed && told(m, AbortSource) -> \
       source[m] = S_abandoned; standing[from[m]] = N_active; holder[from[m]] = 0; tellFailed(m); send(m, Abort); check() }
#else
#define ABORTED_SOURCE(m)
#endif
#ifdef V_ORCHESTRATOR_ABORTS_PREPARED
#define ABORTED_TARGET(m) :: d_step { target[m] == T_prepared && told(m, AbortTarget | AbortSource) -> target[m] = T_closed }
#else
#define ABORTED_TARGET(m)
#endif

/* An order that may have been given before: nothing is claimed of it before the source has offered the daemon, or those who took part have
 * said what they know. Where they cannot be asked it is in doubt, and asked on: no budget and no wish ends it here. */
#ifdef V_AGAIN_IS_NEW
#define endsPlanning(m) planning(m)
#else
#define endsPlanning(m) (planning(m) && !isAgain(m))
#endif
/* The source does not have the daemon, and may have given it away before it crashed: the target is asked. */
inline confirm(m) {
#ifdef V_UNCONFIRMED
    conclude(m, O_declined)
#else
    orchestrator[m] = O_confirming;
    printf("attempt %d: orchestrator %e, source %e, target %e\n", m, orchestrator[m], source[m], target[m])
#endif
}
/* What such a source says, it says to every copy of the plan, under no epoch; one of them may be heard when the target is at work already. */
#ifdef V_WORD_WITHOUT_EPOCH
#define ends(m) (orchestrator[m] == O_orphaned)
#else
#define ends(m) (orchestrator[m] == O_orphaned && underEpoch(m))
#endif
/* A target that knows nothing has never heard of the order, or has forgotten it. */
#ifdef V_UNKNOWN_IS_DECLINED
#define UNKNOWN_TO_BOTH O_declined
#else
#define UNKNOWN_TO_BOTH O_forgotten
#endif

#if AGAIN
#define AGAIN_ORCHESTRATOR(m) \
:: d_step { !heal && m < AGAIN && orchestrator[m] == O_gone && !mayHaveBegun[m] -> \
       mayHaveBegun[m] = 1; order_[m] = 0; orchestrator[m] = O_planningSource; tell(m, PlanSource) } \
/* a wish comes with a question instead of the plan, which the source has answered by now, or never gets */ \
:: d_step { !heal && isAgain(m) && !isCancelling(m) -> order_[m] = order_[m] & ~PlanSource; tell(m, AbortSource) } \
:: d_step { isAgain(m) && told(m, Progress) -> orchestrator[m] = O_moving; mayHaveBegun[m] = 0 } \
:: d_step { isAgain(m) && told(m, MigrationFailed) && underEpoch(m) -> conclude(m, O_rolledBack) } \
:: d_step { isAgain(m) && told(m, MigrationFailed) && !underEpoch(m) -> confirm(m) } \
/* unknown, which answers a question and never a plan */ \
:: d_step { isAgain(m) && isCancelling(m) && !told(m, TooLate) && (!source[m] || hasForgotten(m)) -> confirm(m) } \
:: d_step { (isAgain(m) || orchestrator[m] == O_confirming) && target[m] == T_active -> conclude(m, O_completed) } \
:: d_step { orchestrator[m] == O_confirming && target[m] == T_refused -> conclude(m, O_declined) } \
:: d_step { orchestrator[m] == O_confirming && target[m] && !targetEnded(m) -> orchestrator[m] = O_orphaned } \
:: d_step { orchestrator[m] == O_confirming && (!target[m] || target[m] == T_forgotten || target[m] == T_closed) -> \
       conclude(m, UNKNOWN_TO_BOTH) } \
/* a source that has crashed, and has the daemon again, begins the attempt anew: this leaves the model */ \
:: d_step { isAgain(m) && source[m] == S_forgotten && hosts(from[m]) -> orchestrator[m] = O_gone }
#else
#define AGAIN_ORCHESTRATOR(m)
#endif

inline plan(m, a, b) { started++; from[m] = a; to[m] = b; orchestrator[m] = O_planningSource; tell(m, PlanSource) }

proctype Orchestrator(byte m) {
end: do
:: d_step { !heal && started == m && owns(0) -> plan(m, 0, 1) }
:: d_step { !heal && started == m && owns(1) -> plan(m, 1, 0) }
#if NODES == 3
:: d_step { !heal && started == m && owns(0) -> plan(m, 0, 2) }
#endif
:: d_step { orchestrator[m] == O_planningSource && told(m, Offered) ->
#if AGAIN                       /* it has not gone: the order begins like any other */
       mayHaveBegun[m] = 0;
#endif
       orchestrator[m] = O_planningTarget; tell(m, PlanTarget) }
:: d_step { orchestrator[m] == O_planningTarget && told(m, Reserved) -> orchestrator[m] = O_ordering; tell(m, TakeSnapshot) }
:: d_step { orchestrator[m] == O_planningTarget && told(m, PlanRefused) -> conclude(m, O_declined) }
/* a wish, or the budget of the plan */
:: d_step { endsPlanning(m) -> conclude(m, O_declined) }
:: d_step { endsPlanning(m) && told(m, MigrationFailed) -> conclude(m, O_declined) }
AGAIN_ORCHESTRATOR(m)
/* a wish, or the budget of the order: from here on a request */
:: d_step { !heal && ordered(m) && !isCancelling(m) -> tell(m, AbortSource) }
/* the order's budget is spent in any case */
:: d_step { orchestrator[m] == O_ordering && !isCancelling(m) -> tell(m, AbortSource) }
:: d_step { orchestrator[m] == O_ordering && (told(m, Progress) || told(m, TooLate)) -> orchestrator[m] = O_moving }
#ifdef V_BUSY_ENDS
:: d_step { hears(m) && told(m, Busy) -> conclude(m, O_declined) }
#else                           /* busy of a repeated order: whether an earlier one was obeyed, only the source knows */
:: d_step { ordered(m) && told(m, Busy) && !isCancelling(m) -> tell(m, AbortSource) }
#endif
:: d_step { (ordered(m) || ends(m)) && told(m, MigrationFailed) -> conclude(m, O_rolledBack) }
:: d_step { (ordered(m) || orchestrator[m] == O_orphaned || orchestrator[m] == O_confirming || isAgain(m)) && told(m, CleanupComplete) ->
       conclude(m, O_completed) }
/* unknown of the source */
#ifdef V_UNKNOWN_ENDS_ORDER
:: d_step { orchestrator[m] == O_ordering && source[m] == S_forgotten -> conclude(m, O_declined) }
:: d_step { orchestrator[m] == O_moving && source[m] == S_forgotten -> orchestrator[m] = O_orphaned }
#else                           /* the source may have begun, and the target taken, before it forgot: the target knows */
:: d_step { ordered(m) && source[m] == S_forgotten -> orchestrator[m] = O_orphaned }
#endif
:: d_step { orchestrator[m] == O_orphaned && target[m] == T_active -> conclude(m, O_completed) }
:: d_step { orchestrator[m] == O_orphaned && (target[m] == T_refused || target[m] == T_forgotten) -> conclude(m, O_forgotten) }
#ifdef FORGETS
#ifdef V_FORGOTTEN_IS_DECLINED
:: d_step { (ordered(m) || isAgain(m)) && source[m] == S_closed -> conclude(m, O_declined) }
#else                           /* unknown of a boot that took part: the move is over and forgotten, and nobody can tell its outcome */
:: d_step { (ordered(m) || isAgain(m)) && source[m] == S_closed -> conclude(m, O_forgotten) }
#endif
:: d_step { orchestrator[m] == O_orphaned && target[m] == T_closed -> conclude(m, O_forgotten) }
#endif
:: d_step { !heal && hears(m) && crashes < CRASHES ->
       crashes++; orchestrator[m] = O_gone; order_[m] = 0;
#if AGAIN
       mayHaveBegun[m] = 0;
#endif
       printf("the orchestrator of attempt %d crashes\n", m) }
od }

inline checkVerdict(m) {
    assert(!hears(m));                                                          /* L1: the orchestrator hears of the end */
    if
    :: orchestrator[m] == O_completed -> falseVerdict = !gone[m]
    :: orchestrator[m] == O_rolledBack || orchestrator[m] == O_declined -> falseVerdict = gone[m]
    /* not while the target serves, or while all who took part remember */
    :: orchestrator[m] == O_forgotten ->
        falseVerdict = (target[m] == T_active && source[m] != S_closed) ||
            !(!source[m] || hasForgotten(m) || neverHad(m) || target[m] == T_forgotten || target[m] == T_closed)
    :: else
    fi;
#ifndef NO_VERDICT
    assert(!falseVerdict)
#endif
}
inline checkVerdicts() {
    checkVerdict(0)
#if ATTEMPTS > 1
    ; checkVerdict(1)
#endif
}
