/* SPDX-License-Identifier: MIT
 *
 * One client's session with one PostgreSQL target, sans-I/O: bytes of either side go in, calls on
 * the host come out. The order of work is the gateway's order:
 *
 *   bytes ─► frame ─► message ─► facts ─► gate ─► audit (durable intent) ─► server
 *   rows of the server ─► row plan (masks) ─► client
 *
 *        STARTUP ──► AUTH ──► HELD ──► WAITING ──► SERVER_LOGIN ──► READY ──► CLOSED
 *     (TLS, packet) (SCRAM)  (people)  (catalog,    (TLS, SCRAM,    (commands)
 *                                       dial)        parameters)
 *
 * Each direction processes its bytes in order until it blocks (on a record that is not durable yet,
 * on an approval, on the other side's answer); what it could not take yet waits in `pending`, the
 * host is told to stop delivering, and session_kick goes on. So memory is bounded by one delivery
 * plus one whole message.
 *
 * Invariants, asserted where they are kept:
 *   I1  no client byte reaches the server unless a message of it was judged and allowed
 *   I2  no server byte reaches the client before the records of its command's intent are durable
 *   I3  every Sync and every simple Query is answered by one ReadyForQuery, in order; but for a
 *       Sync that the server reads while it takes COPY data, which it ignores
 *   I4  a message of the server belongs to the reply at the head of the queue, and to nothing else
 *   I5  no more rows of a command reach the client than its limit has
 *   I6  while a cancel of the gateway's own may arrive, no command goes to the server
 *   I7  what takes effect is not reported as failed: nothing runs behind a command in its batch, or
 *       was committed with it, that is told to have failed although it completed
 *   I8  what the client sent before its Terminate was judged, and went on, before that does
 *   I9  people are asked by a catalog that was read since the command came, or could not be;
 *       what they release is looked at in one that was read since
 * tests/model/session.pml and portals.pml assert the same of a model of this state, in every order
 * of events.
 */
#ifndef WEIR_SESSION_SESSION_H
#define WEIR_SESSION_SESSION_H

#include "audit/record.h"
#include "base/buf.h"
#include "proto/pg/copyout.h"
#include "proto/pg/wire.h"
#include "gate/backend.h"
#include "gate/gate.h"
#include "gate/statements.h"

/* enum pg_side as an index, and as where something goes. */
#define CLIENT PG_FROM_CLIENT
#define SERVER PG_FROM_SERVER

struct session;
struct command;
struct run;
struct approvals;
struct login;

/* The exact bytes of a command: what is judged, approved, recorded and run. */
struct statement_text {
	struct slice text;
	struct slice params; /* Bind's parameter section; empty for a simple query */
	struct slice types;  /* Parse's parameter types */
	bool extended, function;
	struct portal *portal; /* of an Execute; as long as the message is looked at */
};

/* What a session asks of its surroundings. All calls return at once. */
struct session_host {
	/* Sends n bytes at p, which lie in the chunk being delivered and stay valid until sent. */
	void (*forward)(void *ctx, enum pg_side to, const uint8_t *p, size_t n);
	/* Sends a copy. */
	void (*emit)(void *ctx, enum pg_side to, struct slice bytes);
	/* Stops or starts delivery of what `from` sends. */
	void (*flow)(void *ctx, enum pg_side from, bool deliver);
	/* Rows are streaming to the client (or not any more): small sends may be gathered. */
	void (*streaming)(void *ctx, bool on);
	/* Bytes queued towards `to` and not sent yet. */
	size_t (*queued)(void *ctx, enum pg_side to);
	/* The side's transport becomes TLS; session_tls_done follows. The client is told "S" first,
	 * in the clear, unless it began with the handshake at once: then `early` is its first
	 * bytes, and it must name the protocol by ALPN. */
	void (*start_tls)(void *ctx, enum pg_side side, struct slice early);
	/* Dials the target; session_server_up or session_server_down follows. */
	void (*dial)(void *ctx);
	/* Ends the connection that came of it; session_hung_up follows. */
	void (*hang_up)(void *ctx);
	/* The target refused this password of the gateway's login: somebody reads it again.
	 * session_kick follows when the gate knows more. */
	void (*password_refused)(void *ctx, uint64_t epoch, uint64_t version);
	/* A connection to the target that was opened with these settings (as settings_next reads
	 * them), from those that sessions share. NULL: *waits says whether session_lent or
	 * session_unlent follows, or too many wait. */
	struct backend *(*borrow)(void *ctx, struct slice startup, uint16_t minor, bool *waits);
	void (*withdraw)(void *ctx); /* it is not wanted any more */
	/* b is not the session's any more. */
	void (*give_back)(void *ctx, struct backend *b, enum backend_left left);
	/* What the server last reported on such a connection; NULL: there was none yet. */
	const struct buf *(*welcome)(void *ctx, struct slice startup, uint16_t minor);
	/* Opens a connection of its own to the target and sends these bytes (a CancelRequest).
	 * True: session_cancel_done follows when the target has closed it. */
	bool (*cancel_upstream)(void *ctx, struct slice packet);
	/* A CancelRequest came in: finds the session that was given this key, on whatever
	 * worker. True: session_cancel_taken follows. */
	bool (*cancel_request)(void *ctx, uint32_t pid, struct slice key);
	/* Both sides are closed once what was emitted is sent; no more deliveries. */
	void (*close)(void *ctx);

