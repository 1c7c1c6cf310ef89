/* SPDX-License-Identifier: MIT
 *
 * The shapes of what detectors find (re2c). If this is C with `goto`s, you are reading the generated
 * file: edit grammar/detect.re.
 *
 * Each function gives the end of the longest match that begins at p, or NULL, and reads nothing at or
 * behind `end`: there it sees a NUL, which stands in no shape. What must or must not stand around a
 * match, checksums and the like are detect.c's business.
 */
#include "proto/pg/detect_internal.h"

#define MATCHER(name)                                                                             \
	const uint8_t *name(const uint8_t *p, const uint8_t *end)                                 \
	{                                                                                         \
		const uint8_t *mark = p;

#define YYPEEK() (p < end ? *p : 0)
#define YYSKIP() (void) p++
#define YYBACKUP() (void) (mark = p)
#define YYRESTORE() (void) (p = mark)

/*!re2c
re2c:flags:input    = custom;
re2c:define:YYCTYPE = "uint8_t";
re2c:yyfill:enable  = 0;

digit   = [0-9];
alnum   = [0-9A-Za-z];
high    = [\x80-\xff];
b64     = [0-9A-Za-z_-];
label   = (alnum | high | "-")+;
*/

MATCHER(detect_match_card)
	/*!re2c
	[2-6] ([ -]? digit){12,18}                    { return p; }
	*                                             { (void) mark; return NULL; }
	*/
}

MATCHER(detect_match_domain)
	/*!re2c
	"@" (label ".")+ ([A-Za-z] | high){2,}        { return p; }
	*                                             { (void) mark; return NULL; }
	*/
}

MATCHER(detect_match_iban)
	/*!re2c
	[A-Za-z]{2} digit{2} ([ -]? alnum){11,30}     { return p; }
	*                                             { (void) mark; return NULL; }
	*/
}

MATCHER(detect_match_ssn)
	/*!re2c
	digit{3} "-" digit{2} "-" digit{4}            { return p; }
	digit{3} " " digit{2} " " digit{4}            { return p; }
	*                                             { (void) mark; return NULL; }
	*/
}

MATCHER(detect_match_phone)
	/*!re2c
	"+" [1-9] ([ ().-]{0,2} digit){6,14}          { return p; }
	"(" [2-9] digit{2} ")" " "? [2-9] digit{2} [ .-] digit{4} { return p; }
	[2-9] digit{2} [ .-] [2-9] digit{2} [ .-] digit{4} { return p; }
	*                                             { (void) mark; return NULL; }
	*/
}

MATCHER(detect_match_jwt)
	/*!re2c
	"eyJ" b64{7} b64* "." b64+ "." b64*           { return p; }
	*                                             { (void) mark; return NULL; }
	*/
}

MATCHER(detect_match_aws_key)
	/*!re2c
	("AKIA" | "ASIA" | "ABIA" | "ACCA") [0-9A-Z]{16} { return p; }
	*                                             { (void) mark; return NULL; }
	*/
}

MATCHER(detect_match_private_key)
	/*!re2c
	"-----BEGIN " ([0-9A-Z]+ " "){0,4} "PRIVATE KEY" " BLOCK"? "-----" { return p; }
	*                                             { (void) mark; return NULL; }
	*/
}
