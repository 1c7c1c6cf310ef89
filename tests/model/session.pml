/* SPDX-License-Identifier: MIT
 *
 * The state of a session between a client that pipelines and a server that behaves as PostgreSQL
 * does, as runtime/session/session*.c keeps it. README.md says what is and is not in it.
 *
 * A message has a type, the number of the client's message it stems from, and for Parse and Execute
 * what it means. Numbers are ghosts: neither side reads them but to assert. -DM_... leaves something
 * out that the engine does; model_test.sh makes sure that each is found.
 */
#ifndef MESSAGES
#define MESSAGES 4 /* what the client sends before it closes with a Sync */
#endif
#ifndef DEPTH
#define DEPTH 2 /* messages under way on a connection */
#endif
#define SLOTS 8 /* replies owed at once; more is an error of the model */
#define NUMBERS 16
#define NONE 0

mtype = { QUERY, PARSE, EXECUTE, SYNC, DATA, DONE, TERMINATE,	/* of the client */
	POISON_QUERY, POISON_PARSE,			/* of the gateway */
	OK, COPY_IN, ERROR, READY, FATAL,		/* of the server, and local ones */
	LOCAL };					/* a reply that the gateway owes by itself */
mtype = { ALLOW_READ, ALLOW_WRITE, ALLOW_COPY, DENY, HOLD };

/* type, number, what it means (a number of a message; its class is class[]) */
chan c2g = [DEPTH] of { mtype, byte, byte };
chan g2s = [DEPTH + 4] of { mtype, byte, byte };
chan s2g = [DEPTH] of { mtype, byte, byte };
chan g2c = [DEPTH + 4] of { mtype, byte, byte };

/* ---- ghosts ----------------------------------------------------------------------------------- */

mtype class[NUMBERS];	/* what the policy says to the statement of Query or Parse */
bool approved[NUMBERS];	/* by people, for this very message */
byte tickets, durable;	/* records of the audit log: appended, on disk */
bool closed;		/* the session is over */
#if defined(WITH_TERMINATE)
bool queried[NUMBERS];	/* by itself, and not held: it runs or is refused, and is answered */
bool ran[NUMBERS], ready_sent[NUMBERS];
bool terminating;	/* the client has said so */
bool server_gone;
#endif

/* ---- the client ------------------------------------------------------------------------------- */

byte owed[SLOTS], n_owed;	/* numbers of the Syncs and Queries without ReadyForQuery */
byte sent, last_reply;
bool copying;			/* a COPY of its own was sent and has not ended */
bool copy_open;			/* the server said so */
bool copy_fed;			/* data was sent: no Sync until it has ended */
byte copy_number, copy_batch;	/* it, and the Sync before it */
bool copy_extended, dirty;	/* dirty: extended messages since the last Sync */
bool in_tx, saw_error;
byte last_sync;			/* number of the last Sync that was sent */
bool batch_failed;		/* the server skips what is sent up to the next one */
bool in_batch[NUMBERS];		/* a Query among extended messages is skipped with them */

inline owe(number) {
	assert(n_owed < SLOTS);
	owed[n_owed] = number;
	n_owed++
}

inline shift_owed() {
	n_owed--;
	for (i : 0 .. SLOTS - 2) { owed[i] = owed[i + 1] };
	owed[SLOTS - 1] = NONE
}

/* What the client is told, in the order of what it asked. */
inline client_takes(type, number, status) {
	if
	:: type == FATAL -> closed = true
	:: type == READY ->
		do
		:: n_owed > 0 && owed[0] < number && in_batch[owed[0]] && saw_error -> shift_owed()
		:: else -> break
		od;
		/* I3: one ReadyForQuery for each Sync and Query, in order */
		assert(n_owed > 0 && owed[0] == number);
		/* I3: a command that failed in a transaction leaves it failed */
		assert(!(in_tx && saw_error) || status != 'T');
		in_tx = (status == 'T');
		saw_error = false;
		if :: copying && copy_number <= number -> copying = false; copy_open = false; copy_fed = false :: else fi;
		shift_owed()
	:: type == COPY_IN ->
		assert(copying && copy_number == number);
		copy_open = true;
		/* What was sent as a Sync since is no Sync to the server. */
		n_owed = (copy_extended -> 0 : 1);
		for (i : n_owed .. SLOTS - 1) { owed[i] = NONE };
		dirty = copy_extended
	:: else ->
		/* I4: no answer stands where that of another command belongs */
		assert(number >= last_reply && (n_owed == 0 || number <= owed[0]));
		last_reply = number;
		saw_error = saw_error || type == ERROR;
		if :: copying && number == copy_number ->
			copying = false; copy_open = false; copy_fed = false
		:: copying && copy_extended && type == ERROR && !copy_open &&
			number > copy_batch ->
			copying = false; copy_fed = false /* skipped */
		:: else
		fi;
		if :: type == ERROR && dirty && number > last_sync -> batch_failed = true :: else fi
	fi
}