	/* Appends a record; 0: the log takes no more (the command is refused). */
	uint64_t (*record)(void *ctx, struct slice record);
	/* Why it takes no more: its disk is full, which may end by itself. */
	bool (*log_full)(void *ctx);
	bool (*durable)(void *ctx, uint64_t ticket);
	/* Calls session_durable when `ticket` is durable. */
	void (*when_durable)(void *ctx, uint64_t ticket);
	/* Calls session_tick at or after the monotonic time; 0 cancels. One timer a session. */
	void (*timer)(void *ctx, uint64_t at_mono_ns);
	uint64_t (*now_mono)(void *ctx);
	uint64_t (*now_wall)(void *ctx);
	/* The target's catalog is missing or older than a schema change that went through the
	 * gateway: asks for a fresh one; session_kick follows when it is there or has failed. */
	void (*want_catalog)(void *ctx);
	/* A schema change went through: sessions of the target wait for the next catalog. */
	void (*schema_changed)(void *ctx);
	/* A notice for a channel, by number. NULL: nobody is told. */
	void (*notice)(void *ctx, int32_t channel, struct slice body);
};

enum session_phase {
	SESSION_STARTUP, /* waiting for the startup packet (or SSLRequest, CancelRequest) */
	SESSION_CANCELS, /* it was a CancelRequest, and is not with its session yet */
	SESSION_CLIENT_TLS,
	SESSION_AUTH,    /* SCRAM with the client */
	SESSION_WRONG_KEY, /* it was the wrong one, and the answer waits (knocks.h) */
	SESSION_HELD,    /* people decide whether there will be a session (session_door.c) */
	SESSION_WAITING, /* for the catalog, then for the server to answer the dial */
	SESSION_SERVER_TLS,
	SESSION_SERVER_LOGIN,
	SESSION_READY,
	SESSION_CLOSED,
};

/* What the session owes an answer for, in the order the server (or the gateway) answers. */
enum reply_kind {
	REPLY_QUERY,      /* ends with ReadyForQuery */
	REPLY_FUNCTION,   /* FunctionCall; ends with ReadyForQuery */
	REPLY_PARSE,
	REPLY_BIND,
	REPLY_DESCRIBE_STATEMENT,
	REPLY_DESCRIBE_PORTAL,
	REPLY_EXECUTE,
	REPLY_CLOSE,
	REPLY_SYNC,       /* ends with ReadyForQuery */
	REPLY_PATH,       /* the gateway's own question (session_path.c); ends with ReadyForQuery */
	REPLY_CARRY,      /* its own settings (session_pool.c); ends with ReadyForQuery */
	REPLY_KEPT,       /* its own question for them (session_keep.c); ends with ReadyForQuery */
	/* the server knows nothing of it: `error` (and ReadyForQuery) is the answer */
	REPLY_LOCAL,
};

struct reply {
	enum reply_kind kind;
	bool swallow;     /* asked by the gateway itself: the client sees none of it */
	bool with_ready;  /* REPLY_LOCAL: ReadyForQuery follows */
	bool known; /* PARSE, CLOSE: the server knows nothing of it, the gateway answers */
	/* PARSE, CLOSE: of a statement that is carried (session_names.c); counted */
	struct prepared_text *prepared;
	struct object *object; /* the statement or portal that this reply makes, drops or runs */
	struct command *command; /* QUERY, EXECUTE and refusals: what is recorded */
	struct buf *error; /* replaces the server's ErrorResponse: the refusal. LOCAL: what the
			    * gateway answers; NULL: nothing but ReadyForQuery */
};

/* What is left of a command's limits, and whether one was reached. */
struct limit_run {
	struct limit_run *next; /* free list */
	struct epoch *epoch;    /* whose rules the numbers mean; counted */
	struct limit_set set;
	struct limit_used used; /* by a message; a portal and a cursor have their own */
	uint64_t rows, bytes;   /* delivered by this command */
	uint64_t withheld;      /* rows that came and were not passed on */
	uint64_t began;         /* mono; 0: the target has not got to it, or time is not limited */
	uint64_t lap;           /* likewise, of its current statement ... */
	uint64_t spent;         /* ... ns that the portal or cursor it goes on with had before */
	uint64_t deadline;      /* mono; 0: likewise */
	bool ends_tx;           /* nothing but the end of a transaction, which is never refused */
	bool hit;
	const struct gate_refusal *refusal; /* no limit: why nothing more may be shown; static */
	enum limit_unit unit;            /* of what was reached */
	const struct limit_meter *meter; /* NULL: a bound of the command itself */
	uint64_t want;			 /* of the meter, at once */
};

