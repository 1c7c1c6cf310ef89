/* SPDX-License-Identifier: MIT
 *
 * One portal that a client reads in pieces, a limit on its rows, and who cancels: what
 * runtime/session/session_limit.c keeps. The server says nothing before Flush, Sync or an error, unless
 * what it has to say fills its buffer. A CancelRequest is a process of its own, whoever sends it, and
 * arrives when it likes. Numbers are ghosts, as in session.pml.
 *
 * -DM_... leaves something out that the engine does; model_test.sh makes sure that each is found.
 */
#ifndef MESSAGES
#define MESSAGES 4 /* what the client sends before it closes with a Sync */
#endif
#ifndef ROWS
#define ROWS 3 /* of the portal */
#endif
#define LIMIT 1 /* rows of it that the policy allows */
#define SLOTS 8
#define NUMBERS 12
#define NONE 0
#define CLIENTS 15 /* a cancel that the client asked for */

mtype = { PIECE, REST, WRITE,		/* Execute: one row, all that is left, something else */
	FLUSH, SYNC,
	POISON_PARSE, POISON_QUERY,	/* of the gateway */
	ROW, SUSPENDED, COMPLETE, ERROR, READY, WARNING };
mtype = { PASS, TO_READY, POISONED, TO_ERROR }; /* enum session_swallow */

/* type, number, status of READY */
chan c2g = [1] of { mtype, byte };
chan g2s = [6] of { mtype, byte };
chan out = [8] of { mtype, byte, byte }; /* the server's buffer */
chan s2g = [2] of { mtype, byte, byte };
chan g2c = [5] of { mtype, byte, byte };
chan cancels = [2] of { byte }; /* on their way: for which command */
chan settled = [2] of { byte };

bool closed;
bool committed[NUMBERS]; /* by Sync: a WRITE of its batch took effect */

/* The gateway's. */
mtype r_kind[SLOTS];
byte r_number[SLOTS], n_replies;
byte used, g_cancels, g_tx;
bool hit, limiting, limit_cancels, skip_to_sync, batch_wrote;
byte forwarded, under_way; /* ghosts: the last command sent on, and that at the last cancel */
mtype swallow = PASS;

/* ---- the client ------------------------------------------------------------------------------- */

byte owed[SLOTS], n_owed;
byte sent, asked, answered, rows; /* asked: the last Execute */
byte waits; /* after Flush, for the answer to this one */
bool saw_error, dirty;
byte c_tx;

inline client_takes() {
	if
	:: type == ROW ->
		rows++;
		/* I5: never more rows than the command's limit */
		assert(rows <= LIMIT)
	:: type == READY ->
		/* I3: one for each Sync, in order */
		assert(n_owed > 0 && owed[0] == number);
		/* I3: what the client was told of its transaction is what it is */
		assert(c_tx != 'T' || status == (saw_error -> 'E' : 'T'));
		/* I7: what took effect is not reported as failed */
		assert(!(saw_error && committed[number]));
		c_tx = status; saw_error = false; waits = NONE;
		n_owed--;
		for (i : 0 .. SLOTS - 2) { owed[i] = owed[i + 1] };
		owed[SLOTS - 1] = NONE
	:: type == WARNING
	:: else ->
		/* I4: no answer stands where that of another command belongs */
		assert(n_owed == 0 || number < owed[0]);
		assert(!saw_error);
		saw_error = (type == ERROR);
		answered = number;
		if :: number >= waits || saw_error -> waits = NONE :: else fi
	fi
}

inline client_sends(what) { sent++; c2g!what(sent) }

inline send_sync() {
	dirty = false;
	owed[n_owed] = sent + 1;
	n_owed++;
	client_sends(SYNC)
}

#define MAY_SEND (rest > 0 && !waits && nfull(c2g))

proctype client() {
	byte i, number, status, rest = MESSAGES;
	mtype type;

	do
	:: atomic { g2c?type(number, status) -> client_takes() }
	:: atomic { MAY_SEND -> rest--; dirty = true; asked = sent + 1;
		if :: client_sends(PIECE) :: client_sends(REST) :: client_sends(WRITE) fi }
	:: atomic { MAY_SEND && dirty && !saw_error && answered < asked -> rest--;
		waits = asked;
		client_sends(FLUSH) }
	:: atomic { MAY_SEND && dirty -> rest--; send_sync() }
	:: atomic { rest == 0 && !waits && dirty && nfull(c2g) -> send_sync() }
	:: atomic { rest == 0 && !waits && !dirty && n_owed == 0 && empty(c2g) && empty(g2c) -> closed = true; break }
	od
}

/* ---- the server ------------------------------------------------------------------------------- */