inline client_sends(type, meaning) {
	sent++;
	c2g!type(sent, meaning)
}

inline send_sync() {
	dirty = false;
	batch_failed = false;
	last_sync = sent + 1;
	owe(sent + 1);
	client_sends(SYNC, NONE)
}

#if defined(WITH_TERMINATE)
#define STAYS !terminating
#else
#define STAYS true
#endif

proctype client() {
	byte i, number, status, rest = MESSAGES;
	mtype type;
	bool closing;

	do
	:: atomic { g2c?type(number, status) -> client_takes(type, number, status) }
	:: atomic { closed -> break }
#if defined(WITH_QUERY)
	:: atomic { !closed && rest > 0 && !copying && nfull(c2g) ->
		rest--;
		if
#if !defined(ONLY_HOLD)
		:: class[sent + 1] = ALLOW_READ
		:: class[sent + 1] = ALLOW_WRITE
		:: class[sent + 1] = DENY
#endif
#if defined(WITH_HOLD)
		:: class[sent + 1] = HOLD
#endif
#if defined(WITH_COPY)
		:: class[sent + 1] = ALLOW_COPY; copying = true; copy_number = sent + 1;
			copy_extended = false
#endif
		fi;
		owe(sent + 1);
		in_batch[sent + 1] = dirty;
#if defined(WITH_TERMINATE)
		queried[sent + 1] = !dirty;
#endif
		client_sends(QUERY, sent) }
#endif
#if defined(WITH_BATCH)
	:: atomic { !closed && rest > 0 && !copying && nfull(c2g) ->
		rest--;
		if
#if !defined(ONLY_HOLD)
		:: class[sent + 1] = ALLOW_READ
		:: class[sent + 1] = ALLOW_WRITE
		:: class[sent + 1] = DENY
#endif
#if defined(WITH_HOLD)
		:: class[sent + 1] = HOLD
#endif
#if defined(WITH_COPY)
		:: class[sent + 1] = ALLOW_COPY
#endif
		fi;
		dirty = true;
		client_sends(PARSE, sent) }
	:: atomic { !closed && rest > 0 && !copying && nfull(c2g) ->
		rest--;
		dirty = true;
#if defined(WITH_COPY)
		/* Whatever it is, the client waits as if it were a COPY. */
		copying = !batch_failed; copy_number = sent + 1; copy_extended = true;
		copy_batch = last_sync;
#endif
		client_sends(EXECUTE, NONE) }
	:: atomic { !closed && rest > 0 && !copy_open && !copy_fed && nfull(c2g) && dirty ->
		rest--;
		send_sync() }
#endif
#if defined(WITH_COPY)
	/* Ahead of the server's word or after it. */
	:: atomic { !closed && rest > 0 && copying && nfull(c2g) ->
		rest--; copy_fed = true;
		client_sends(DATA, NONE) }
	:: atomic { !closed && copying && nfull(c2g) && copy_open && !closing ->
		copying = false; copy_open = false; copy_fed = false;
		client_sends(DONE, NONE) }
#endif
#if defined(WITH_TERMINATE)
	:: atomic { !closed && !terminating && !closing && !copying && nfull(c2g) ->
		terminating = true; rest = 0;
		client_sends(TERMINATE, NONE) }
#endif
	/* Everything is closed with a Sync, which must be answered. */
	:: atomic { !closed && STAYS && !closing && !copy_open && !copy_fed && nfull(c2g) && (rest == 0 || !copying) ->
		closing = true; rest = 0;
		if
		:: dirty -> send_sync()
		:: else
		fi }
	/* A COPY that the server opened after that is ended, and closed again. */
	:: atomic { !closed && closing && copying && copy_open && nfull(c2g) ->
		copying = false; copy_open = false; copy_fed = false; closing = false;
		client_sends(DONE, NONE) }
	:: atomic { closing && n_owed == 0 && !dirty && !(copying && copy_open) && empty(c2g) && empty(g2c) -> break }
	od
}

