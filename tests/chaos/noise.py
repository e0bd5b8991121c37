"""A TCP relay that damages what goes through it: between a proxy and the HTTP
port of its upstream, or the push port, where it knows WebSocket frames.

	hub = noise.Hub(lambda kind, link: ...)     # a thread of its own
	link = hub.link("milan-push", ("127.0.0.1", 8081), frames=True, rng)
	link.begin(0.2, rng)    # of all frames (HTTP: pieces), from now on
	link.noise = 0          # none
	link.plan = [None, "drop"]      # of the next frames the second
	quiet = noise.Stop("line-silent", "milan-push")
	link.hush(quiet)        # nothing passes, nobody at either end is told
	link.speak(quiet)
	link.refuse = noise.Stop(...)   # connections are closed as they come
	link.reset()            # all that are open

The callback is told of each piece that was damaged in fact, once, and of each
stop once that has stopped something. Standard library only.
"""
import asyncio
import re
import socket
import struct
import threading

PIECE = 1 << 16
LATE_S = 0.02, 1.2
WHOLE = ("drop", "double", "cut", "torn", "late", "flip", "head", "swap",
         "forge")
BYTES = ("drop", "double", "torn", "late", "flip", "forge")
SIGNED = re.compile(rb"alto=:[A-Za-z0-9+/]{86}==:")


class Frames:
    """Bytes of one direction to frames; before the first, HTTP's head."""

    def __init__(self):
        self.held = b""
        self.plain = True       # no frame yet

    def feed(self, data):
        """[(bytes, is it a frame with text)]"""
        self.held += data
        out = []
        if self.plain:
            end = self.held.find(b"\r\n\r\n")
            if end < 0:
                return out
            out.append((self.held[:end + 4], False))
            self.held, self.plain = self.held[end + 4:], False
        while True:
            size = self._size()
            if size is None or len(self.held) < size:
                return out
            out.append((self.held[:size], self.held[0] & 15 in (0, 1)))
            self.held = self.held[size:]

    def _size(self):
        """Of the first frame, with its head."""
        h = self.held
        if len(h) < 2:
            return None
        n, mask = h[1] & 127, 4 if h[1] & 128 else 0
        if n < 126:
            return 2 + mask + n
        wide = 2 if n == 126 else 8
        if len(h) < 2 + wide:
            return None
        return 2 + wide + mask + int.from_bytes(h[2:2 + wide], "big")


def shorter(frame, keep):
    """The frame with only the beginning of what it carries."""
    n = frame[1] & 127
    at = 2 + (2 if n == 126 else 8 if n == 127 else 0)
    mask = frame[at:at + 4] if frame[1] & 128 else b""
    data = frame[at + len(mask):]
    data = data[:int(len(data) * keep)]
    bit = 128 if mask else 0
    if len(data) < 126:
        head = struct.pack("!BB", frame[0], bit | len(data))
    else:
        head = struct.pack("!BBQ", frame[0], bit | 127, len(data))
    return head + mask + data


def flipped(data, first, rng):
    """One of the lower bits, so that text mostly remains text."""
    at = rng.randrange(min(first, len(data) - 1), len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(6)]) + \
        data[at + 1:]


def forged(data, rng):
    """Another signature; all else is as it was."""
    found = list(SIGNED.finditer(data))
    at = rng.choice(found).start() + len(b"alto=:") + rng.randrange(85)
    return data[:at] + (b"B" if data[at:at + 1] == b"A" else b"A") + \
        data[at + 1:]


class Stop:
    """Counted as soon as it stops something, and then no more."""

    def __init__(self, kind, who):
        self.kind, self.who, self.hit = kind, who, False

    def hits(self, told):
        if not self.hit:
            self.hit = True
            told(self.kind, self.who)


