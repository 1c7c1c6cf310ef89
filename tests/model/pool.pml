/* SPDX-License-Identifier: MIT
 *
 * Server connections that two sessions share by transaction, as runtime/session/session_pool.c and
 * pool.c lend them: one connection at a time, a fresh one after one that was closed. A message
 * carries the session it stems from, which neither side reads but to assert. Each session sends a
 * few commands, may open a transaction, cancel what runs, and vanish at any moment; a CancelRequest
 * takes its time, and may be thought lost and still arrive.
 *
 * -DWITH_STATE: commands also run code that nobody sees, which may leave something on the
 * connection (session_undo.c), and session 1 changes a setting that the server does not report
 * (session_keep.c). What undoes and sets goes in front of the next session's first command, which
 * waits for its answer. Each may fail.
 *
 * -DM_... leaves something out that the engine does; model_test.sh makes sure that each is found.
 */
#ifndef COMMANDS
#define COMMANDS 2 /* of each session */
#endif
#define SESSIONS 2
#define CONNECTIONS 3
#define TRIES 1
#define NOBODY 0 /* sessions count from 1 */
#define DEFAULT 0 /* of the setting; its other value is the number of who set it */
#define NONE CONNECTIONS

mtype = { COMMAND, SET, SETTINGS, UNDO, QUESTION, ANSWER, FAILED };

chan to_server[CONNECTIONS] = [2] of { mtype, byte, byte }; /* session, value of the setting */
chan from_server[CONNECTIONS] = [2] of { mtype, byte, byte };
chan cancels = [2] of { byte, byte }; /* connection, session: on their way */

bool open[CONNECTIONS], lent[CONNECTIONS], spoiled[CONNECTIONS];
byte set_to[CONNECTIONS];	/* what the setting is there */
byte kept_there[CONNECTIONS];	/* ... as far as the gateway knows */
byte left_by[CONNECTIONS];	/* whose unseen state is there */
bool unseen[CONNECTIONS];	/* ... may be there, as far as the gateway knows */
byte holder[CONNECTIONS];	/* who has it, or had it last */
byte signalled[CONNECTIONS];	/* for whom the server was told to cancel */

byte is_set[SESSIONS + 1];	/* a ghost: what the setting is for the session */
byte kept[SESSIONS + 1];	/* ... as far as the gateway knows */
bool touches[SESSIONS + 1];	/* it may have changed */
byte has[SESSIONS + 1];		/* the connection in hand */
byte owed[SESSIONS + 1];	/* answers of the server that are to come */
bool carrying[SESSIONS + 1];	/* the first of them is waited for, and to the gateway itself */
bool ahead[SESSIONS + 1];	/* likewise, but not waited for: of what is left out */
bool asking[SESSIONS + 1];	/* what is carried is a question */
byte tries[SESSIONS + 1];
bool in_tx[SESSIONS + 1], gone[SESSIONS + 1];
byte cancelling[SESSIONS + 1];	/* CancelRequests that are not settled */
byte left[SESSIONS + 1];	/* commands still to send */
bool asked_cancel[SESSIONS + 1], did_set[SESSIONS + 1];

/* ---- the server ------------------------------------------------------------------------------- */

inline succeeds() {
	if
	:: type == SETTINGS -> set_to[c] = value
	:: type == UNDO -> left_by[c] = NOBODY; set_to[c] = value
	:: type == SET -> set_to[c] = value; is_set[who] = value
	:: type == QUESTION -> value = set_to[c]
#if defined(WITH_STATE)
	:: type == COMMAND -> left_by[c] = who
#endif
	:: type == COMMAND
	fi;
	from_server[c]!ANSWER(who, value)
}