/* ---- the server ------------------------------------------------------------------------------- */

byte s_name;		/* what the statement's name means */
bool s_skip;		/* everything up to Sync is ignored */
byte s_copy;		/* the command that takes COPY data */
bool s_copy_extended;
byte s_tx = 'I';

inline s_fail(number) {
	s2g!ERROR(number, NONE);
	if :: s_tx == 'T' -> s_tx = 'E' :: else fi
}

/* What runs was judged as what it is, and allowed. */
inline s_runs(number, meaning) {
	/* I1: judged, allowed or approved, and still what it was judged as */
	assert(class[meaning] != DENY);
	assert(class[meaning] != HOLD || approved[number])
}

proctype server() {
	byte number, meaning;
	mtype type;

end:	do
	:: closed -> break
	:: g2s?type(number, meaning) ->
		if
#if defined(WITH_TERMINATE)
		:: type == TERMINATE -> server_gone = true; break
		:: s_skip && type != SYNC && type != TERMINATE
#else
		:: s_skip && type != SYNC
#endif
		:: s_copy && !(s_skip && type != SYNC) ->
			if
			:: type == DATA -> /* perhaps it is not what the table takes */
				if
				:: true
				:: s_fail(s_copy);
					if
					:: s_copy_extended -> s_skip = true
					:: else -> s2g!READY(s_copy, s_tx)
					fi;
					s_copy = NONE
				fi
			:: type == DONE ->
				s2g!OK(s_copy, NONE);
				if :: !s_copy_extended -> s2g!READY(s_copy, s_tx) :: else fi;
				s_copy = NONE
			:: type == SYNC /* ignored */
			:: else -> assert(false) /* the client of this model does not */
			fi
		:: else ->
			if
			:: type == QUERY ->
				s_runs(number, meaning);
#if defined(WITH_TERMINATE)
				ran[number] = true;
#endif
				if
				:: s_fail(number); s2g!READY(number, s_tx)
				:: s_tx != 'E' && class[meaning] != ALLOW_COPY ->
					s2g!OK(number, NONE); s2g!READY(number, s_tx)
#if defined(WITH_TX)
				:: s_tx == 'I' && class[meaning] == ALLOW_READ ->
					s_tx = 'T'; s2g!OK(number, NONE); s2g!READY(number, s_tx)
				:: s_tx != 'I' && class[meaning] == ALLOW_READ ->
					s_tx = 'I'; s2g!OK(number, NONE); s2g!READY(number, s_tx)
#endif
				:: s_tx != 'E' && class[meaning] == ALLOW_COPY ->
					s_copy = number; s_copy_extended = false; s2g!COPY_IN(number, NONE)
				fi
			:: type == POISON_QUERY -> s_fail(number); s2g!READY(number, s_tx)
			:: type == POISON_PARSE -> s_fail(number); s_skip = true
			:: type == PARSE ->
				if
				:: s_fail(number); s_skip = true
				:: s_tx != 'E' -> s_name = meaning; s2g!OK(number, NONE)
				fi
			:: type == EXECUTE ->
				if
				:: s_name == NONE || s_tx == 'E' -> s_fail(number); s_skip = true
				:: else ->
					/* I1: it is what it was judged as */
					assert(meaning == s_name);
					s_runs(number, s_name);
					if
					:: s_fail(number); s_skip = true
					:: class[s_name] != ALLOW_COPY -> s2g!OK(number, NONE)
					:: class[s_name] == ALLOW_COPY ->
						s_copy = number; s_copy_extended = true; s2g!COPY_IN(number, NONE)
					fi
				fi
			:: type == SYNC -> s_skip = false; s2g!READY(number, s_tx)
			:: type == DATA || type == DONE /* left over */
			fi
		fi
	od
}

/* ---- the gateway ------------------------------------------------------------------------------ */