byte s_tx, s_signal, s_running, s_left = ROWS;
bool s_skip, s_gone /* the portal */, s_wrote, s_failed;

inline say(what, whom) { out!what(whom, s_tx) }

inline flush() {
	do
	:: atomic { nempty(out) && nfull(s2g) -> out?type(n, status); s2g!type(n, status) }
	:: atomic { empty(out) -> break }
	od
}

inline fail(whom) {
	atomic {
		s_signal = NONE; s_running = NONE;
		s_failed = true;
		if :: s_tx == 'T' -> s_tx = 'E' :: else fi;
		say(ERROR, whom)
	};
	flush()
}

inline interrupted() {
	/* I6: a cancel of the gateway's own ends the command that it was sent for, or one that was at
	 * the server already */
	assert(s_signal == CLIENTS || number <= under_way)
}

inline execute(all) {
	given = 0;
	s_running = number;
	do
	:: atomic { s_signal != NONE -> interrupted() }; fail(number); s_skip = true; break
	:: atomic { s_signal == NONE && s_left > 0 && (all || given == 0) && nfull(out) ->
		s_left--; given++; say(ROW, number) }
	:: s_signal == NONE && given > 0 -> flush() /* it fills the buffer */; given = 1
	:: atomic { s_signal == NONE && s_left == 0 -> say(COMPLETE, number); s_running = NONE; break }
	:: atomic { s_signal == NONE && s_left > 0 && !all && given > 0 ->
		say(SUSPENDED, number); s_running = NONE; break }
	od
}

proctype server() {
	byte number, status, n, given;
	mtype type, what;

end:	do
	:: closed -> break
	:: atomic { g2s?what(number) ->
		if :: s_skip && what != SYNC && what != POISON_QUERY -> what = 0 :: else fi };
		if
		:: what == 0
		:: what == FLUSH -> flush()
		:: what == POISON_PARSE -> fail(number); s_skip = true
		:: what == POISON_QUERY -> fail(number); say(READY, number); flush()
		:: what == SYNC ->
			atomic {
				committed[number] = s_wrote && !s_failed && s_tx == 'I';
				s_skip = false; s_wrote = false; s_failed = false; s_signal = NONE;
				s_gone = s_gone || s_tx != 'T';
				say(READY, number)
			};
			flush()
		:: (what == PIECE || what == REST) && (s_gone || s_tx == 'E') -> fail(number); s_skip = true
		:: (what == PIECE || what == REST) && !s_gone && s_tx != 'E' -> execute((what == REST))
		:: what == WRITE && s_tx == 'E' -> fail(number); s_skip = true
		:: what == WRITE && s_tx != 'E' ->
			s_running = number;
			if
			:: atomic { s_signal != NONE -> interrupted() }; fail(number); s_skip = true
			:: atomic { s_signal == NONE -> s_wrote = true; say(COMPLETE, number); s_running = NONE }
			fi
		fi
	od
}

/* A signal that comes while the server waits for a message means nothing to it: PostgresMain() drops
 * what came before it begins with one. */
proctype canceller() {
	byte whom;

end:	do
	:: closed -> break
	:: atomic { cancels?whom ->
		if
		:: s_running != NONE -> s_signal = whom
		:: s_running == NONE
		fi };
		settled!whom
	od
}

/* The client's key, on a connection of its own. */
proctype impatient() {
end:	atomic { !closed && n_replies > 0 && g_cancels == 0 -> g_cancels++; cancels!CLIENTS }
}

/* ---- the gateway ------------------------------------------------------------------------------ */

inline push(kind, whom) {
	assert(n_replies < SLOTS);
	r_kind[n_replies] = kind; r_number[n_replies] = whom;
	n_replies++
}

inline pop() {
	n_replies--;
	for (i : 0 .. SLOTS - 2) { r_kind[i] = r_kind[i + 1]; r_number[i] = r_number[i + 1] };
	r_kind[SLOTS - 1] = 0; r_number[SLOTS - 1] = 0;
	limiting = false; hit = false;
#if defined(M_COUNT_EACH_EXECUTE)
	used = 0
#endif
}

inline drop_to_sync() {
	do
	:: n_replies > 0 && r_kind[0] != SYNC -> pop()
	:: else -> break
	od;
	if :: n_replies == 0 -> skip_to_sync = true :: else fi
}

inline stop() {
	hit = true; limiting = true;
	under_way = forwarded;
	if :: g_cancels == 0 -> g_cancels++; cancels!number :: else fi;
	limit_cancels = true
}

