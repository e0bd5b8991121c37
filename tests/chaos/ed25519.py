"""Ed25519 (RFC 8032 section 5.1) in plain Python: to check signatures without
anything that the daemons use, and to make some for planted histories. Slow, a
few milliseconds each, and not safe for keys that matter: time depends on them.
"""
import hashlib

P = 2 ** 255 - 19
ORDER = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def _number(data):
    return int.from_bytes(data, "little")


def _hash(*parts):
    return _number(hashlib.sha512(b"".join(parts)).digest())


def _add(a, b):
    """Points are (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z."""
    x = (a[1] - a[0]) * (b[1] - b[0]) % P
    y = (a[1] + a[0]) * (b[1] + b[0]) % P
    t = 2 * a[3] * b[3] * D % P
    z = 2 * a[2] * b[2] % P
    e, f, g, h = y - x, z - t, z + t, y + x
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(n, point):
    out = (0, 1, 1, 0)
    while n:
        if n & 1:
            out = _add(out, point)
        point = _add(point, point)
        n >>= 1
    return out


def _same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and \
        (a[1] * b[2] - b[1] * a[2]) % P == 0


def _x_of(y, odd):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P or (x == 0 and odd):
        return None
    return P - x if x & 1 != odd else x


def _point(data):
    y = _number(data)
    y, odd = y & ((1 << 255) - 1), y >> 255
    x = _x_of(y, odd)
    return None if x is None else (x, y, 1, x * y % P)


def _text(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_Y = 4 * pow(5, P - 2, P) % P
BASE = _point(_Y.to_bytes(32, "little"))


def verify(public, message, signature):
    if len(public) != 32 or len(signature) != 64:
        return False
    key, r = _point(public), _point(signature[:32])
    s = _number(signature[32:])
    if not key or not r or s >= ORDER:
        return False
    h = _hash(signature[:32], public, message) % ORDER
    return _same(_times(s, BASE), _add(r, _times(h, key)))


def _expand(secret):
    h = hashlib.sha512(secret).digest()
    a = _number(h[:32]) & ((1 << 254) - 8) | 1 << 254
    return a, h[32:]


def public(secret):
    return _text(_times(_expand(secret)[0], BASE))


def sign(secret, message):
    a, prefix = _expand(secret)
    pub = public(secret)
    r = _hash(prefix, message) % ORDER
    point = _text(_times(r, BASE))
    s = (r + _hash(point, pub, message) * a) % ORDER
    return point + s.to_bytes(32, "little")