/* The reply queue. */
mtype r_kind[SLOTS];	/* QUERY, PARSE, EXECUTE, SYNC or LOCAL */
byte r_number[SLOTS], r_ticket[SLOTS], r_makes[SLOTS];
bool r_refused[SLOTS], r_ready[SLOTS];
byte n_replies;

byte g_name;		/* the map: what the name means by the server's replies */
bool unsynced, skip_to_sync, copy_in, draining;
byte g_tx = 'I';
bool staged, pure, h_waits, h_ended;	/* of the message at the front of c2g */
bool h_released;
byte staged_ticket;

/* What is asked of the catalog: a reading that begins after that. */
#define NOT_ASKED 0
#define ASKED 1
#define BEING_READ 2
#define WAS_READ 3
#define COULD_NOT 4
byte k_state;		/* of what the message at the front has asked for */
bool k_wanted, k_reads;	/* somebody wants it to be read, it is being read */
byte k_since;		/* a ghost, likewise: since the message came, or was released */

inline ask_catalog() { k_state = ASKED; k_wanted = true }

inline push(kind, number, ticket) {
	assert(n_replies < SLOTS);
	r_kind[n_replies] = kind; r_number[n_replies] = number; r_ticket[n_replies] = ticket;
	n_replies++
}

inline pop() {
	n_replies--;
	for (i : 0 .. SLOTS - 2) {
		r_kind[i] = r_kind[i + 1]; r_number[i] = r_number[i + 1]; r_ticket[i] = r_ticket[i + 1];
		r_makes[i] = r_makes[i + 1]; r_refused[i] = r_refused[i + 1]; r_ready[i] = r_ready[i + 1]
	};
	r_kind[SLOTS - 1] = 0; r_number[SLOTS - 1] = 0; r_ticket[SLOTS - 1] = 0;
	r_makes[SLOTS - 1] = 0; r_refused[SLOTS - 1] = false; r_ready[SLOTS - 1] = false
}

inline record(ticket) { tickets++; ticket = tickets }

/* session_refuse.c: alone when the server is quiet, else by the server's own error. */
inline refuse(kind, number, ticket) {
#if defined(M_REFUSE_ALONE)
	quiet = true;
#else
	quiet = (n_replies == 0 && !unsynced && g_tx != 'T');
#endif
	if
	:: quiet -> push(LOCAL, number, ticket); r_ready[n_replies - 1] = (kind == QUERY)
	:: else ->
		push(kind, number, ticket);
		r_refused[n_replies - 1] = true;
		if
		:: kind == QUERY -> g2s!POISON_QUERY(number, NONE)
		:: else -> g2s!POISON_PARSE(number, NONE)
		fi
	fi;
	if :: kind != QUERY ->
#if !defined(M_NO_SKIP)
		skip_to_sync = true
#else
		skip
#endif
	:: else
	fi
}

#if defined(WITH_TERMINATE)
#define note_ready(n) ready_sent[n] = true

/* The client has terminated, and the session ends. */
inline ends() {
	for (i : 1 .. sent) {
		/* I8: what it sent before that was judged, ran if it may, and was answered */
		assert(!queried[i] || ((class[i] == DENY || ran[i]) && ready_sent[i]))
	};
	closed = true
}
#else
#define note_ready(n) skip
#endif

/* What was judged ends with its message. */
inline consume() {
	c2g?type(number, meaning);
#if !defined(M_STAGED_STAYS)
	staged = false; h_waits = false; h_ended = false; staged_ticket = NONE; pure = false;
	h_released = false;
#endif
#if !defined(M_READING_STAYS)
	k_state = NOT_ASKED;
#endif
	k_since = ASKED
}

/* find_object: the newest request in flight that makes the name, else the map. in_doubt: there is a
 * Sync behind that request. */
inline find_name() {
	found = g_name; doubt = false; synced = false;
	i = n_replies;
	do
	:: i > 0 ->
		i--;
		if :: r_kind[i] == SYNC -> synced = true :: else fi;
		if :: r_kind[i] == PARSE && !r_refused[i] -> found = r_makes[i]; doubt = synced; break :: else fi
	:: else -> break
	od;
	i = 0;
#if defined(M_NO_DOUBT)
	doubt = false;
#endif
	synced = false
}

/* The message at the front may run now: forward it. */
inline forward_staged(what) {
	/* I2: what may have an effect is on record before it goes on */
	assert(pure || durable >= staged_ticket);
	push(type, number, staged_ticket);
	g2s!type(number, what);
	if :: type == EXECUTE -> unsynced = true :: else fi;
	consume()
}