/* Everything there is to say about one command: from the client's message to the result record. */
struct command {
	struct command *next; /* free list */
	uint8_t id[16];       /* of the intent record */
	uint64_t ticket, durable; /* of the intent record; the one that is known to be durable */
	uint64_t result_ticket; /* of the result record; 0: there is none yet */
	uint64_t bytes_hash;  /* of what was judged, while it waits to be released */
	uint64_t started_mono;
	const struct sql_facts *facts;
	struct gate_verdict verdict;
	struct limit_run *limit; /* NULL: nothing is limited */
	uint64_t rows, cells_masked;
	uint64_t max_rows; /* of an Execute; 0: all */
	uint32_t detected[DETECTOR_COUNT]; /* cells in which a detector hit */
	uint64_t dropped, dropped_now; /* rows: of the command, of its current result */
	uint64_t epoch;       /* whose rules the verdict's numbers mean */
	uint64_t path;        /* gate_path_number when it was judged */
	bool path_told;       /* ... and that was the server's word */
	bool schema_moving, path_unknown; /* likewise */
	struct gate_parameters parameters;
	struct gate_seen seen; /* what the catalog had seen then */
	uint64_t asked;	      /* a catalog for its names is on its way; 0: none */
	bool looked_up;	      /* the names of its current statement mean what was judged */
	bool approved;	      /* by people, for what its names meant */
	bool failed, recorded;
	char tag[64];         /* CommandComplete's, the last one */
	char sqlstate[6];
	unsigned completed;   /* statements of the message that completed */
};

/* One direction: what was delivered and not processed yet. */
struct inbound {
	struct buf pending;
	struct pg_framer framer;
	uint16_t seen; /* 1 + the type of the message at hand; 0: there was none yet */
	bool blocked, flow_off;
};

/* Everything about a client that its socket tells. */
struct session_client {
	uint8_t address[16]; /* IPv6 or mapped IPv4 */
	uint16_t port;
	bool loopback;
	bool surplus; /* over the limit of connections: may cancel, not log in */
};

/* How far what is known of the session's search path can be trusted (session_path.c). */
struct session_path {
	bool dirty;  /* it may be another than the gate knows */
	bool in_tx;  /* it may have changed in the open transaction, whose end may undo that */
	bool cursors; /* one was declared whose query may change it, when rows are fetched */
	bool failed; /* the server did not answer the last question */
	unsigned n_answers, n_answered; /* values, questions */
	struct buf answers; /* each ended by a zero byte */
	/* The session may have temporary relations: they are asked for as well. */
	bool temporary, asks_temporary;
	bool temporary_dirty, temporary_in_tx; /* as dirty and in_tx */
	bool foreign;	 /* the masks in force have changed since it first had */
	bool unseen;	 /* code of others ran under no masks: it may have made some */
	uint64_t masks; /* gate_masks_number then */
	struct buf rows; /* for catalog_temporary_read */
};

/* How the session comes by its connection to the server, if that is a shared one (session_pool.c).
 */
struct session_pool {
	enum pool_mode mode;
	bool borrowed; /* the connection in hand goes back */
	bool waits;    /* for one */
	bool carrying; /* nothing may be sent before it is set as the session's was, or asked */
	bool touches;  /* some of what is kept may be another, and was not asked for */
	bool untagged; /* the connection does not say whose it is any more */
	bool answered; /* the question at hand */
	bool too_long; /* what it answered */
	bool undoing; /* ... what code that ran unseen may have left (session_undo.c) */
	uint64_t number; /* of the session, among those of its worker; from 1 */
	unsigned tries;
	char failure[6]; /* SQLSTATE of the server's answer to what is the gateway's own */
	uint64_t touched[2]; /* which, by pool_kept */
	struct buf touched_own; /* ... and by name, of those that are made up; without values */
	uint64_t own; /* what is prepared now is read as no other session's is; 0: it is not so */
	uint16_t minor;
	struct buf startup;  /* what its connections were opened with */
	struct buf settings; /* what they must be set to besides; by transaction: all that the
			      * client was told */
	struct buf kept;     /* besides these, what the server does not report (session_keep.c) */
	struct buf reading;  /* of both, what decides how statements are read */
	const struct gate_refusal *failed; /* why the message at hand gets no connection */
	const struct object *unnamed;	   /* what the connection's unnamed statement is, of ours */
};

struct session {
	uint32_t magic;
	enum session_phase phase;
	const struct session_host *host;
	void *host_ctx;
	struct session_env *env; /* shared by the worker's sessions */
	struct gate_session *gate;

	struct inbound in[2]; /* by pg_side */

	struct reply *replies; /* ring of cap_replies, a power of two */
	uint32_t first_reply, n_replies, cap_replies;
	struct name_map statements, portals;
	size_t names_bytes;  /* what they own, and those on their way to or from the server */
	uint64_t names;      /* goes up whenever a name comes to mean something else */