class Link:
    def __init__(self, hub, name, target, frames, rng):
        self.hub, self.name, self.target = hub, name, target
        self.frames, self.rng = frames, rng
        self.noise, self.kinds, self.plan = 0.0, (), []
        self.stop, self.refuse = None, None
        self.passes = asyncio.Event()
        self.passes.set()
        self.port = 0
        self.open = set()

    async def listen(self, address):
        server = await asyncio.start_server(self.accept, address, 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def begin(self, noise, rng):
        """Damage of all kinds; or of one, now and then of the one that only a
        signature can show."""
        all_of = WHOLE if self.frames else BYTES
        what = rng.random()
        self.kinds = ("forge",) if what < 0.15 else (
            rng.choice(all_of),) if what < 0.3 else all_of
        self.noise = noise

    def hush(self, stop):
        self.stop = stop
        self.hub.loop.call_soon_threadsafe(self.passes.clear)

    def speak(self, stop):
        """Unless something else stops it by now."""
        if self.stop is stop:
            self.stop = None
            self.hub.loop.call_soon_threadsafe(self.passes.set)

    def reset(self):
        """How many connections there were."""
        n = len(self.open)
        self.hub.loop.call_soon_threadsafe(self._reset)
        return n

    def _reset(self):
        for writer in list(self.open):
            abort(writer)

    async def accept(self, reader, writer):
        if self.refuse:
            self.refuse.hits(self.hub.told)
            abort(writer)
            return
        try:
            up = await asyncio.open_connection(*self.target)
        except OSError:
            abort(writer)
            return
        self.open |= {writer, up[1]}
        try:
            as_frames = self.frames and self.rng.random() < 0.85
            await asyncio.gather(
                self.pump(reader, up[1], as_frames, False),
                self.pump(up[0], writer, as_frames, True))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for w in (writer, up[1]):
                self.open.discard(w)
                abort(w)

    async def pump(self, reader, writer, as_frames, down):
        frames, kept = Frames() if as_frames else None, []
        while True:
            data = await reader.read(PIECE)
            if not data:
                writer.close()
                return
            for unit, text in frames.feed(data) if frames else [
                    (data, down or self.frames)]:
                if self.stop:
                    self.stop.hits(self.hub.told)
                await self.passes.wait()
                kind = self.choose(text)
                if kind == "forge" and not SIGNED.search(unit) or \
                        kind in ("cut", "head", "swap") and not frames:
                    kind = None
                await self.put(writer, unit, kind, kept)

    def choose(self, text):
        if text and self.plan:
            return self.plan.pop(0)
        if not text or self.rng.random() >= self.noise:
            return None
        return self.rng.choice(self.kinds)

    async def put(self, writer, unit, kind, kept):
        if kind:
            self.hub.told("%s-%s" % ("frame" if self.frames else "http",
                                     kind), self.name)
        out = [unit]
        if kind == "drop":
            out = []
        elif kind == "double":
            out = [unit, unit]
        elif kind == "cut":
            out = [shorter(unit, self.rng.random())]
        elif kind == "torn":
            out = [unit[:self.rng.randrange(len(unit))]]
        elif kind == "late":    # that is the fault: nothing is waited for
            await asyncio.sleep(self.rng.uniform(*LATE_S))
        elif kind == "flip":
            out = [flipped(unit, 4 if self.frames else 0, self.rng)]
        elif kind == "forge":
            out = [forged(unit, self.rng)]
        elif kind == "head":
            out = [flipped(unit[:2], 0, self.rng) + unit[2:]]
        elif kind == "swap" and not kept:
            kept.append(unit)
            return
        for data in out + kept:
            writer.write(data)
        kept.clear()
        await writer.drain()
        if kind == "torn":
            raise ConnectionResetError


def abort(writer):
    """With RST, as a machine that went away."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
        except OSError:
            pass
    writer.transport.abort()


class Hub(threading.Thread):
    def __init__(self, told, address="127.0.0.1"):
        super().__init__(daemon=True)
        self.told, self.address = told, address
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda loop, context: None)
        self.links = []
        self.start()

    def run(self):
        self.loop.run_forever()

    def link(self, name, target, frames, rng):
        link = Link(self, name, target, frames, rng)
        asyncio.run_coroutine_threadsafe(
            link.listen(self.address), self.loop).result(10)
        self.links.append(link)
        return link

    def stop(self):
        for link in self.links:
            link.reset()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.join()
