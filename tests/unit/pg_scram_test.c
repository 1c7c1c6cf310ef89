/* SPDX-License-Identifier: MIT
 *
 * SCRAM against the vector of RFC 7677, against itself, and against hostile messages.
 */
#include "proto/pg/scram.h"
#include "tests/unit/test.h"

#include "base/secret.h"

static const uint8_t nonce_c[SCRAM_NONCE] = "client nonce 18 b.", nonce_s[SCRAM_NONCE] = "server";
static const uint8_t salt[SCRAM_SALT] = "0123456789abcde";

/* The server half of the vector: the proof is accepted and the signature is the RFC's. */
static void
rfc7677_vector(void)
{
	struct scram_verifier v;
	struct scram_server s;
	struct buf out = {0}, raw = {0};
	const char *bare = "n=user,r=rOprNGfwEbeRWgbNEkqO";
	const char *first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
			    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
	struct slice final = SLICE_LIT("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$"
				       "k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");

	REQUIRE(base64_get(&raw, SLICE_LIT("W22ZaJ0SNY7soEsUEjb6gQ==")) && raw.n == SCRAM_SALT);
	scram_verifier_derive(&v, SLICE_LIT("pencil"), raw.p, 4096);
	for (int wrong = 0; wrong < 2; wrong++) {
		scram_server_init(&s, &v, wrong, (struct slice){0}, nonce_s);
		s.state = 1;
		s.gs2 = 'n';
		s.n_bare = (uint16_t) strlen(bare);
		memcpy(s.bare, bare, s.n_bare);
		s.n_first = (uint16_t) strlen(first);
		memcpy(s.first, first, s.n_first);
		s.n_nonce = 50;
		buf_reset(&out);
		CHECK_INT(scram_server_final(&s, final, &out),
			  wrong ? PG_R_AUTHENTICATION_FAILED : PG_R_OK);
		CHECK_SLICE(buf_slice(&out),
			    wrong ? "" : "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	}
	buf_fini(&out);
	buf_fini(&raw);
}

struct exchange {
	struct scram_verifier v;
	struct scram_server s;
	struct scram_client c;
	struct buf m[4];
	const char *mechanism;
};

/* Runs both sides until one refuses; the reason. */
static enum pg_reason
run(struct exchange *x, const char *password, const char *known, struct slice bind_s,
    struct slice bind_c, struct scram_client_keys *keys, bool mock)
{
	enum pg_reason r;
	struct buf list = {0};

	memset(x->m, 0, sizeof(x->m));
	scram_verifier_derive(&x->v, slice_str(known), salt, SCRAM_ITERATIONS);
	scram_server_init(&x->s, &x->v, mock, bind_s, nonce_s);
	scram_client_init(&x->c, slice_str(password), keys, bind_c, nonce_c);
	scram_server_mechanisms(&x->s, &list);
	r = scram_client_first(&x->c, buf_slice(&list), &x->mechanism, &x->m[0]);
	if (!r)
		r = scram_server_first(&x->s, slice_str(x->mechanism), buf_slice(&x->m[0]),
				       &x->m[1]);
	if (!r)
		r = scram_client_final(&x->c, buf_slice(&x->m[1]), &x->m[2]);
	if (!r)
		r = scram_server_final(&x->s, buf_slice(&x->m[2]), &x->m[3]);
	if (!r)
		r = scram_client_verify(&x->c, buf_slice(&x->m[3]));
	CHECK(scram_client_is_done(&x->c) == (r == PG_R_OK));
	buf_fini(&list);
	return r;
}

static void
done(struct exchange *x)
{
	for (int i = 0; i < 4; i++)
		buf_wipe(&x->m[i]);
}

static void
both_sides_agree(void)
{
	struct exchange x;
	struct slice none = {0}, cert = SLICE_LIT("0123456789abcdef0123456789abcdef");
	struct slice other = SLICE_LIT("another certificate of the same!");

	CHECK_INT(run(&x, "k-ana", "k-ana", none, none, NULL, false), PG_R_OK);
	CHECK_SLICE(slice_str(x.mechanism), SCRAM_NAME);
	done(&x);
	CHECK_INT(run(&x, "k-ana", "k-ana", cert, cert, NULL, false), PG_R_OK);
	CHECK_SLICE(slice_str(x.mechanism), SCRAM_PLUS_NAME);
	done(&x);
	CHECK_INT(run(&x, "k-ana", "k-ana", none, cert, NULL, false), PG_R_OK);
	CHECK_SLICE(slice_of(x.m[0].p, 3), "y,,");
	done(&x);
	CHECK_INT(run(&x, "k-ana", "k-ana", cert, none, NULL, false), PG_R_OK);
	done(&x);
	CHECK_INT(run(&x, "k-ana", "k-ana", cert, other, NULL, false), PG_R_SASL_BINDING);
	done(&x);
	CHECK_INT(run(&x, "wrong", "k-ana", none, none, NULL, false), PG_R_AUTHENTICATION_FAILED);
	CHECK_INT(x.m[3].n, 0);
	done(&x);
	CHECK_INT(run(&x, "k-ana", "k-ana", none, none, NULL, true), PG_R_AUTHENTICATION_FAILED);
	CHECK_INT(x.m[3].n, 0);
	done(&x);
	CHECK_INT(run(&x, "p\303\244ss", "p\303\244ss", none, none, NULL, false), PG_R_OK);
	done(&x);
}

static void
client_keys_are_derived_once(void)
{
	struct exchange x;
	struct scram_client_keys keys = {0};
	struct slice none = {0};

	CHECK_INT(run(&x, "pw", "pw", none, none, &keys, false), PG_R_OK);
	done(&x);
	CHECK_INT(keys.n_salt, SCRAM_SALT);
	/* With the keys cached the password is not looked at again. */
	CHECK_INT(run(&x, "", "pw", none, none, &keys, false), PG_R_OK);
	done(&x);
	keys.salt[0] ^= 1;
	CHECK_INT(run(&x, "", "pw", none, none, &keys, false), PG_R_AUTHENTICATION_FAILED);
	done(&x);
}

static void
a_mock_looks_like_a_user(void)
{
	struct scram_verifier a, b, c;
	uint8_t key[SHA256_LEN] = {7};

	scram_verifier_mock(&a, key, SLICE_LIT("nobody"));
	scram_verifier_mock(&b, key, SLICE_LIT("nobody"));
	scram_verifier_mock(&c, key, SLICE_LIT("somebody"));
	CHECK(memcmp(&a, &b, sizeof(a)) == 0);
	CHECK(memcmp(a.salt, c.salt, SCRAM_SALT) != 0);
	CHECK_INT(a.iterations, SCRAM_ITERATIONS);
}

static enum pg_reason
server_first(const char *mechanism, const char *message)
{
	struct scram_verifier v = {.iterations = 4096};
	struct scram_server s;
	struct buf out = {0};
	enum pg_reason r;

	scram_server_init(&s, &v, false, (struct slice){0}, nonce_s);
	r = scram_server_first(&s, slice_str(mechanism), slice_str(message), &out);
	/* After a refusal nothing more is taken. */
	if (r)
		CHECK_INT(scram_server_first(&s, slice_str(SCRAM_NAME), SLICE_LIT("n,,n=,r=a"),
					     &out),
			  PG_R_SASL_MESSAGE);
	buf_fini(&out);
	return r;
}

static void
hostile_first_messages(void)
{
	char longest[600];

	CHECK_INT(server_first(SCRAM_NAME, "n,,n=,r=abc"), PG_R_OK);
	CHECK_INT(server_first(SCRAM_NAME, "n,,n=,r=abc,x=ext"), PG_R_OK);
	CHECK_INT(server_first("PLAIN", "n,,n=,r=abc"), PG_R_SASL_MECHANISM);
	CHECK_INT(server_first(SCRAM_PLUS_NAME, "p=tls-server-end-point,,n=,r=a"),
		  PG_R_SASL_MECHANISM);
	CHECK_INT(server_first(SCRAM_NAME, "p=tls-server-end-point,,n=,r=a"), PG_R_SASL_BINDING);
	CHECK_INT(server_first(SCRAM_NAME, "n,a=root,n=,r=abc"), PG_R_SASL_MESSAGE);
	CHECK_INT(server_first(SCRAM_NAME, "n,,m=x,n=,r=abc"), PG_R_SASL_MESSAGE);
	CHECK_INT(server_first(SCRAM_NAME, "n,,n=,r="), PG_R_SASL_MESSAGE);
	CHECK_INT(server_first(SCRAM_NAME, "n,,n=,r=a\tb"), PG_R_SASL_MESSAGE);
	CHECK_INT(server_first(SCRAM_NAME, "n,,"), PG_R_SASL_MESSAGE);
	CHECK_INT(server_first(SCRAM_NAME, "n"), PG_R_SASL_MESSAGE);
	CHECK_INT(server_first(SCRAM_NAME, ""), PG_R_SASL_MESSAGE);
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "n,,n=,r=", 8);
	longest[sizeof(longest) - 1] = 0;
	CHECK_INT(server_first(SCRAM_NAME, longest), PG_R_SASL_MESSAGE);
	longest[3 + SCRAM_TEXT - 80] = 0;
	CHECK_INT(server_first(SCRAM_NAME, longest), PG_R_OK);
}

/* Every byte of the final messages matters: changing any one is refused, as is cutting it off. */
static void
tampered_messages_are_refused(void)
{
	struct exchange x;
	struct slice none = {0};
	size_t n;

	REQUIRE(run(&x, "pw", "pw", none, none, NULL, false) == PG_R_OK);
	n = x.m[2].n;
	for (size_t i = 0; i < 2 * n; i++) {
		uint8_t copy[512];
		struct buf out = {0}, first = {0};
		struct scram_server s;

		memcpy(copy, x.m[2].p, n);
		if (i < n)
			copy[i] = copy[i] == 'Q' ? 'R' : 'Q';
		scram_server_init(&s, &x.v, false, none, nonce_s);
		REQUIRE(!scram_server_first(&s, slice_str(SCRAM_NAME), buf_slice(&x.m[0]),
					    &first));
		CHECK(scram_server_final(&s, slice_of(copy, i < n ? n : i - n), &out) != PG_R_OK);
		CHECK_INT(out.n, 0);
		buf_fini(&out);
		buf_fini(&first);
	}
	done(&x);
}

/* Somebody between them took SCRAM-SHA-256-PLUS out of what the server offers. */
static void
an_offer_that_was_taken_away_is_noticed(void)
{
	struct slice cert = SLICE_LIT("0123456789abcdef0123456789abcdef");
	struct scram_verifier v;
	struct scram_server s;
	struct scram_client c;
	struct buf first = {0}, out = {0};
	const char *mechanism;

	scram_verifier_derive(&v, SLICE_LIT("pw"), salt, SCRAM_ITERATIONS);
	scram_server_init(&s, &v, false, cert, nonce_s);
	scram_client_init(&c, SLICE_LIT("pw"), NULL, cert, nonce_c);
	CHECK_INT(scram_client_first(&c, slice_of(SCRAM_NAME "\0", sizeof(SCRAM_NAME)), &mechanism,
				     &first),
		  PG_R_OK);
	CHECK_INT(scram_server_first(&s, slice_str(mechanism), buf_slice(&first), &out),
		  PG_R_SASL_BINDING);
	CHECK_INT(out.n, 0);
	buf_fini(&first);
	buf_fini(&out);
}

static enum pg_reason
client_final(const char *server_first_text)
{
	struct scram_client c;
	struct buf out = {0};
	const char *m;
	enum pg_reason r;

	scram_client_init(&c, SLICE_LIT("pw"), NULL, (struct slice){0}, nonce_c);
	r = scram_client_first(&c, slice_of(SCRAM_NAME "\0", sizeof(SCRAM_NAME)), &m, &out);
	CHECK_INT(r, PG_R_OK);
	r = scram_client_final(&c, slice_str(server_first_text), &out);
	CHECK(!scram_client_is_done(&c));
	CHECK_INT(scram_client_verify(&c, SLICE_LIT("v=AAAA")),
		  r ? PG_R_SASL_MESSAGE : PG_R_SASL_SERVER_SIGNATURE);
	buf_fini(&out);
	return r;
}

static void
hostile_servers(void)
{
#define OURS "r=Y2xpZW50IG5vbmNlIDE4IGIu"
	CHECK_INT(client_final(OURS "xyz,s=c2FsdA==,i=4096"), PG_R_OK);
	CHECK_INT(client_final(OURS ",s=c2FsdA==,i=4096"), PG_R_SASL_NONCE);
	CHECK_INT(client_final("r=Zother,s=c2FsdA==,i=4096"), PG_R_SASL_NONCE);
	CHECK_INT(client_final(OURS "xyz,s=,i=4096"), PG_R_SASL_MESSAGE);
	CHECK_INT(client_final(OURS "xyz,s=!!!!,i=4096"), PG_R_SASL_MESSAGE);
	CHECK_INT(client_final(OURS "xyz,s=c2FsdA==,i=0"), PG_R_SASL_ITERATIONS);
	CHECK_INT(client_final(OURS "xyz,s=c2FsdA==,i=1000001"), PG_R_SASL_ITERATIONS);
	CHECK_INT(client_final(OURS "xyz,s=c2FsdA==,i=99999999999999999999"),
		  PG_R_SASL_ITERATIONS);
	CHECK_INT(client_final(OURS "xyz,s=c2FsdA==,i=-1"), PG_R_SASL_ITERATIONS);
	CHECK_INT(client_final("m=x," OURS "xyz,s=c2FsdA==,i=4096"), PG_R_SASL_MESSAGE);
	CHECK_INT(client_final(""), PG_R_SASL_MESSAGE);
}

static void
md5_response(void)
{
	char out[36];

	/* md5(md5("secretana") || "salt"), from coreutils md5sum */
	pg_md5_response(out, SLICE_LIT("ana"), SLICE_LIT("secret"), (const uint8_t *) "salt");
	CHECK_SLICE(slice_str(out), "md51a96fd8219aaa6def830c5559174953c");
}

TEST_MAIN(TEST(rfc7677_vector), TEST(both_sides_agree), TEST(client_keys_are_derived_once),
	  TEST(a_mock_looks_like_a_user), TEST(hostile_first_messages),
	  TEST(tampered_messages_are_refused), TEST(an_offer_that_was_taken_away_is_noticed),
	  TEST(hostile_servers), TEST(md5_response))
