"""A provider's front door, which can be alive or dead in several ways, connection by connection
and at once: a little HTTP/1.1 forwarder on a fixed port, in a thread of its own."""

import asyncio
import contextlib
import socket
import threading

MODES = {
    "alive": "forwards",
    "refuse": "nothing listens",
    "swallow": "takes connection and request, never answers",
    "drop": "does not even take the connection: its backlog is full",
    "slow": "forwards, and keeps each answer for 2 s, one of four for 6 s",
    "503": "answers 503 with Retry-After to all",
}
SLOW_S = (2, 2, 6, 2)
BUSY = (b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n"
        b"Content-Type: text/plain\r\n\r\n")


async def read_message(reader):
    """Headers, and the body that Content-Length announces; b"" at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    size = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            size = int(value)
    return head + (await reader.readexactly(size) if size else b"")


class Front:
    def __init__(self, upstream_port):
        self.upstream_port = upstream_port
        self.mode, self.open, self.fillers = None, set(), []
        self.taken = self.slowed = 0
        self.server = self.listener = None
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.become("alive")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def become(self, mode):
        assert mode in MODES
        asyncio.run_coroutine_threadsafe(self.change(mode), self.loop).result(10)

    async def change(self, mode):
        was, self.mode = self.mode, mode
        if was == "swallow" or mode in ("refuse", "swallow", "drop"):
            for writer in list(self.open):
                writer.transport.abort()
        closes = mode in ("refuse", "drop") or was == "drop"
        if self.listener and closes:
            if self.server:
                self.server.close()
            self.listener.close()
            for filler in self.fillers:
                filler.close()
            self.server = self.listener = None
            self.fillers = []
        if mode == "drop":
            self.listen(0)
            for _ in range(4):  # 2 fit; the rest, and whoever comes now, waits for ever
                filler = socket.socket()
                filler.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    filler.connect(("127.0.0.1", self.port))
                self.fillers.append(filler)
        elif mode != "refuse" and not self.listener:
            self.listen(256)
            self.server = await asyncio.start_server(self.serve, sock=self.listener)

    def listen(self, backlog):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.setblocking(False)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(backlog)

    async def serve(self, reader, writer):
        self.open.add(writer)
        up = None
        try:
            while True:
                request = await read_message(reader)
                if not request:
                    return
                if self.mode == "swallow":
                    self.taken += 1
                    await asyncio.sleep(3600)
                if self.mode == "503":
                    self.taken += 1
                    writer.write(BUSY)
                    continue
                if not up:
                    up = await asyncio.open_connection("127.0.0.1", self.upstream_port)
                slow = self.mode == "slow"
                up[1].write(request)
                answer = await read_message(up[0])
                if slow:
                    self.slowed += 1
                    await asyncio.sleep(SLOW_S[self.slowed % len(SLOW_S)])
                writer.write(answer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open.discard(writer)
            for end in (writer, up[1] if up else writer):
                end.transport.abort()
