/* SPDX-License-Identifier: MIT */
#include "compiler/compile.h"

#include "compiler/dcode.h"
#include "compiler/image_build.h"

static struct image *
load(struct arena *arena, const struct buf *bytes, struct image_error *err)
{
	const struct image_trust trust = {.allow_unsigned = true};

	return image_load(arena, buf_slice(bytes), &trust, err);
}

static void
warn(struct diag_queue *q, const struct checked *p, enum vm_entry e, const struct dcode *d)
{
	struct buf names = {0};

	for (enum action a = 0; a < ACTION_COUNT; a++)
		if (action_set_has(&d->entangled, a))
			buf_printf(&names, "%s%s", names.n ? ", " : "", action_info[a].name);
	if (d->too_large)
		buf_printf(&names, "%s%s", names.n ? ", " : "", entry_info[e].name);
	if (names.n)
		diag(q, NO_DIAGRAM, p->ast->name.at, SLICE_ARG(buf_slice(&names)));
	buf_fini(&names);
}

/* Diagrams of the lists that stand in `code`; they live in `arena`. */
static void
make_diagrams(const struct checked *p, struct diag_queue *q, struct arena *arena,
	      struct emitted code[ENTRY_COUNT])
{
	const struct compile_options unsigned_ = {0};
	struct buf bytes = {0};
	struct image_error err;
	const struct image *img;
	const char *why;
	struct space *s;
	struct dcode d;

	image_build(p, code, q->sources, &unsigned_, &bytes);
	img = load(arena, &bytes, &err);
	buf_fini(&bytes);
	if (!img)
		return;
	s = space_new(arena, &img, 1, &why);
	for (int i = 0; i < ENTRY_COUNT; i++) {
		enum vm_entry e = (enum vm_entry) i;

		d = (struct dcode){.too_large = code[e].n > 1};
		if (s)
			dcode_make(s, e, p->constants, arena, &d);
		warn(q, p, e, &d);
		code[e].diagram = d.code;
		code[e].n_diagram = d.n;
	}
}

/* What would stand in the image is read once more. A diagram that does not say what the list says,
 * which is a mistake of the compiler, or is too large to be compared, is not put into an image: the
 * list decides. */
static void
check_diagrams(const struct checked *p, struct diag_queue *q, struct arena *arena,
	       struct buf *bytes, struct emitted code[ENTRY_COUNT])
{
	struct image_error err;
	const struct image *img = load(arena, bytes, &err);
	struct space *s = NULL;
	struct slice wrong = {0};
	bool unsure = true;
	const char *why;

	if (img)
		s = space_new(arena, &img, 1, &why);
	else if (err.code >= IMAGE_ERROR_OPCODE && err.code != IMAGE_ERROR_COST)
		wrong = slice_str(err.text);
	if (s && dcode_agrees(s, &wrong, &unsure) && !unsure)
		return;
	if (wrong.n)
		diag(q, WRONG_DIAGRAM, p->ast->name.at, SLICE_ARG(wrong));
	for (int e = 0; e < ENTRY_COUNT; e++) {
		if (code[e].n_diagram && !wrong.n)
			warn(q, p, (enum vm_entry) e, &(struct dcode){.too_large = true});
		code[e].n_diagram = 0;
	}
}

static void
build(const struct checked *p, struct diag_queue *q, const struct compile_options *options,
      struct emitted code[ENTRY_COUNT], struct buf *out)
{
	const struct compile_options unsigned_ = {0};
	struct buf bytes = {0};
	struct arena arena;

	arena_init(&arena, 0);
	if (!options->list_only) {
		make_diagrams(p, q, &arena, code);
		image_build(p, code, q->sources, &unsigned_, &bytes);
		check_diagrams(p, q, &arena, &bytes, code);
		buf_fini(&bytes);
	}
	image_build(p, code, q->sources, options, out);
	arena_fini(&arena);
}

bool
compile_policy_checked(const char *path, struct arena *arena, struct diag_queue *q,
		       struct buf *out, const struct compile_options *options,
		       struct policy **tree, struct checked **checked)
{
	struct emitted code[ENTRY_COUNT];
	struct policy *p;
	bool good;
	const struct parse_loader *loader =
		options->loader ? options->loader : &parse_file_loader;

	p = options->text ? parse_policy_text(arena, q, path, *options->text, loader)
			  : parse_policy(arena, q, path, loader);
	if (tree)
		*tree = p;
	/* What was parsed is checked even then: all errors in one run. */
	*checked = check_policy(p, arena, q);
	good = diag_ok(q) && emit_policy(*checked, arena, q, code);
	if (good)
		build(*checked, q, options, code, out);
	if (options->catalog) {
		*options->catalog = (struct catalog *) (uintptr_t) (*checked)->catalog;
		(*checked)->catalog = NULL;
	}
	checked_free(*checked);
	return good;
}

bool
compile_policy(const char *path, struct arena *arena, struct diag_queue *q, struct buf *out,
	       const struct compile_options *options, struct policy **tree)
{
	struct checked *checked;

	return compile_policy_checked(path, arena, q, out, options, tree, &checked);
}