	char tx;             /* 'I', 'T', 'E' as the last ReadyForQuery said */
	bool unsynced;       /* extended messages were forwarded since the last Sync */
	bool skip_to_sync;   /* the server (or the gateway) ignores everything up to Sync */
	bool copy_in;        /* the server takes CopyData */
	bool copy_forwarding; /* the CopyData whose pieces come now is passed on */
	bool copy_asked;      /* the server was asked for what it answers before that */
	bool inside; /* a part of a server's message went to the client, the rest comes */
	struct buf later; /* what the gateway has to say when it has */
	bool rows_whole;     /* DataRows are read whole: a plan is in force */
	bool streaming;      /* the host was told that rows stream */
	bool row_withheld;   /* the row whose pieces come now is not passed on */
	bool copy_header;    /* the next CopyData of a COPY TO STDOUT is its header */
	bool copy_binary;    /* it is in binary format */
	struct limit_own *own_budgets; /* of this session alone */
	bool batch_wrote;    /* a command since the last Sync changed something */
	bool batch_ended;    /* ... or may have ended a transaction */
	bool limiting;       /* a limit was reached, and its command has not ended */
	bool limit_cancels;  /* ... and its cancel may still be on its way */
	enum session_swallow {
		SWALLOW_NOTHING,
		SWALLOW_TO_READY, /* the client has its error, and sees nothing up to this */
		SWALLOW_POISON,   /* ... and the poison query's error comes before that */
		SWALLOW_TO_ERROR, /* ... up to the error of the poison */
	} swallow;
	unsigned cancels;    /* CancelRequests of ours on their way */
	bool client_gone, server_gone;
	bool last_words; /* of the server: the client knows from it why it ends */
	bool terminated; /* by the client, whose last requests are still being answered */
	bool leaves;     /* the client is gone; Terminate is the last it sent, and not read yet */
	bool schema_changed_in_tx;
	unsigned renaming; /* transactions that rename something: sent, and not over */
	bool renamed;	   /* one of them has */
	/* Names of what it has defined; `asked` for a catalog that has seen it, 0: it is open. */
	uint64_t redefined, redefined_asked;
	unsigned redefining; /* as renaming */
	bool redefines;	     /* as renamed */
	struct session_path path;
	bool draining;
	uint64_t waits_catalog; /* the request that it waits for; 0: it does not */
	unsigned waited_catalog; /* for the message at hand: so many */
	struct gate_seen arrived; /* changes that there had been when it came */

	struct pg_rowplan *plan; /* of a simple query's current result; owned */
	struct gate_rows *rows;  /* likewise */
	struct epoch *plan_epoch; /* what the masks of plan and copyout live in; counted */
	struct copyout *copyout; /* masks of the COPY in progress; owned */
	struct command *staged; /* judged and recorded, waits to be released */
	struct run *run;        /* what process() gathers right now */
	uint64_t waiter;     /* what approvals give back to find this session; set by the host */
	bool approval_async; /* the client asked not to wait for approvals */
	uint64_t hold_asked; /* for a catalog, by what the command at hand is about; 0: not yet */
	bool hold_unwanted;  /* ... which the client has cancelled meanwhile */
	bool starts_async;   /* it did so in its startup packet: what RESET goes back to */
	enum approval_mode approval_local; /* SET LOCAL, for the transaction */
	struct hold *hold;   /* the command that waits for a person; NULL */
	/* Monotonic times at which the timer is wanted, and at which it is set; 0: not. */
	uint64_t tick_hold, tick_limit, tick_pool, tick_at;
	struct login *login; /* until READY */
	struct session_client client;
	struct gate_client client_facts;
	bool client_tls;

	uint32_t cancel_pid; /* ours, given to the client */
	uint8_t cancel_key[32];
	uint8_t cancel_key_len; /* 4, or 32 with protocol 3.2 */
	struct backend *backend; /* the connection to the server; NULL: none at hand */
	struct session_pool pool;

	struct audit_id id;
	uint64_t sseq;       /* audit: gapless number of its last record */
	uint64_t strict_ticket; /* the last result that must be durable before its answer ends */
	bool strict_lost;    /* the log did not take one */
	uint64_t commands, denied, bytes_up, bytes_down, started_mono;
	const char *end_cause;
};

/* What a worker's sessions share. */
struct session_env {
	struct gate *gate;
	struct prepared_table prepared;
	uint64_t own_readings, pooled; /* how many there were so far */
	struct approvals *approvals;
	struct knocks *knocks; /* NULL: wrong keys are answered at once */
	struct buf scratch, record, rows; /* reused by every call; empty between calls */
	struct command *free_commands;
	struct limit_run *free_limits;
	struct arena arena;  /* reset after each message */
	bool tls;            /* the listener can do TLS */
	struct slice tls_binding; /* what SCRAM-SHA-256-PLUS binds to: a hash of its certificate */
	struct buf notice;
	unsigned notice_ms, login_ms;
	size_t max_message;
	uint64_t auth_recorded, auth_unrecorded; /* when a refused login was; since then */
	uint64_t knocks_logged; /* when the log last told of somebody who guesses */
	struct {
		uint64_t sessions, commands, allowed, denied, held, rows_masked, cells_masked,
			auth_failures, protocol_errors, limited, lookups, rows_dropped, allocs;
	} counters;
};

/* Frees what the sessions left in it; the gate and the approvals are not its own. */
void session_env_fini(struct session_env *env);

struct session *session_new(struct session_env *env, const struct session_host *host, void *ctx,
			    const struct session_client *client, uint32_t cancel_pid);
void session_free(struct session *s);

