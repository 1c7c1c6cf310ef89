/* SPDX-License-Identifier: MIT */
#include "io/tls.h"

#include "io_test.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

static const struct ring_config defaults;
static char folder[] = "/tmp/weir-tls-test-XXXXXX";

static const char *
path(const char *name)
{
	static char text[4][100];
	static int i;

	i = (i + 1) % 4;
	snprintf(text[i], sizeof(text[i]), "%s/%s", folder, name);
	return text[i];
}

static void
add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (!e || !X509_add_ext(x, e, -1))
		abort();
	X509_EXTENSION_free(e);
}

/* A certificate for `names`, or an authority when that is NULL; written as NAME.crt and
 * NAME.key. */
static void
make_cert(const char *name, const char *names, X509 **cert, EVP_PKEY **key, X509 *ca,
	  EVP_PKEY *ca_key)
{
	static long serial = 1;
	char file[32];
	FILE *f;

	*key = EVP_EC_gen("P-256");
	*cert = X509_new();
	X509_set_version(*cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(*cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(*cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(*cert), 3600);
	X509_set_pubkey(*cert, *key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(*cert), "CN", MBSTRING_ASC,
				   (const uint8_t *) name, -1, -1, 0);
	X509_set_issuer_name(*cert, X509_get_subject_name(ca ? ca : *cert));
	if (names)
		add_extension(*cert, ca, NID_subject_alt_name, names);
	else
		add_extension(*cert, *cert, NID_basic_constraints, "critical,CA:TRUE");
	if (!X509_sign(*cert, ca_key ? ca_key : *key, EVP_sha256()))
		abort();
	snprintf(file, sizeof(file), "%s.crt", name);
	f = fopen(path(file), "w");
	PEM_write_X509(f, *cert);
	fclose(f);
	snprintf(file, sizeof(file), "%s.key", name);
	f = fopen(path(file), "w");
	PEM_write_PrivateKey(f, *key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
}

static void
make_files(void)
{
	X509 *ca, *cert;
	EVP_PKEY *ca_key, *key;

	if (!mkdtemp(folder))
		abort();
	for (int other = 0; other < 2; other++) {
		make_cert(other ? "otherca" : "ca", NULL, &ca, &ca_key, NULL, NULL);
		if (!other) {
			make_cert("gw", "DNS:gw.example,IP:127.0.0.1", &cert, &key, ca, ca_key);
			X509_free(cert);
			EVP_PKEY_free(key);
		}
		X509_free(ca);
		EVP_PKEY_free(ca_key);
	}
}

static void
remove_files(void)
{
	static const char *const names[] = {"ca.crt", "ca.key", "otherca.crt", "otherca.key",
					    "gw.crt", "gw.key"};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		unlink(path(names[i]));
	rmdir(folder);
}

static struct tls_context *
server(void)
{
	char err[200] = "";
	struct tls_context *c = tls_server(path("gw.crt"), path("gw.key"), err, sizeof(err));

	if (!c)
		printf("# %s\n", err);
	return c;
}

static struct tls_context *
client(bool verify, const char *ca)
{
	char err[200] = "";
	struct tls_context *c = tls_client(verify, ca ? path(ca) : NULL, err, sizeof(err));

	if (!c)
		printf("# %s\n", err);
	return c;
}

static void
open_pair(struct ring *r, struct end *a, struct end *b)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0 ||
	    stream_open(r, fd[0], &end_ops, a, &a->s) < 0 ||
	    stream_open(r, fd[1], &end_ops, b, &b->s) < 0)
		abort();
}

static void
finish(struct ring *r, struct tls_context *s, struct tls_context *c)
{
	CHECK(TURN_UNTIL(r, ring_live(r) == 0));
	CHECK_INT(iobuf_in_use(r), 0);
	ring_close(r);
	tls_context_free(s);
	tls_context_free(c);
}

static void
megabytes_both_ways(void)
{
	enum { TOTAL = 6 << 20 };
	struct ring *r = open_ring(&defaults);
	struct tls_context *sc = server(), *cc = client(true, "ca.crt");
	struct end s = {.echo = true, .close_on_eof = true}, c = {0};
	uint8_t *bytes = malloc(TOTAL);
	uint64_t sum = 0;
	size_t put = 0;

	for (size_t i = 0; i < TOTAL; i++) {
		bytes[i] = (uint8_t) (i * 31 + i / 999);
		sum += (uint64_t) bytes[i] * (i % 251 + 1);
	}
	open_pair(r, &s, &c);
	REQUIRE(stream_tls(s.s, sc, NULL) == 0);
	REQUIRE(stream_tls(c.s, cc, "gw.example") == 0);
	stream_send_copy(c.s, bytes, 100); /* before the handshake is done */
	put = 100;
	while (c.received < TOTAL && c.s && s.s) {
		size_t n = TOTAL - put < 70001 ? TOTAL - put : 70001;

		if (c.secures && stream_queued(c.s) < STREAM_HIGH &&
		    stream_queued(s.s) < STREAM_HIGH) {
			stream_send_copy(c.s, bytes + put, n);
			put += n;
		}
		REQUIRE(ring_turn(r, NS_PER_MS) == 0);
	}
	CHECK_INT(s.secures, 1);
	CHECK_INT(c.secures, 1);
	CHECK_INT(c.received, TOTAL);
	CHECK(s.sum == sum);
	CHECK(c.sum == sum);
	CHECK(c.s && stream_is_tls(c.s));
	CHECK(ring_counters(r)->bytes_in > 2 * TOTAL); /* records */
	REQUIRE(c.s != NULL);
	stream_close(c.s);
	CHECK(TURN_UNTIL(r, s.closes && c.closes));
	CHECK_INT(s.eofs, 1); /* a goodbye, not a broken end */
	CHECK_INT(s.error, 0);
	free(bytes);
	finish(r, sc, cc);
}

static void
refuse(const char *ca, const char *host, const char *why)
{
	struct ring *r = open_ring(&defaults);
	struct tls_context *sc = server(), *cc = client(true, ca);
	struct end s = {.close_on_eof = true}, c = {0};

	open_pair(r, &s, &c);
	REQUIRE(stream_tls(s.s, sc, NULL) == 0);
	REQUIRE(stream_tls(c.s, cc, host) == 0);
	stream_send_copy(c.s, "secret", 6);
	CHECK(TURN_UNTIL(r, s.closes && c.closes));
	CHECK_INT(c.error, -EPROTO);
	if (!strstr(c.reason, why))
		printf("# %s\n", c.reason);
	CHECK(strstr(c.reason, why) != NULL);
	CHECK_INT(c.secures, 0);
	CHECK_INT(s.received, 0);
	CHECK(s.error != 0);
	finish(r, sc, cc);
}

static void
another_name_is_refused(void)
{
	refuse("ca.crt", "other.example", "ostname mismatch");
	refuse("ca.crt", "127.0.0.2", "IP address mismatch");
}

static void
an_unknown_authority_is_refused(void)
{
	refuse("otherca.crt", "gw.example", "unable to get local issuer certificate");
}

static void
an_address_in_the_certificate_is_accepted(void)
{
	struct ring *r = open_ring(&defaults);
	struct tls_context *sc = server(), *cc = client(true, "ca.crt");
	struct end s = {.close_on_eof = true}, c = {0};

	open_pair(r, &s, &c);
	REQUIRE(stream_tls(s.s, sc, NULL) == 0);
	REQUIRE(stream_tls(c.s, cc, "127.0.0.1") == 0);
	CHECK(TURN_UNTIL(r, s.secures && c.secures));
	stream_close(c.s);
	finish(r, sc, cc);
}

static void
without_verification_any_certificate_passes(void)
{
	struct ring *r = open_ring(&defaults);
	struct tls_context *sc = server(), *cc = client(false, NULL);
	struct end s = {.close_on_eof = true}, c = {0};

	open_pair(r, &s, &c);
	REQUIRE(stream_tls(s.s, sc, NULL) == 0);
	REQUIRE(stream_tls(c.s, cc, "what.ever") == 0);
	CHECK(TURN_UNTIL(r, s.secures && c.secures));
	stream_close(c.s);
	finish(r, sc, cc);
}

static void
verifying_without_a_name_is_refused(void)
{
	struct ring *r = open_ring(&defaults);
	struct tls_context *cc = client(true, "ca.crt");
	struct end e = {0};
	int fd = open_end(r, &e);

	CHECK_INT(stream_tls(e.s, cc, NULL), -ENOMEM);
	stream_abort(e.s);
	close(fd);
	finish(r, NULL, cc);
}

static void
what_was_queued_before_stays_plain(void)
{
	struct ring *r = open_ring(&defaults);
	struct tls_context *sc = server();
	struct end e = {0};
	int fd = open_end(r, &e);
	uint8_t got[8] = {0};

	/* PostgreSQL answers S and goes on in TLS. */
	stream_send_copy(e.s, "S", 1);
	REQUIRE(stream_tls(e.s, sc, NULL) == 0);
	stream_send_copy(e.s, "secret", 6);
	CHECK(TURN_UNTIL(r, stream_queued(e.s) == 0));
	CHECK_INT(read(fd, got, sizeof(got)), 1);
	CHECK_INT(got[0], 'S');
	stream_abort(e.s);
	close(fd);
	finish(r, sc, NULL);
}

static void
garbage_ends_the_handshake(void)
{
	struct ring *r = open_ring(&defaults);
	struct tls_context *sc = server();
	struct end e = {0};
	int fd = open_end(r, &e);

	REQUIRE(stream_tls(e.s, sc, NULL) == 0);
	CHECK_INT(write(fd, "GET / HTTP/1.0\r\n\r\n", 18), 18);
	CHECK(TURN_UNTIL(r, stream_queued(e.s) == 0 && e.s));
	close(fd);
	CHECK(TURN_UNTIL(r, e.closes == 1));
	CHECK_INT(e.error, -EPROTO);
	CHECK(strstr(e.reason, "TLS handshake: ") == e.reason);
	CHECK_INT(e.received, 0);
	finish(r, sc, NULL);
}

static void
an_end_without_goodbye_is_an_error(void)
{
	struct ring *r = open_ring(&defaults);
	struct tls_context *sc = server(), *cc = client(true, "ca.crt");
	struct end s = {0}, c = {0};

	open_pair(r, &s, &c);
	REQUIRE(stream_tls(s.s, sc, NULL) == 0);
	REQUIRE(stream_tls(c.s, cc, "gw.example") == 0);
	CHECK(TURN_UNTIL(r, s.secures && c.secures));
	stream_abort(c.s);
	CHECK(TURN_UNTIL(r, s.closes == 1));
	CHECK_INT(s.error, -ECONNRESET);
	CHECK_INT(s.eofs, 0);
	finish(r, sc, cc);
}

static void
old_versions_are_refused(void)
{
	struct ring *r = open_ring(&defaults);
	struct tls_context *sc = server();
	struct end e = {0};
	int fd = open_end(r, &e);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;
	int rc = -1;

	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	REQUIRE(stream_tls(e.s, sc, NULL) == 0);
	CHECK(TURN_UNTIL(r, (rc = SSL_connect(ssl)) == 1 ||
				    SSL_get_error(ssl, rc) != SSL_ERROR_WANT_READ));
	CHECK(rc != 1);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	CHECK(TURN_UNTIL(r, e.closes == 1));
	CHECK_INT(e.secures, 0);
	CHECK_INT(e.error, -EPROTO);
	finish(r, sc, NULL);
}

static void
files_that_do_not_serve_are_named(void)
{
	char err[300];

	CHECK(!tls_server(path("none.crt"), path("gw.key"), err, sizeof(err)));
	CHECK(strstr(err, "none.crt: No such file") != NULL);
	CHECK(!tls_server(path("gw.crt"), path("ca.key"), err, sizeof(err)));
	CHECK(strstr(err, "ca.key") != NULL);
	CHECK(!tls_server(path("gw.crt"), path("gw.crt"), err, sizeof(err)));
	CHECK(strstr(err, "private key") != NULL);
	CHECK(!tls_client(true, path("none.crt"), err, sizeof(err)));
	CHECK(strstr(err, "none.crt") != NULL);
}

static void
channel_binding_is_the_certificates_hash(void)
{
	struct tls_context *sc = server();
	FILE *f = fopen(path("gw.crt"), "r");
	X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
	uint8_t want[32];
	struct slice got = tls_server_end_point(sc);

	fclose(f);
	REQUIRE(X509_digest(x, EVP_sha256(), want, NULL) == 1);
	CHECK(slice_eq(got, slice_of(want, sizeof(want))));
	X509_free(x);
	tls_context_free(sc);
}

static const struct test_case tests[] = {
	TEST(megabytes_both_ways),
	TEST(another_name_is_refused),
	TEST(an_unknown_authority_is_refused),
	TEST(an_address_in_the_certificate_is_accepted),
	TEST(without_verification_any_certificate_passes),
	TEST(verifying_without_a_name_is_refused),
	TEST(what_was_queued_before_stays_plain),
	TEST(garbage_ends_the_handshake),
	TEST(an_end_without_goodbye_is_an_error),
	TEST(old_versions_are_refused),
	TEST(files_that_do_not_serve_are_named),
	TEST(channel_binding_is_the_certificates_hash),
};

int
main(void)
{
	int rc;

	make_files();
	rc = test_run(tests, COUNT_OF(tests));
	remove_files();
	return rc;
}
