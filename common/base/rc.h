/* rc.h - result codes, one list for numbers and texts.
 *
 * Every function that can fail returns enum rc and leaves its out-parameters
 * untouched when it does. The text says what kind of failure it was; where and
 * by which rule stands in a struct diag (diag.h) where there is one.
 */
#ifndef ALTOCAST_BASE_RC_H
#define ALTOCAST_BASE_RC_H

#define RC_LIST(X) \
	X(OK,        0, "ok") \
	X(ENOMEM,   -1, "out of memory") \
	X(EINVAL,   -2, "argument not allowed here") \
	X(ELIMIT,   -3, "over a limit") \
	X(ESYNTAX,  -4, "not well-formed") \
	X(ERULE,    -5, "well-formed, but breaks a rule") \
	X(EGAP,     -6, "does not follow what is held") \
	X(EDIGEST,  -7, "content differs from what was announced") \
	X(ESIG,     -8, "signature is not valid") \
	X(EKEY,     -9, "signed by a key that is not trusted") \
	X(ETIME,   -10, "not valid at this time") \
	X(EFORK,   -11, "same position, other content") \
	X(ENOENT,  -12, "not there") \
	X(EEXIST,  -13, "already there") \
	X(EAGAIN,  -14, "not now") \
	X(EIO,     -15, "input/output failure") \
	X(EPROTO,  -16, "peer broke the protocol")

enum rc {
#define X(name, num, text) RC_##name = num,
	RC_LIST(X)
#undef X
};

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Static text, never NULL. */
const char *rc_text(enum rc rc);

#endif