proctype server(byte c) {
	byte who, value;
	mtype type;

end:	do
	:: !open[c] -> break
	:: atomic { open[c] && nempty(to_server[c]) ->
		to_server[c]?type, who, value;
		if
		:: type == COMMAND || type == SET ->
			/* P2: it runs under the settings of its session */
			assert(set_to[c] == is_set[who]);
			/* P4: nothing runs where another session's unseen state is */
			assert(left_by[c] == NOBODY || left_by[c] == who)
		:: else
		fi;
		if
		:: signalled[c] != NOBODY ->
			/* P3: a cancel ends a command of the session that asked for it */
			assert(signalled[c] == who);
			from_server[c]!FAILED(who, value)
		:: succeeds()
		:: type != COMMAND && type != SET -> /* a timeout that was left, say */
			from_server[c]!FAILED(who, value)
		fi;
		signalled[c] = NOBODY }
	od
}

/* ---- a CancelRequest of the gateway -------------------------------------------------------------- */

/* A signal that comes while the server waits for a command means nothing to it: PostgresMain() looks
 * at what came before it begins to run one. */
inline signal() {
	if
	:: open[c] && nempty(to_server[c]) -> signalled[c] = who
	:: !open[c] || empty(to_server[c])
	fi
}

proctype canceller() {
	byte c, who;

end:	do
	:: cancels?c(who) ->
		if
		:: atomic { signal(); cancelling[who]-- } /* the server has closed it: it has signalled */
		:: atomic { /* after ten seconds nobody waits for it any more */
#if !defined(M_TRUST_THE_LOST)
			spoiled[c] = true;
#endif
			cancelling[who]-- };
			atomic { signal() }
		fi
	od
}

/* ---- the gateway --------------------------------------------------------------------------------- */

inline close_connection(c) {
	open[c] = false;
	lent[c] = false;
	if
	:: c + 1 < CONNECTIONS && !open[c + 1] -> open[c + 1] = true; run server(c + 1)
	:: else
	fi
}

inline give_back(s) {
	c = has[s];
	has[s] = NONE;
	lent[c] = false;
	if
	:: spoiled[c] -> close_connection(c)
	:: else
	fi
}

/* session_pool_lost, and a connection that ended. */
inline lose(s) {
	c = has[s];
	has[s] = NONE;
	gone[s] = true;
	close_connection(c)
}

/* One that is open and that nobody has. */
inline find_free() {
	c = 0;
	do
	:: c < CONNECTIONS && !(open[c] && !lent[c] && !spoiled[c]) -> c++
	:: else -> break
	od
}

inline put(by, what, v) {
	owed[by]++;
	to_server[has[by]]!what(by, v)
}

inline send_command(s) {
	left[s]--;
	if
#if defined(WITH_STATE)
	:: s == 1 && !did_set[s] -> /* SET: seen, and leaves nothing else */
		did_set[s] = true;
		touches[s] = true;
		put(s, SET, s)
#endif
	:: unseen[has[s]] = true; put(s, COMMAND, DEFAULT)
	fi
}

#if defined(M_LEAVE_IT)
#define undo_due(s) false
#else
#define undo_due(s) (unseen[has[s]] && holder[has[s]] != s)
#endif

/* on_another: what goes in front of the first command. */
inline carry(s) {
#if !defined(M_NO_CARRY)
	if
	:: undo_due(s) || tries[s] > 0 && !asking[s] && undoing ->
		undoing = true;
		unseen[c] = false;
		carrying[s] = true;
		put(s, UNDO, kept[s])
	:: else ->
		if
		:: kept_there[c] != kept[s] -> carrying[s] = true; put(s, SETTINGS, kept[s])
		:: else
		fi
	fi;
#if defined(M_WAIT_FOR_NOTHING)
	ahead[s] = ahead[s] || carrying[s];
	carrying[s] = false;
#endif
#endif
	holder[c] = s
}

