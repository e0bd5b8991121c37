# lib.sh - what the whole-process tests have in common (sh and `local`).
# Source it first:
#
#	. "${srcdir:-.}/tests/lib.sh"
#
# A test is a command under a sentence: `check "what holds" command...`. The
# script ends with `finish`, which prints the count as the last line. Programs
# are those of the folder that `make check` runs in, or $BUILD. Everything is
# written below $WORK, which goes away when all went well. Nothing sleeps for a
# fixed time and nothing has a fixed port: `wait_for` a condition, listen on
# port 0 and ask `status` for the URL.

set -u
SRC=$(cd "${srcdir:-.}" && pwd)
BUILD=${BUILD:-$(pwd)}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/altocast-test.XXXXXX") || exit 99
WAIT_S=${WAIT_S:-30}		# limit of wait_for; sanitizers are slow

passed=0 failed=0 skipped=0
started=			# names, newest first

trap 'stop_all; exit 99' INT TERM HUP
trap 'stop_all' EXIT

note() { printf '# %s\n' "$*"; }

# check SENTENCE COMMAND...: one test. What the command says is shown when it
# fails.
check() {
	local what=$1
	shift
	if "$@" >"$WORK/check.out" 2>&1; then
		passed=$((passed + 1))
		printf 'ok: %s\n' "$what"
	else
		failed=$((failed + 1))
		printf 'FAILED: %s\n' "$what"
		sed 's/^/    /' "$WORK/check.out"
	fi
}

# skip SENTENCE WHY: one test that cannot run here.
skip() {
	skipped=$((skipped + 1))
	printf 'SKIP: %s (%s)\n' "$1" "$2"
}

# Gives up on the whole script: the rest would only fail for the same reason.
bail() {
	failed=$((failed + 1))
	printf 'FAILED: %s\n' "$*"
	finish
}