/* hold_awaits, hold_begin: people are asked by a catalog that was read since. */
inline hold_begins() {
	if
#if !defined(M_ASK_BY_OLD_NAMES)
	:: k_state == NOT_ASKED -> ask_catalog()
#endif
	:: else ->
		/* I9: what people see was read since the command came, or could not be */
		assert(k_since >= WAS_READ);
		k_state = NOT_ASKED;
		record(staged_ticket);
		if
		:: draining -> refuse(type, number, staged_ticket); consume()
		:: else -> h_waits = true
		fi
	fi
}

/* go_on: what was released is looked at again. */
inline hold_goes_on() {
	if
#if !defined(M_RELEASE_BY_OLD_NAMES)
	:: k_state == NOT_ASKED -> ask_catalog()
#endif
#if !defined(M_RELEASE_WHAT_IS_UNKNOWN)
	:: k_state == COULD_NOT -> refuse(type, number, staged_ticket); consume()
#endif
	:: else ->
		/* I9: what runs was read since it was released */
		assert(k_since == WAS_READ);
		k_state = NOT_ASKED;
		h_released = false; staged = true; pure = false;
		record(staged_ticket)
	fi
}
#define AWAITS (k_state == ASKED || k_state == BEING_READ)

/* A Query or Execute that is seen for the first time. */
inline stage(what) {
	if :: class[what] != HOLD -> record(staged_ticket) :: else fi;
	if
#if defined(M_FORWARD_UNJUDGED)
	:: class[what] == DENY -> staged = true; pure = true
#else
	:: class[what] == DENY ->
		refuse(type, number, staged_ticket);
		consume()
#endif
	:: class[what] == HOLD -> hold_begins()
	:: class[what] == ALLOW_READ -> staged = true; pure = true
	:: class[what] == ALLOW_WRITE || class[what] == ALLOW_COPY -> staged = true; pure = false
	fi
}

inline drop_to_sync() {
	do
	:: n_replies > 0 && r_kind[0] != SYNC && r_kind[0] != LOCAL -> pop()
	:: else -> break
	od;
	if :: n_replies == 0 -> skip_to_sync = true :: else fi
}

inline server_error() {
	copy_in = false;
	g2c!ERROR(number, NONE);
	if
	:: r_kind[0] != QUERY && r_kind[0] != SYNC ->
#if defined(M_NO_DROP)
		pop()
#else
		drop_to_sync()
#endif
	:: else
	fi
}

inline server_copy_in() {
	copy_in = true;
	g2c!COPY_IN(number, NONE);
#if !defined(M_KEEP_IGNORED_SYNC)
	/* The Syncs right behind the head. */
	do
	:: n_replies > 1 && r_kind[1] == SYNC ->
		r_kind[1] = r_kind[0]; r_number[1] = r_number[0]; r_ticket[1] = r_ticket[0];
		r_makes[1] = r_makes[0]; r_refused[1] = r_refused[0]; r_ready[1] = r_ready[0];
		pop()
	:: else -> break
	od;
#endif
	unsynced = unsynced || r_kind[0] == EXECUTE
}

inline server_takes() {
	/* I4: a message of the server belongs to the reply at the head of the queue */
	assert(n_replies > 0 && r_number[0] == number);
	/* I2: nothing of a command comes before its record is durable */
	assert(durable >= r_ticket[0]);
	if
	:: type == ERROR -> server_error()
	:: type == COPY_IN -> server_copy_in()
	:: type == OK ->
		assert(!r_refused[0] && r_kind[0] != SYNC);
		if :: r_kind[0] == PARSE -> g_name = r_makes[0] :: else fi;
		g2c!OK(number, NONE);
		if :: r_kind[0] != QUERY -> pop() :: else fi
	:: type == READY ->
		/* I3 */
		assert(r_kind[0] == QUERY || r_kind[0] == SYNC);
		g_tx = meaning;
		copy_in = false;
		g2c!READY(number, meaning);
		note_ready(number);
		pop();
#if defined(M_POP_TWICE)
		if :: n_replies > 0 -> pop() :: else fi
#endif
	fi
}

