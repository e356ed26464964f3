"""The tests' own server: what it leaves behind would fail some other test."""

import contextlib
import gc
import socket
import threading
import time

from .servers import Ngh2Server, Served


def test_a_server_that_stops_while_clients_connect_leaves_no_socket_open(tls):
    def connect(port):
        with contextlib.suppress(OSError):  # it has stopped
            while len(clients) < 50:  # fewer than the backlog, beyond which each costs a second
                clients.append(socket.create_connection(("127.0.0.1", port)))

    clients: list[socket.socket] = []
    for _ in range(10):
        with Ngh2Server(tls, Served) as server:
            thread = threading.Thread(target=connect, args=(server.port,))
            thread.start()
            while not clients:
                time.sleep(0.0001)
        thread.join()
        for client in clients:
            client.close()
        clients.clear()
        gc.collect()  # a socket that was dropped open warns now, which fails this test