/* n bytes from a side. `chunk`: they lie in the chunk that host->forward may refer to. */
void session_deliver(struct session *s, enum pg_side from, uint8_t *p, size_t n);
/* The session may go on without its client: see session_lingers. */
void session_eof(struct session *s, enum pg_side from);
/* What the client sent before its Terminate still runs, as the server would run it. */
bool session_lingers(const struct session *s);
/* No right key was given yet. */
bool session_is_logging_in(const struct session *s);
/* Others have no place, and this one has not logged in: it ends. */
void session_give_way(struct session *s);
void session_tls_done(struct session *s, enum pg_side side);
void session_server_up(struct session *s);
void session_server_down(struct session *s, const char *reason);
/* After host->hang_up. */
void session_hung_up(struct session *s);
/* After host->borrow: b is at hand; or there is none to be had. word: of the server, about what was
 * set; else empty. */
void session_lent(struct session *s, struct backend *b);
void session_unlent(struct session *s, const char *cause, struct slice word);
/* Something that a direction may wait for has changed: a record is durable, an approval decided,
 * the catalog read, queued bytes sent. */
void session_kick(struct session *s);
/* What host->when_durable was asked for. Often nothing waits for it: the record was written while
 * the server was at work. */
void session_durable(struct session *s);
void session_tick(struct session *s);
/* Our cancel key was presented: a held command ends, a running one is cancelled at the server. */
void session_cancel(struct session *s, struct slice key);
/* The request that came on this connection is with the session it names, if there is one: what that
 * one sends from now on is not cancelled by it. */
void session_cancel_taken(struct session *s);
/* A CancelRequest of ours is with the target, or (not settled) nobody knows where. */
void session_cancel_done(struct session *s, bool settled);
/* The gateway stops: an idle session ends now with 57P01, a busy one after its command. */
void session_drain(struct session *s);
bool session_is_idle(const struct session *s);

/* ---- between the session's own files ------------------------------------------------------- */

enum step {
	STEP_FORWARD, /* the message goes on as it is (or as changed in place) */
	STEP_DONE,    /* dealt with: nothing of it goes on by itself */
	STEP_BLOCK,   /* not yet: the direction waits, the message will be seen again */
};

#define SESSION_MAGIC 0x57535301u

/* session.c */
void session_close(struct session *s, const char *cause);
/* FATAL to the client, then close. */
void session_fatal(struct session *s, const char *sqlstate, const char *code, const char *message,
		   const char *hint);
void session_refuse(struct session *s, const struct gate_refusal *why);
/* A ParameterStatus of the server: false (and the session is over) when it would blind the
 * gateway. */
bool session_parameter(struct session *s, const struct pg_param *p) MUST_CHECK;
/* Statements cannot be judged under a setting of the target: the session is over. */
void session_blinded(struct session *s);
void session_emit(struct session *s, enum pg_side to, struct buf *b); /* and empties b */
/* To the client, between two messages of the server. Empties b. */
void session_say(struct session *s, struct buf *b);
#include "session/session_queue.h"
struct command *command_new(struct session *s);
void command_free(struct session *s, struct command *c);

void session_flush_run(struct session *s);
void session_cancel_upstream(struct session *s);
/* Sets the timer for the earliest of s->tick_x. */
void session_arm(struct session *s);

/* session_refuse.c: the client gets an error where the server's own would have stood, and the
 * server is left in the state its own error would have left it in. Takes over c (may be NULL). */
void refuse_query(struct session *s, struct command *c, const struct gate_refusal *why);
void refuse_extended(struct session *s, struct command *c, const struct gate_refusal *why);
/* The peer's bytes cannot be followed: says so to the client and closes both sides. */
void session_bad(struct session *s, enum pg_side from, enum pg_reason reason);
/* Sends the server what it is sure to refuse: a Query, or a Parse. */
void refuse_poison(struct session *s, bool extended);

/* session_client.c, session_server.c */
enum step client_message(struct session *s, const struct pg_frame *f);
enum step server_message(struct session *s, struct pg_frame *f);
enum step session_asynchronous(struct session *s, const struct pg_frame *f);
/* session_context.c: it is of a function or trigger that nobody vouches for, under masks. */
bool session_code_speaks(struct session *s, const struct pg_msg_error *e);
/* An error or notice without what may quote masked columns. */
void session_emit_scrubbed(struct session *s, const struct pg_msg_error *e, bool notice);
/* Answers at the head of the queue that need nothing from the server. */
void replies_advance(struct session *s);
/* Nothing looks into the rows that come now. */
bool session_rows_pass(const struct session *s);
void session_rows_flush(struct session *s);
void session_streaming(struct session *s, bool on);
void session_copyout_end(struct session *s);
/* The batch is over up to its Sync: the replies that the server skips are dropped. */
void session_drop_to_sync(struct session *s);
enum step session_for_head(struct session *s, struct reply *head, const struct pg_frame *f);
bool command_durable(struct session *s, struct command *c);
/* What the gate is to be asked about a command as things stand for the session. */
struct gate_ask session_ask(struct session *s, const struct sql_facts *f,
			    const struct gate_parameters *parameters);