#define FRONT(t) c2g?[t, _, _]
#define HELD (h_waits || h_released || h_ended)
#define ROOM (len(g2c) <= DEPTH && len(g2s) <= DEPTH + 2)
#if defined(M_NO_GATE)
#define HEAD_DURABLE true
#else
#define HEAD_DURABLE (n_replies == 0 || durable >= r_ticket[0])
#endif
#if defined(M_FORWARD_EARLY)
#define MAY_GO true
#else
#define MAY_GO (pure || durable >= staged_ticket)
#endif

#if defined(M_RELEASE_WHAT_IS_WITHDRAWN)
#define MAY_RELEASE true
#else
#define MAY_RELEASE !h_ended
#endif

proctype gateway() {
	byte i, number, meaning, found, status;
	mtype type;
	bool quiet, doubt, synced, terminated;

end:	do
	:: closed -> break
	/* Messages of the client. */
	:: atomic { !closed && ROOM && nempty(c2g) && skip_to_sync && !FRONT(SYNC) && !FRONT(TERMINATE) ->
		consume() }
	:: atomic { !closed && ROOM && FRONT(SYNC) ->
		c2g?<type, number, meaning>;
		if
		:: copy_in
		:: else ->
			push(SYNC, number, NONE);
			skip_to_sync = false; unsynced = false;
			g2s!SYNC(number, NONE)
		fi;
		consume() }
	:: atomic { !closed && ROOM && !skip_to_sync && FRONT(PARSE) && !copy_in ->
		c2g?<type, number, meaning>;
		if
		:: class[number] == DENY ->
			record(staged_ticket);
			refuse(PARSE, number, staged_ticket)
		:: else ->
			push(PARSE, number, NONE);
			r_makes[n_replies - 1] = number;
			unsynced = true;
			g2s!PARSE(number, number)
		fi;
		consume() }
	:: atomic { !closed && ROOM && !skip_to_sync && !copy_in && FRONT(QUERY) && !staged && !HELD && !AWAITS ->
		c2g?<type, number, meaning>;
		meaning = number;
		stage(meaning) }
	:: atomic { !closed && ROOM && !skip_to_sync && !copy_in && FRONT(EXECUTE) && !staged && !HELD && !AWAITS ->
		find_name();
		if
		:: doubt -> /* wait until the server has answered */
			goto waits
		:: !doubt && found == NONE ->
			c2g?<type, number, meaning>;
			refuse(PARSE, number, NONE);
			consume()
		:: !doubt && found != NONE ->
			c2g?<type, number, meaning>;
			stage(found)
		fi }
	:: atomic { !closed && ROOM && !skip_to_sync && !copy_in && (FRONT(QUERY) || FRONT(EXECUTE)) &&
		staged && MAY_GO ->
		c2g?<type, number, meaning>;
		if
		:: type == QUERY -> found = number
		:: else ->
			find_name();
			if :: found == NONE || doubt -> found = NUMBERS - 1 :: else fi
		fi;
		if
		:: found == NUMBERS - 1 -> refuse(PARSE, number, NONE); consume()
		:: else -> forward_staged(found)
		fi }
	:: atomic { !closed && ROOM && !skip_to_sync && nempty(c2g) && h_released && MAY_RELEASE && !AWAITS ->
		c2g?<type, number, meaning>;
		hold_goes_on() }
	:: atomic { !closed && ROOM && !skip_to_sync && h_ended ->
		c2g?<type, number, meaning>;
		refuse(type, number, staged_ticket);
		consume() }
	:: atomic { !closed && ROOM && !skip_to_sync && (FRONT(DATA) || FRONT(DONE)) && (copy_in || n_replies == 0) ->
		c2g?<type, number, meaning>;
		if
		:: copy_in ->
			g2s!type(number, NONE);
			if :: type == DONE -> copy_in = false :: else fi
		:: else
		fi;
		consume() }
	/* Messages of the server. */
	:: atomic { !closed && ROOM && nempty(s2g) && HEAD_DURABLE && !(n_replies > 0 && r_kind[0] == LOCAL) ->
		s2g?type(number, meaning);
		server_takes() }
	/* replies_advance */
	:: atomic { !closed && ROOM && n_replies > 0 && r_kind[0] == LOCAL && HEAD_DURABLE ->
		/* I2 */
		assert(durable >= r_ticket[0]);
		g2c!ERROR(r_number[0], NONE);
		if :: r_ready[0] -> g2c!READY(r_number[0], g_tx); note_ready(r_number[0]) :: else fi;
		pop() }
#if defined(WITH_TERMINATE)
#if defined(M_TERMINATE_OVERTAKES)
	:: atomic { !closed && c2g??[TERMINATE, _, _] -> ends() }
#endif
	:: atomic { !closed && ROOM && FRONT(TERMINATE) ->
		consume();
#if defined(M_TERMINATE_AT_ONCE)
		ends()
#else
		terminated = true;
		g2s!TERMINATE(number, NONE)
#endif
		}
	:: atomic { !closed && terminated && n_replies == 0 -> ends() }
	/* Within a batch no answers are owed. */
	:: atomic { !closed && terminated && server_gone && empty(s2g) && n_replies > 0 && r_kind[0] != LOCAL ->
		ends() }
#endif
#if defined(WITH_DRAIN)
	/* Nothing is under way: an idle session ends now. */
	:: atomic { !closed && draining && n_replies == 0 && empty(c2g) && g_tx != 'T' && ROOM ->
		assert(!staged && !h_waits);
		g2c!FATAL(NONE, NONE);
		closed = true }
#endif
	od;
	goto over;
waits:	/* The server owes an answer, or this is a deadlock that spin finds. */
	if
	:: closed
	:: atomic { !closed && n_replies > 0 && nempty(s2g) && HEAD_DURABLE && !(r_kind[0] == LOCAL) && ROOM ->
		s2g?type(number, meaning);
		server_takes();
		goto end }
	fi;
over:	/* What comes after the end is read by nobody. */
end_closed: do
	:: s2g?type(number, meaning)
	:: c2g?type(number, meaning)
	od
}

