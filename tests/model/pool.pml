/* SPDX-License-Identifier: MIT
 *
 * Server connections that two sessions share by transaction, as runtime/session/session_pool.c and
 * pool.c lend them: one connection at a time, a fresh one after one that was closed. A message
 * carries the session it stems from, which neither side reads but to assert. Each session sends a
 * few commands, may open a transaction, cancel what runs, and vanish at any moment; a CancelRequest
 * takes its time, and may be thought lost and still arrive.
 *
 * -DM_... leaves something out that the engine does; model_test.sh makes sure that each is found.
 */
#ifndef COMMANDS
#define COMMANDS 2 /* of each session */
#endif
#define SESSIONS 2
#define CONNECTIONS 3
#define NOBODY 0 /* sessions count from 1 */
#define NONE CONNECTIONS

mtype = { COMMAND, SETTINGS, ANSWER, CANCELLED };

chan to_server[CONNECTIONS] = [2] of { mtype, byte };
chan from_server[CONNECTIONS] = [2] of { mtype, byte };
chan cancels = [2] of { byte, byte }; /* connection, session: on their way */

bool open[CONNECTIONS], lent[CONNECTIONS], spoiled[CONNECTIONS];
byte set_for[CONNECTIONS];	/* whose settings the server has */
byte reported[CONNECTIONS];	/* ... as far as the gateway knows */
byte signalled[CONNECTIONS];	/* for whom the server was told to cancel */

byte has[SESSIONS + 1];		/* the connection in hand */
byte owed[SESSIONS + 1];	/* answers of the server that are to come */
bool carrying[SESSIONS + 1];	/* the first of them is to the gateway's own settings */
bool in_tx[SESSIONS + 1], gone[SESSIONS + 1];
byte cancelling[SESSIONS + 1];	/* CancelRequests that are not settled */
byte left[SESSIONS + 1];	/* commands still to send */
bool asked_cancel[SESSIONS + 1];

/* ---- the server ------------------------------------------------------------------------------- */

proctype server(byte c) {
	byte who;
	mtype type;

end:	do
	:: !open[c] -> break
	:: atomic { open[c] && nempty(to_server[c]) ->
		to_server[c]?type, who;
		if
		:: type == SETTINGS ->
			set_for[c] = who;
			from_server[c]!ANSWER(who)
		:: else ->
			/* P2: it runs under the settings of its session */
			assert(set_for[c] == who);
			if
			:: signalled[c] != NOBODY ->
				/* P3: a cancel ends a command of the session that asked for it */
				assert(signalled[c] == who);
				from_server[c]!CANCELLED(who)
			:: from_server[c]!ANSWER(who)
			fi;
			signalled[c] = NOBODY
		fi }
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
	:: c + 1 < CONNECTIONS -> open[c + 1] = true; run server(c + 1)
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

/* One that is open and that nobody has. */
inline find_free() {
	c = 0;
	do
	:: c < CONNECTIONS && !(open[c] && !lent[c] && !spoiled[c]) -> c++
	:: else -> break
	od
}

inline send_command(s) {
	left[s]--;
	owed[s]++;
	to_server[has[s]]!COMMAND(s)
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

proctype session(byte s) {
	byte c, who;
	mtype type;

end:	do
	:: gone[s] -> break
	/* the client sends: a connection is borrowed, and set first if it is set otherwise */
	:: atomic { !gone[s] && left[s] > 0 && has[s] == NONE ->
		find_free();
		if
		:: c < CONNECTIONS ->
			has[s] = c;
			lent[c] = true;
#if !defined(M_NO_CARRY)
			if
			:: reported[c] != s ->
				reported[c] = s;
				carrying[s] = true;
				owed[s]++;
				to_server[c]!SETTINGS(s)
			:: else -> send_command(s)
			fi
#else
			send_command(s)
#endif
		:: else /* waits */
		fi }
	:: atomic { !gone[s] && left[s] > 0 && has[s] != NONE && !carrying[s] && owed[s] < 2 &&
		nfull(to_server[has[s]]) -> send_command(s) }
	/* the server answers */
	:: atomic { has[s] != NONE && nempty(from_server[has[s]]) ->
		from_server[has[s]]?type, who;
		/* P1: an answer is for the session that asked */
		assert(who == s);
		assert(owed[s] > 0);
		owed[s]--;
		if
		:: carrying[s] -> carrying[s] = false
		:: else ->
			if
			:: in_tx[s] = true
			:: in_tx[s] = false
			fi
		fi }
	/* the client cancels what runs */
	:: atomic { !gone[s] && has[s] != NONE && owed[s] > 0 && !carrying[s] && !asked_cancel[s] &&
		nfull(cancels) ->
		asked_cancel[s] = true;
		cancelling[s]++;
		cancels!has[s](s) }
	:: atomic { at_rest(s) -> give_back(s) }
	/* the client is gone */
	:: atomic { !gone[s] ->
		gone[s] = true;
		if
		:: has[s] == NONE
		:: has[s] != NONE && at_rest(s) -> give_back(s)
#if defined(M_REUSE_WHATEVER)
		:: has[s] != NONE && !at_rest(s) -> give_back(s)
#else
		:: has[s] != NONE && !at_rest(s) -> c = has[s]; has[s] = NONE; close_connection(c)
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