/* session_pool.c */
/* After the login at the gateway: asks for a connection. */
void session_pool_login(struct session *s);
/* Gives it back, or frees what was the session's own. */
void session_pool_end(struct session *s);
void session_pool_free(struct session *s);
/* Nobody came in time. */
void session_pool_tick(struct session *s);
/* STEP_FORWARD: the message at hand may be looked at, on the connection in hand if it needs one. */
enum step session_pool_take(struct session *s, const struct pg_frame *f);
/* Between two transactions the connection is not needed. */
void session_pool_rest(struct session *s);
/* The client wants what waits for a connection cancelled. */
void session_pool_cancel(struct session *s);
/* By transaction: why a command cannot run, though the policy allows it; NULL: it can. */
const struct gate_refusal *session_pool_refuses(struct session *s, const struct sql_facts *f);
/* The command goes to the server now. */
void session_pool_follow(struct session *s, bool leaves_state);
/* It does something that only the end of the connection undoes for sure. */
bool session_pool_spoils(const struct session *s, const struct command *c);
/* Its settings cannot be set or asked for: the session is over. */
void session_pool_lost(struct session *s, const char *cause);
/* The server broke off what is the gateway's own, under a short statement_timeout perhaps, and may
 * be asked once more. */
bool session_pool_again(struct session *s);
/* Sets the timer for the server's answer. */
void session_pool_await(struct session *s);
/* The server said so while it had the connection. */
void session_pool_reported(struct session *s, const struct pg_param *p);

enum step session_carry_answer(struct session *s, const struct pg_frame *f);

/* session_keep.c: settings that the server does not report. */
/* The command goes to the server now. */
void session_keep_follow(struct session *s, const struct sql_facts *f);
/* Not NULL: with what these statements set it would be too many that are made up. */
const struct gate_refusal *session_keep_full(const struct session *s, const struct sql_facts *f);
/* What is prepared from here on is read under these. */
void session_keep_reading(struct session *s);
/* Under them the statement means what it did, but for what the server would read anew as well. */
bool session_keep_reads(struct session *s, struct slice reading);
/* Asks for what may be another. status: of the connection's transaction. */
void session_keep_ask(struct session *s, uint8_t status);
enum step session_keep_answer(struct session *s, const struct pg_frame *f);
/* Adds to the list of set_config() what the connection in hand lacks, n stand there already. */
unsigned session_keep_put(struct session *s, struct buf *b, unsigned n);
void session_keep_literal(struct buf *b, struct slice v);
extern const char session_keep_begin[];

/* session_names.c: prepared statements where the connection changes. Nothing elsewhere. */
/* The statement that Parse makes; STEP_FORWARD: its reply and its message are the caller's. */
enum step session_names_parse(struct session *s, const struct pg_msg_parse *m,
			      struct statement *st);
/* Sends on a Parse; STEP_FORWARD: the message is to go as it came. */
enum step session_names_send_parse(struct session *s, const struct pg_msg_parse *m,
				   struct reply *reply);
/* The statement is prepared, or is about to be, on the connection in hand. */
enum step session_names_ready(struct session *s, struct statement *st);
enum step session_names_send_bind(struct session *s, const struct pg_msg_bind *m,
				  const struct statement *st, struct slice rest);
enum step session_names_send_describe(struct session *s, const struct statement *st);
/* Closes a name by itself; STEP_FORWARD: the server does. */
enum step session_names_close(struct session *s, struct object *o, struct slice name);
/* The server's answer; the reply is popped as before. */
void session_names_made(struct session *s, struct reply *head);
/* A reply goes that was not answered. */
void session_names_dropped(struct session *s, struct reply *r);
void session_names_forgotten(struct session *s, bool all);
/* Answers the head, which the server knows nothing of. False: the session is over. */
bool session_names_answer(struct session *s, struct reply *head);
/* False: *why says why SQL's PREPARE and EXECUTE do not reach what they name. */
bool session_names_sql(struct session *s, const struct sql_facts *f, struct gate_refusal *why);
/* A name that DEALLOCATE names, and that only the gateway knows. */
bool session_names_deallocates(struct session *s, const struct sql_facts *f);
enum step session_names_deallocate(struct session *s, struct command *c);
bool session_name_made(struct session *s, struct reply *head);
void session_name_closed(struct session *s, struct object *o);
struct object *session_find_object(struct session *s, enum object_kind kind, struct slice name);

/* session_cursor.c: cursors, and portals that are executed again. */
/* SQL that makes or drops this name: what it means afterwards is known once it has completed. */
bool session_renames(const struct sql_facts *f, enum object_kind kind, struct slice name);
/* What a FETCH of that name, sent now, goes on with: a gate_cursor_fn of the session. */
struct gate_cursor session_cursor(void *session, struct slice name);
/* ... hangs on a request in flight behind which a Sync or a Query may still run. */
bool session_cursor_in_doubt(struct session *s, struct slice name);
void session_cursor_keep(struct session *s, const struct command *c, const struct sql_stmt *st);
/* Not NULL: with what Parse or Bind makes, or these statements, there would be too many names. */
const struct gate_refusal *session_name_full(struct session *s, enum object_kind kind,
					     struct slice name);
const struct gate_refusal *session_names_full(const struct session *s, const struct sql_facts *f);
/* The rest of a portal: why it does not go on, though the policy allows it; NULL: it does. What
 * people have released they need not release again. */
const struct gate_refusal *session_portal_again(struct session *s, const struct portal *p,
						struct gate_verdict *v);