/* ---- the surroundings ------------------------------------------------------------------------- */

proctype audit_log() {
end:	do
	:: closed -> break
	:: atomic { durable < tickets -> durable++ }
	od
}

#if defined(WITH_HOLD)
/* People, the clock, and the client's cancel key. */
proctype people() {
	byte number, meaning;
	mtype type;

end:	do
	:: closed -> break
	:: atomic { !closed && h_waits && !h_ended && nempty(c2g) ->
		c2g?<type, number, meaning>;
		if
		:: h_waits = false; h_released = true;
			k_since = ASKED;
			approved[number] = true
		:: h_ended = true /* rejected, expired, cancelled */
		fi }
	/* The client cancels it after all. */
	:: atomic { !closed && h_released && !h_ended && nempty(c2g) ->
		c2g?<type, number, meaning>;
		h_ended = true;
		approved[number] = false }
	od
}

/* Other sessions make it read too, and that may have begun before. */
proctype catalog() {
end:	do
	:: closed -> break
	:: atomic { !closed && k_wanted && !k_reads ->
		k_wanted = false; k_reads = true;
		k_state = (k_state == ASKED -> BEING_READ : k_state);
		k_since = (k_since == ASKED -> BEING_READ : k_since) }
	:: atomic { !closed && k_reads ->
		k_reads = false;
		if
		:: k_state = (k_state == BEING_READ -> WAS_READ : k_state);
			k_since = (k_since == BEING_READ -> WAS_READ : k_since)
		:: k_state = (k_state == BEING_READ -> COULD_NOT : k_state);
			k_since = (k_since == BEING_READ -> COULD_NOT : k_since)
		fi }
	od
}
#endif

#if defined(WITH_ENDS)
/* Either peer goes away at any time; what is not released is dropped. */
proctype fate() {
end:	if
	:: closed = true
	:: true
	fi
}
#endif

#if defined(WITH_DRAIN)
proctype operator() {
	byte number, meaning;
	mtype type;

end:	atomic {
		draining = true;
		if
		:: (h_waits || h_released) && nempty(c2g) ->
			c2g?<type, number, meaning>;
			h_ended = true;
			approved[number] = false
		:: else
		fi }
}
#endif

init {
	atomic {
		k_since = ASKED;
		run client(); run server(); run gateway(); run audit_log();
#if defined(WITH_HOLD)
		run people(); run catalog();
#endif
#if defined(WITH_ENDS)
		run fate();
#endif
#if defined(WITH_DRAIN)
		run operator()
#endif
	}
}
