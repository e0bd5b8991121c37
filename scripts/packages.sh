# packages.sh - what this project needs from Debian, and how it gets it.
# Sourced by build, test and quickstart (sh). Nothing is asked of the network
# while nothing is missing.

BUILD_PACKAGES="gcc libc6-dev make autoconf automake libtool pkg-config
libmicrohttpd-dev libgnutls28-dev libwebsockets-dev
libwebsockets-evlib-uv libuv1-dev libssl-dev libjansson-dev
libsqlite3-dev libconfig-dev libdeflate-dev libzstd-dev
libcurl4-openssl-dev libsystemd-dev libcunit1-dev"

# To run and check the quickstart.
RUN_PACKAGES="python3 openssl"

TEST_PACKAGES="clang libclang-rt-14-dev python3 openssl faketime nginx-light
iproute2 ca-certificates"

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# The ones of $@ that are not installed.
missing_packages() {
	for p in "$@"; do
		case $(dpkg-query -W -f='${Status}' "$p" 2>/dev/null) in
		'install ok installed') ;;
		*) printf '%s ' "$p" ;;
		esac
	done
}

# Installs those of $@ that are missing, as root or through sudo; who may do
# neither is told the one line that would.
need_packages() {
	command -v dpkg-query >/dev/null 2>&1 || {
		say "not a Debian system: these must be here: $*"
		return 0
	}
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" -eq 0 ]; then
		as_root=
	elif sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo \
	    >/dev/null 2>&1; }; then
		as_root=sudo
	else
		say "Packages are missing. As root, run:" >&2
		say "apt-get update && apt-get install -y" \
		    "--no-install-recommends ${missing% }" >&2
		exit 1
	fi
	say "installing: ${missing% }"
	apt_install $missing || {
		say "  the package lists are old or missing: updating them"
		apt_get update || die "apt-get update failed"
		apt_install $missing ||
		    die "could not install: ${missing% }"
	}
}

# Quiet unless it fails. A first failure may only mean that the lists are not
# there yet, so what it said is shown by the second one alone.
apt_get() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq \
	    -o Dpkg::Use-Pty=0 "$@"
}

apt_install() {
	out=$(apt_get install -y --no-install-recommends "$@" 2>&1) || {
		[ -z "$apt_tried" ] || say "$out" >&2
		apt_tried=1
		return 1
	}
}
apt_tried=

# A system that was unpacked and not installed may not know its own name.
need_localhost() {
	! getent hosts localhost >/dev/null 2>&1 || return 0
	[ "$(id -u)" -eq 0 ] ||
	    die "localhost is no name here: /etc/hosts lacks 127.0.0.1 localhost"
	say "adding localhost to /etc/hosts, which lacks it"
	printf '127.0.0.1 localhost\n' >>/etc/hosts
}