/* The command that executes it goes to the server. */
void session_portal_runs(struct portal *p, const struct command *c);

/* session_limit.c */
/* Which limits apply to a command that was not refused; one whose budget is used up is. p: of an
 * Execute. */
void session_limit_begin(struct session *s, struct command *c, const struct portal *p);
/* A statement of the head's command, or what an Execute asked for, is about to be completed. */
void session_limit_lap(struct session *s, const struct reply *head);
void session_limit_free(struct session *s, struct limit_run *l);
/* Statements whose rows a limit counts: they return some. */
bool session_limit_counts(const struct sql_facts *f);
/* Bytes of the whole DataRows at the front of p[0..n) that the head's limits let through. */
size_t session_limit_rows(struct session *s, const uint8_t *p, size_t n);
/* May this piece of a DataRow or CopyData go on? */
bool session_limit_row(struct session *s, const struct reply *head, const struct pg_frame *f);
/* Rows are being withheld from the command. */
bool session_limit_withholds(const struct command *c);
/* ... and not even what the result looks like is shown. */
static inline bool
session_withheld(const struct command *c)
{
	return session_limit_withholds(c) && c->limit->refusal;
}
/* Nothing more of the command's result is shown, as if a limit was reached. why: static. */
void session_withhold(struct session *s, struct command *c, const struct gate_refusal *why);
extern const struct gate_refusal session_row_too_large;
/* What the server is at, or silent about: the head, or an Execute behind what its batch begins
 * with, whose answers come with those of the Execute. NULL: nothing that is limited. */
struct reply *session_limit_running(struct session *s);
/* The server's error ends a limited command: says why in its place. False: it stands. */
bool session_limit_error(struct session *s, struct command *c, const struct pg_msg_error *e);
/* The head's command completed although it was to be stopped. True: it counts as failed, and
 * the client was told so. */
bool session_limit_completed(struct session *s, struct reply *head);
/* Makes the server agree; the reply of an Execute is gone. */
void session_limit_fail(struct session *s, bool execute);
/* Can the head's command, if it completes, count as failed without a lie? */
bool session_limit_may_fail(struct session *s, const struct reply *head);
/* The server's messages while s->swallow. */
enum step session_limit_swallow(struct session *s, struct reply *head, const struct pg_frame *f);
/* The client waits until the server has stopped. */
bool session_limit_blocks(const struct session *s);
/* Sets the timer for whatever stands at the head now. */
void session_limit_follow(struct session *s);
void session_limit_tick(struct session *s, uint64_t now);

/* session_copy.c. False: nothing of it is shown; if its masks cannot be applied the session is
 * over. */
bool session_copy_begin(struct session *s, struct command *c, struct slice response) MUST_CHECK;
enum step session_copy_data(struct session *s, struct reply *head, const struct pg_frame *f);
enum step session_copy_in(struct session *s, const struct pg_frame *f);

/* session_rows.c: rules that read rows. */
struct gate_rows *session_rows(const struct session *s, const struct reply *head);
/* GATE_ROW_BAD: the session is over. */
enum gate_row session_rows_decide(struct session *s, struct reply *head, const struct pg_frame *f);
/* A row of the command is not shown. */
void session_rows_dropped(struct session *s, struct command *c);
/* The tag says how many rows were shown. True: it is another now. */
bool session_rows_tag(struct command *c);
/* The portal has given as many as were asked for: no tag says how many that is. */
void session_rows_suspended(struct command *c);
void session_rows_end(struct session *s);
/* session_path.c: what unqualified names mean to the server. */
/* True: the message waits for the server's word on it: within a batch nothing can be asked. */
bool session_path_wait(struct session *s, const struct pg_frame *f) MUST_CHECK;
/* A message is judged now, and what unqualified names in it mean is not known. */
bool session_path_unknown(struct session *s);
/* gate_path_number of what the server looks names up in from here on; no path has the number of
 * what is not known. */
uint64_t session_path_now(const struct session *s, const struct sql_facts *f);
/* Temporary relations of the session may hold what other masks let into them. */
bool session_temporary_foreign(struct session *s);
/* Why what a portal or cursor reads cannot be judged: its names were looked up under another path.
 * NULL: they mean what they did. */
const struct gate_refusal *session_path_moved(struct session *s, const struct sql_facts *f,
					      uint64_t path);
bool session_ends_transaction(const struct sql_facts *f);
/* The command goes to the server now. */
void session_path_follow(struct session *s, const struct command *c);
void session_path_reported(struct session *s, const struct pg_param *p);
void session_path_ready(struct session *s);
/* The first question, as soon as there is a session to ask. */
void session_path_begin(struct session *s);
/* Another connection is in hand, of which it may be known; it is about to be given back. */
void session_path_taken(struct session *s);
void session_path_left(struct session *s);
enum step session_path_answer(struct session *s, const struct pg_frame *f);

/* session_lookup.c: what names mean when the server looks them up. */
/* The command goes to the server now. */
void session_lookup_follow(struct session *s, const struct command *c);
/* The server has nothing open any more; gone: it is. */
void session_lookup_ready(struct session *s, bool gone);
/* What the session has defined and the catalog may lack: gate_ask's redefined. */
uint64_t session_redefined(struct session *s);
/* Before a message of the server for the head. STEP_BLOCK: what its names mean is being found out.
 * When they mean what may not be shown the command is withheld. */
