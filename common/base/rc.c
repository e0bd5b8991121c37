#include "common/base/rc.h"

const char *rc_text(enum rc rc)
{
	switch (rc) {
#define X(name, num, text) case RC_##name: return text;
	RC_LIST(X)
#undef X
	}
	return "unknown result";
}