inline carry_ended(s) {
	if
#if defined(M_TAKE_ERRORS_FOR_ANSWERS)
	:: type == ANSWER || type == FAILED ->
#else
	:: type == ANSWER ->
#endif
		if :: asking[s] -> kept[s] = value; touches[s] = false :: else fi;
		kept_there[c] = kept[s];
		carrying[s] = false; ahead[s] = false; asking[s] = false; undoing = false; tries[s] = 0
	:: else ->
		if
		:: carrying[s] && tries[s] < TRIES ->
			tries[s]++;
			if :: asking[s] -> put(s, QUESTION, DEFAULT) :: else -> carry(s) fi
		:: else -> lose(s)
		fi
	fi
}

/* session_pool.c: nothing is under way, and no cancel that could still arrive. */
#if defined(M_IGNORE_CANCELS)
#define no_cancels(s) true
#else
#define no_cancels(s) (cancelling[s] == 0)
#endif
#if defined(M_IGNORE_ANSWERS)
#define no_answers(s) true
#else
#define no_answers(s) (owed[s] == 0)
#endif
#define at_rest(s) (has[s] != NONE && !in_tx[s] && no_answers(s) && no_cancels(s))
#if defined(M_ASK_NOTHING)
#define asks(s) false
#else
#define asks(s) touches[s]
#endif

proctype session(byte s) {
	byte c, who, value;
	mtype type;
	bool undoing;

end:	do
	:: gone[s] -> break
	/* the client sends: a connection is borrowed, and made what it was to this session */
	:: atomic { !gone[s] && left[s] > 0 && has[s] == NONE ->
		find_free();
		if
		:: c < CONNECTIONS ->
			has[s] = c;
			lent[c] = true;
			carry(s);
			if :: !carrying[s] -> send_command(s) :: else fi
		:: else /* waits */
		fi }
	:: atomic { !gone[s] && left[s] > 0 && has[s] != NONE && !carrying[s] && owed[s] < 2 &&
		nfull(to_server[has[s]]) -> send_command(s) }
	/* the server answers */
	:: atomic { has[s] != NONE && nempty(from_server[has[s]]) ->
		c = has[s];
		from_server[c]?type, who, value;
		/* P1: an answer is for the session that asked */
		assert(who == s);
		assert(owed[s] > 0);
		owed[s]--;
		if
		:: carrying[s] || ahead[s] -> carry_ended(s)
		:: else ->
			if
			:: in_tx[s] = true
			:: in_tx[s] = false
			fi
		fi }
	/* ... or has ended */
	:: atomic { !gone[s] && has[s] != NONE && !open[has[s]] && empty(from_server[has[s]]) -> lose(s) }
#if !defined(NO_CANCELS)
	/* the client cancels what runs */
	:: atomic { !gone[s] && has[s] != NONE && owed[s] > 0 && !carrying[s] && !ahead[s] &&
		!asked_cancel[s] && nfull(cancels) ->
		asked_cancel[s] = true;
		cancelling[s]++;
		cancels!has[s](s) }
#endif
	:: atomic { at_rest(s) && !asks(s) -> give_back(s) }
	:: atomic { at_rest(s) && asks(s) && !carrying[s] && open[has[s]] ->
		carrying[s] = true;
		asking[s] = true;
		put(s, QUESTION, DEFAULT) }
	/* the client is gone */
	:: atomic { !gone[s] ->
		gone[s] = true;
		if
		:: has[s] == NONE
		:: has[s] != NONE && at_rest(s) && !touches[s] -> give_back(s)
#if defined(M_REUSE_WHATEVER)
		:: has[s] != NONE && !(at_rest(s) && !touches[s]) -> give_back(s)
#else
		:: has[s] != NONE && !(at_rest(s) && !touches[s]) -> lose(s)
#endif
		fi }
	od
}

init {
	byte i;

	atomic {
		for (i : 1 .. SESSIONS) { has[i] = NONE; left[i] = COMMANDS };
		open[0] = true;
		run server(0);
		run canceller();
		for (i : 1 .. SESSIONS) { run session(i) }
	}
}