/* Nothing of another command is under way that would count as skipped: session_limit_may_fail(). */
inline may_fail() {
	i = 1; lie = false;
	do
	:: i < n_replies && r_kind[i] != SYNC ->
		lie = lie || r_kind[i] == WRITE || r_kind[i] == PIECE || r_kind[i] == REST; i++
	:: else -> break
	od;
	lie = lie || !(i == n_replies || i == n_replies - 1);
#if defined(M_FAIL_WHATEVER_RUNS_BEHIND)
	lie = false;
#endif
#if !defined(M_FORGET_WHAT_WROTE)
	/* At its Sync the server commits what its batch wrote before. */
	lie = lie || (i < n_replies && batch_wrote && g_tx != 'T')
#endif
}

inline ended() {
	if
	:: hit && swallow == PASS -> may_fail()
	:: else -> lie = true
	fi;
	if
	:: !lie ->
		g2c!ERROR(number, NONE);
		pop();
		if
		:: n_replies > 0 && r_kind[n_replies - 1] == SYNC -> swallow = TO_READY
		:: else ->
			push(POISON_PARSE, number);
			swallow = TO_ERROR;
			skip_to_sync = true;
			g2s!POISON_PARSE(number)
		fi
	:: else ->
		if :: hit && swallow == PASS -> g2c!WARNING(number, NONE) :: else fi;
		if :: swallow == PASS -> g2c!type(number, NONE) :: else fi;
		batch_wrote = batch_wrote || r_kind[0] == WRITE;
#if defined(M_SUSPENDED_IS_NO_END)
		if :: type != SUSPENDED -> pop() :: else fi
#else
		pop()
#endif
	fi
}

inline ready() {
	if
#if !defined(M_LEAVE_THE_TRANSACTION)
	:: swallow == TO_READY && status == 'T' -> swallow = POISONED; g2s!POISON_QUERY(number)
	:: !(swallow == TO_READY && status == 'T') ->
#else
	:: true ->
#endif
		swallow = PASS;
		g_tx = status;
		batch_wrote = false;
		g2c!READY(number, status);
		pop()
	fi
}

inline server_takes() {
	/* I4: a message of the server belongs to the reply at the head of the queue */
	assert(n_replies > 0 && r_number[0] == number);
	if
	:: type == ROW ->
		if
		:: hit || swallow != PASS
		:: !hit && swallow == PASS && used == LIMIT -> stop()
		:: !hit && swallow == PASS && used < LIMIT -> used++; g2c!ROW(number, NONE)
		fi
	:: type == ERROR ->
		if :: swallow == PASS -> g2c!ERROR(number, NONE) :: else fi;
		if :: swallow == TO_ERROR -> swallow = PASS :: else fi;
		if :: r_kind[0] != SYNC -> drop_to_sync() :: else fi
	:: type == COMPLETE || type == SUSPENDED -> ended()
	:: type == READY -> ready()
	fi
}

#if defined(M_GO_ON_MEANWHILE)
#define BLOCKS false
#else
#define BLOCKS (limiting || limit_cancels || swallow == TO_READY || swallow == POISONED)
#endif
#define ROOM (len(g2c) <= 3 && len(g2s) <= 4)

proctype gateway() {
	byte i, number, status;
	mtype type;
	bool lie;

end:	do
	:: closed -> break
	:: atomic { ROOM && nempty(c2g) && skip_to_sync && !c2g?[SYNC, _] -> c2g?type(number) }
	:: atomic { ROOM && !BLOCKS && c2g?[SYNC, _] ->
		c2g?type(number);
		push(SYNC, number);
		skip_to_sync = false;
		g2s!SYNC(number) }
	:: atomic { ROOM && !BLOCKS && !skip_to_sync && nempty(c2g) && !c2g?[SYNC, _] ->
		c2g?type(number);
		if
#if defined(M_SWALLOW_FLUSH)
		:: type == FLUSH
#else
		:: type == FLUSH -> g2s!FLUSH(number)
#endif
		:: else -> push(type, number); forwarded = number; g2s!type(number)
		fi }
	:: atomic { ROOM && nempty(s2g) -> s2g?type(number, status); server_takes() }
	:: atomic { ROOM && nempty(settled) ->
		settled?number;
		g_cancels--;
		if
		:: g_cancels == 0 ->
			limit_cancels = false;
			if
#if !defined(M_NO_OWN_FLUSH)
			/* Had it completed, the server would keep that to itself up to Sync. */
			:: limiting && n_replies > 0 && r_kind[0] != SYNC -> g2s!FLUSH(number)
#endif
			:: else
			fi
		:: else
		fi }
	od
}

init {
	atomic {
		if :: s_tx = 'I' :: s_tx = 'T' fi;
		g_tx = s_tx;
		c_tx = s_tx;
		run client(); run server(); run gateway(); run canceller();
#if defined(WITH_CANCEL)
		run impatient()
#endif
	}
}
