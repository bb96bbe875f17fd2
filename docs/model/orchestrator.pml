/* OrchestratorMachine, and what source and target do for it: planning, the order, the abort, and the word about the end. Included by
 * hand-over.pml with ORCHESTRATOR. It runs on a node of its own, which may vanish; it decides nothing, so the question is whether what
 * it says of the end is true.
 *
 * V_ flags bend a rule, and the verdict can be false: see README.md. */

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
#define hears(m) (planning(m) || ordered(m) || orchestrator[m] == O_orphaned)
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
    :: started > m && from[m] == n ->
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

#define SOURCE_PLANNING(m) \
:: d_step { !source[m] && told(m, PlanSource) && hosts(from[m]) -> \
       source[m] = S_offered; epoch[m] = NEXT_EPOCH(from[m]); tell(m, Offered) } \
:: d_step { (!source[m] || source[m] == S_forgotten) && told(m, PlanSource) && !hosts(from[m]) -> decline(m) } \
:: d_step { source[m] == S_offered -> decline(m) } \
:: d_step { source[m] == S_offered && told(m, TakeSnapshot) && holder[from[m]] && !told(m, Busy) -> tell(m, Busy) } \
:: d_step { source[m] == S_offered && told(m, TakeSnapshot) && isFree(from[m]) && mayFence(m) -> begin(m) } \
:: d_step { source[m] == S_offered && told(m, TakeSnapshot) && isFree(from[m]) && !mayFence(m) -> abandon(m) } \
:: d_step { (source[m] == S_committed || source[m] == S_done) && told(m, AbortSource) && !told(m, TooLate) -> tell(m, TooLate) } \
LAPSED_SOURCE(m) \
ABORTED_SOURCE(m)

#define TARGET_PLANNING(m) \
:: d_step { (!target[m] || target[m] == T_forgotten) && told(m, PlanTarget) && !owns(to[m]) -> target[m] = T_reserved; tell(m, Reserved) } \
:: d_step { (!target[m] || target[m] == T_forgotten) && told(m, PlanTarget) && (!heal || owns(to[m])) -> \
       target[m] = T_refused; tell(m, PlanRefused) } \
:: d_step { target[m] == T_reserved && (told(m, AbortTarget) || sourceEnded(m) || !heal) -> refuse(m) } \
LAPSED_TARGET(m) \
ABORTED_TARGET(m)

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

inline plan(m, a, b) { started++; from[m] = a; to[m] = b; orchestrator[m] = O_planningSource; tell(m, PlanSource) }

proctype Orchestrator(byte m) {
end: do
:: d_step { !heal && started == m && owns(0) -> plan(m, 0, 1) }
:: d_step { !heal && started == m && owns(1) -> plan(m, 1, 0) }
#if NODES == 3
:: d_step { !heal && started == m && owns(0) -> plan(m, 0, 2) }
#endif
:: d_step { orchestrator[m] == O_planningSource && told(m, Offered) -> orchestrator[m] = O_planningTarget; tell(m, PlanTarget) }
:: d_step { orchestrator[m] == O_planningTarget && told(m, Reserved) -> orchestrator[m] = O_ordering; tell(m, TakeSnapshot) }
:: d_step { orchestrator[m] == O_planningTarget && told(m, PlanRefused) -> conclude(m, O_declined) }
/* a wish, or the budget of the plan */
:: d_step { planning(m) -> conclude(m, O_declined) }
:: d_step { planning(m) && told(m, MigrationFailed) -> conclude(m, O_declined) }
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
:: d_step { (ordered(m) || orchestrator[m] == O_orphaned) && told(m, MigrationFailed) -> conclude(m, O_rolledBack) }
:: d_step { (ordered(m) || orchestrator[m] == O_orphaned) && told(m, CleanupComplete) -> conclude(m, O_completed) }
/* unknown of the source */
#ifdef V_UNKNOWN_ENDS_ORDER
:: d_step { orchestrator[m] == O_ordering && source[m] == S_forgotten -> conclude(m, O_declined) }
:: d_step { orchestrator[m] == O_moving && source[m] == S_forgotten -> orchestrator[m] = O_orphaned }
#else                           /* the source may have begun, and the target taken, before it forgot: the target knows */
:: d_step { ordered(m) && source[m] == S_forgotten -> orchestrator[m] = O_orphaned }
#endif
:: d_step { orchestrator[m] == O_orphaned && target[m] == T_active -> conclude(m, O_completed) }
:: d_step { orchestrator[m] == O_orphaned && (target[m] == T_refused || target[m] == T_forgotten) -> conclude(m, O_lost) }
#ifdef FORGETS
#ifdef V_FORGOTTEN_IS_LOST
:: d_step { orchestrator[m] == O_ordering && source[m] == S_closed -> conclude(m, O_declined) }
:: d_step { orchestrator[m] == O_moving && source[m] == S_closed -> orchestrator[m] = O_orphaned }
:: d_step { orchestrator[m] == O_orphaned && target[m] == T_closed -> conclude(m, O_lost) }
#else                           /* unknown of a boot that took part: the move is over and forgotten, and nobody can tell its outcome */
:: d_step { hears(m) && (source[m] == S_closed || target[m] == T_closed) -> conclude(m, O_gone) }
#endif
#endif
:: d_step { !heal && hears(m) && crashes < CRASHES -> crashes++; orchestrator[m] = O_gone; order_[m] = 0 }
od }

inline checkVerdict(m) {
    assert(!hears(m));                                                          /* L1: the orchestrator hears of the end */
    if
    :: orchestrator[m] == O_completed -> falseVerdict = !gone[m]
    :: orchestrator[m] == O_rolledBack || orchestrator[m] == O_declined -> falseVerdict = gone[m]
    :: orchestrator[m] == O_lost -> falseVerdict = (gone[m] && target[m] != T_forgotten) || (!gone[m] && source[m] != S_forgotten)
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
