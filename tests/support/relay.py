"""A TCP relay that a test can cut, stop or silence: the network between two real processes."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from typing import Any

__all__ = ["Relay"]

CHUNK = 1 << 18
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: close() sends RST, and what was not sent yet is gone."""


class Relay:
    """Listens on a port of 127.0.0.1 and passes every connection on to ``target``.

    A thread of its own does the work; all methods may be called from any other.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        """Where new connections go."""
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._peers: dict[socket.socket, socket.socket] = {}
        self._silent = self._stopping = False
        self._lock = threading.Lock()
        self.port = 0
        self.open()
        self._thread = threading.Thread(target=self._work, name="relay", daemon=True)
        self._thread.start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._thread.join()
        self.close()
        self._selector.close()

    def open(self) -> None:
        """Accept connections, on the same port as before."""
        listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = listener.getsockname()[1]
        with self._lock:
            self._listener = listener
            self._selector.register(listener, selectors.EVENT_READ)

    def close(self) -> None:
        """As a machine that went down: connections are reset, new ones refused."""
        with self._lock:
            if self._listener is not None:
                self._selector.unregister(self._listener)
                self._listener.close()
                self._listener = None
        self.cut()

    def cut(self) -> int:
        """Reset all connections, new ones are accepted; how many there were."""
        with self._lock:
            pairs = len(self._peers) // 2
            while self._peers:
                self._drop(next(iter(self._peers)))
            return pairs

    def silence(self, silent: bool = True) -> None:
        """Pass nothing on, in neither direction, and say nothing: a firewall that drops."""
        with self._lock:
            self._silent = silent
            for sock in self._peers:
                self._watch(sock)

    def _watch(self, sock: socket.socket) -> None:
        registered = sock in self._selector.get_map()
        if self._silent and registered:
            self._selector.unregister(sock)
        elif not self._silent and not registered:
            self._selector.register(sock, selectors.EVENT_READ)

    def _work(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select(0.02):
                self._handle(key.fileobj)

    def _handle(self, sock: Any) -> None:
        with self._lock:
            if sock is self._listener:
                self._accept(sock)
            elif sock in self._peers and not self._silent:
                self._pass_on(sock)

    def _accept(self, listener: socket.socket) -> None:
        ours, _ = listener.accept()
        try:
            theirs = socket.create_connection(self.target, 5)
        except OSError:
            ours.close()
            return
        self._peers |= {ours: theirs, theirs: ours}
        for sock in (ours, theirs):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(5)
            self._watch(sock)

    def _pass_on(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(CHUNK)
            if data:
                self._peers[sock].sendall(data)
                return
        except OSError:
            pass
        self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        for each in (sock, self._peers.pop(sock, None)):
            if each is None:
                continue
            self._peers.pop(each, None)
            if each in self._selector.get_map():
                self._selector.unregister(each)
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            each.close()