enum step session_lookup_check(struct session *s, struct reply *head, const struct pg_frame *f);

/* session_plan.c. False: the session is over. */
bool session_plan_portal(struct session *s, struct portal *p, struct slice description) MUST_CHECK;
/* Of a simple query's next result. STEP_DONE: nothing of it may be shown. */
enum step session_plan_query(struct session *s, struct command *c, struct slice description);
/* Every column of a result is of a table that its statement names. */
bool session_plan_named(struct session *s, const struct sql_facts *f, const struct sql_stmt *st,
			uint64_t path, struct slice description, bool fresh);
/* The analysis of the command and the server's description of its result contradict each other. */
void session_disagrees(struct session *s, struct command *c);

/* session_record.c */
/* What becomes of connecting; VERDICT_ALLOW: the session begins. held: the record of what waited
 * for people (zero: nothing did); *record: this one. False: the log takes none. */
bool record_connect(struct session *s, const struct gate_verdict *v, const char *text,
		    struct audit_id held, struct audit_id *record) MUST_CHECK;
void record_session_end(struct session *s);
void record_auth_fail(struct session *s, struct slice claimed, const char *cause);
/* The intent of a command with its decision; sets c->ticket. False: the log takes none. */
bool record_command(struct session *s, struct command *c,
		    const struct statement_text *t) MUST_CHECK;
/* NULL: the record can hold what the policy's record rules ask for. */
const struct gate_refusal *record_refuses(const struct command *c, const struct statement_text *t);
void record_result(struct session *s, struct command *c);
/* Before what ends the answer: records the result of a command under `record ... with strict`.
 * True: it, or one before it, is not durable yet. c may be NULL. */
bool record_waits(struct session *s, struct command *c);
/* The ticket, 0 when the log takes none. c may be NULL. */
struct approval_event;
uint64_t record_approval(struct session *s, struct command *c, const struct approval_event *ev);
/* intent: the record of what is held; NULL: there is none. */
uint64_t record_approval_of(struct session *s, const struct audit_id *intent,
			    const struct approval_event *ev);
/* "$1 = 'x'" a line, for people. */
void record_render_parameters(struct slice section, struct buf *out);

/* session_notice.c: tells the channels of the rules that ask for it; at once. */
void notice_command(struct session *s, const struct command *c);
void notice_held(struct session *s, const struct command *c, const char *approval);
/* Of connecting: record is the one of it; approval NULL: nothing waits. */
void notice_connect(struct session *s, const struct gate_verdict *v, struct audit_id record,
		    const char *approval);

/* session_client.c: judges and records a command that is new. STEP_FORWARD: s->staged is to be
 * released. */
enum step session_stage(struct session *s, const struct sql_facts *facts,
			const struct statement_text *t);

/* What was judged, and waited, did not run and will not. */
void session_abandon(struct session *s);

/* session_ahead.c: a batch whose command will wait for people does not begin before they decide.
 * STEP_FORWARD: the message at hand may go on. */
enum step session_ahead(struct session *s, const struct pg_frame *f);
/* What waits, or was released, is the Execute behind the message at hand. */
bool session_is_ahead(const struct session *s, const struct pg_frame *f);

/* session_hold.c */
struct hold;
/* People are asked about a command, and a release is looked for, by a catalog that is read now:
 * what the command is about is part of what they approve. True: that is on its way. */
bool hold_awaits(struct session *s, const struct command *c);
/* The command waits for people from now on. Takes over c. */
enum step hold_begin(struct session *s, struct command *c, const struct statement_text *t);
/* STEP_BLOCK while it waits; STEP_FORWARD when it may run (s->staged); STEP_DONE when it ended. */
enum step hold_check(struct session *s, const struct statement_text *t);
/* Withdraws the request for `why`; the client is told the rest. Nothing when nothing waits. */
void hold_end(struct session *s, const char *why, const char *sqlstate, const char *code,
	      const char *message);
void hold_tick(struct session *s);
void hold_cancel(struct session *s, const char *why);
/* The client does not wait for people. */
static inline bool
hold_is_async(const struct session *s)
{
	return s->approval_local == APPROVAL_MODE_UNSET ? s->approval_async
							: s->approval_local == APPROVAL_MODE_ASYNC;
}
/* Nobody has decided yet. */
bool hold_waits(const struct session *s);
/* The same command was released already, or the client does not wait: no need to look ahead. */
bool hold_is_settled(struct session *s, const struct sql_facts *f, const struct statement_text *t);
bool hold_is_released(const struct session *s);
/* The hold is of a message that is still to come. */
void hold_mark_ahead(struct session *s);
bool hold_is_ahead(const struct session *s);

/* session_door.c: may the client have a session? Its login is done. */
void door_open(struct session *s);
/* SESSION_HELD: something may have been decided, or the policy changed. */
void door_progress(struct session *s);
void door_tick(struct session *s);
/* What a client says while it waits; returns how much of it was read. */
size_t door_client_bytes(struct session *s, const uint8_t *p, size_t n);
void door_cancel(struct session *s, const char *why);

#endif