# Stops everything, keeps the logs of a failure, prints the count, exits.
finish() {
	stop_all
	if [ "$failed" -gt 0 ]; then
		for log in "$WORK"/*.log; do
			[ -s "$log" ] || continue
			note "$log"
			tail -n 20 "$log"
		done
		note "kept: $WORK"
	else
		rm -rf "$WORK"
	fi
	printf '%d passed, %d failed, %d skipped\n' \
	    "$passed" "$failed" "$skipped"
	trap - EXIT
	[ "$failed" -eq 0 ] || exit 1
	[ "$passed" -gt 0 ] || exit 77
	exit 0
}

# Equal files. Says where they differ, not all of what they hold.
same() { cmp "$1" "$2"; }

# equal EXPECTED GOT
equal() {
	[ "$1" = "$2" ] || {
		printf 'expected: %s\ngot:      %s\n' "$1" "$2"
		return 1
	}
}

# ---- processes ------------------------------------------------------------

# start NAME COMMAND...: in the background, output to $WORK/NAME.log.
start() {
	local name=$1
	shift
	"$@" >>"$WORK/$name.log" 2>&1 </dev/null &
	echo $! >"$WORK/$name.pid"
	started="$name $started"
}

pid_of() { cat "$WORK/$1.pid"; }
running() { [ -e "$WORK/$1.pid" ] && ! ended "$(pid_of "$1")"; }

# A child that nobody has waited for yet still has its number.
ended() {
	[ ! -e "/proc/$1/status" ] ||
	    grep -q '^State:[[:space:]]*[ZX]' "/proc/$1/status" 2>/dev/null
}

# stop NAME [SIGNAL]: ends it and waits. Its exit status is left in $status,
# 128 + n after signal n. Not ended after WAIT_S: killed.
stop() {
	local pid

	status=0
	[ -e "$WORK/$1.pid" ] || return 0
	pid=$(pid_of "$1")
	rm -f "$WORK/$1.pid"
	kill "-${2:-TERM}" "$pid" 2>/dev/null
	wait_for "$1 ends" ended "$pid" || kill -KILL "$pid"
	wait "$pid" 2>/dev/null || status=$?
}

# Fails unless the process NAME ended with status 0 when told to.
stops_well() {
	stop "$1"
	equal 0 "$status"
}

stop_all() {
	local name

	for name in $started; do
		stop "$name"
	done
	started=
}

# ---- waiting --------------------------------------------------------------

# wait_for WHAT COMMAND...: until the command succeeds; fails after WAIT_S.
wait_for() {
	local what=$1 end

	shift
	end=$(($(date +%s) + WAIT_S))
	until "$@" >"$WORK/wait.out" 2>&1; do
		if [ "$(date +%s)" -ge "$end" ]; then
			printf 'not within %s s: %s\n' "$WAIT_S" "$what"
			cat "$WORK/wait.out"
			return 1
		fi
		sleep 0.02
	done
}

# A free TCP port on loopback, for programs that cannot take port 0. Somebody
# else may take it before you do.
free_port() {
	python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# ---- daemons --------------------------------------------------------------

# daemon PROGRAM NAME: starts $BUILD/PROGRAM with $WORK/NAME.conf, whose
# admin.socket must be "NAME.sock", and waits until altoctl gets an answer.
# Without a daemon there is no test, so the script ends here if it fails.
daemon() {
	start "$2" "$BUILD/$1" --config "$WORK/$2.conf"
	wait_for "$2 answers" answers_or_dead "$2" || bail "$2 does not answer"
	running "$2" || bail "$2 ended: $(tail -n 3 "$WORK/$2.log")"
}

answers_or_dead() { ! running "$1" || ctl "$1" status --json; }

# ctl NAME COMMAND...: altoctl at that daemon.
ctl() {
	local name=$1

	shift
	"$BUILD/altoctl" --socket "$WORK/$name.sock" "$@"
}

# json EXPRESSION: of the JSON document on stdin, as Python indexes it:
# `json '["listeners"]["http"]'`. Texts come without quotes; fails when it is
# not there.
json() {
	python3 -c 'import json, sys
v = eval("d" + sys.argv[1], {"d": json.load(sys.stdin), "len": len})
print(v if isinstance(v, str) else json.dumps(v, sort_keys=True))' "$1"
}

# status NAME EXPRESSION: one value of `altoctl status --json`.
status() {
	ctl "$1" status --json >"$WORK/status.$1" && json "$2" <"$WORK/status.$1"
}

url() { status "$1" '["listeners"]["http"]'; }

# at NAME SERIAL: it serves that serial.
at() { equal "$2" "$(status "$1" '["serial"]')"; }

# in_step NAME NAME...: all serve the session and serial of the first.
in_step() {
	local first other

	first="$(status "$1" '["session"]') $(status "$1" '["serial"]')" ||
	    return 1
	shift
	for other; do
		equal "$first" "$(status "$other" '["session"]') $(status \
		    "$other" '["serial"]')" || return 1
	done
}

# fetch URL FILE: the body; fails unless the answer is 200.
fetch() { curl -fsS --max-time "$WAIT_S" -o "$2" "$1"; }

# verified URL...: signature, proof and bytes, by a program of its own.
verified() { python3 "$SRC/examples/verify/alto-verify.py" "$@"; }

# ---- configurations -------------------------------------------------------

# server_conf NAME MAPS [MORE]: the smallest that runs; MAPS is the text
# within maps = ( ).
server_conf() {
	cat >"$WORK/$1.conf" <<-CONF
	state = "$1.state";
	http: { listen = "127.0.0.1:0"; };
	push: { listen = "127.0.0.1:0"; };
	admin: { listen = "127.0.0.1:0"; socket = "$1.sock"; };
	signing: { key = "$1.pem"; };
	maps = ( $2 );
	${3:-}
	CONF
}

# proxy_conf NAME UPSTREAM-URL [MORE]: UPSTREAM-URL is that of url().
proxy_conf() {
	cat >"$WORK/$1.conf" <<-CONF
	state = "$1.state";
	http: { listen = "127.0.0.1:0"; };
	push: { listen = "127.0.0.1:0"; };
	admin: { listen = "127.0.0.1:0"; socket = "$1.sock"; };
	upstream = ( { directory = "$2/directory"; mode = "push"; name = "$1"; } );
	${3:-}
	CONF
}
