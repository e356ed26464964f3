"""The comparison of registrations: what is asked, and how an answer is read."""

import json
import socketserver
import threading
from collections.abc import Callable

import pytest

from benchmarks.harness import BenchmarkError
from benchmarks.registering import KEY, load, token
from benchmarks.registering.load import OURS, THEIRS, requests_per_second
from benchmarks.registering.measure import _figures


def test_a_token_is_that_of_its_row():
    assert token(1) == "c4ca4238a0b923820dcc509a6f75849b6bb61e3b7bce0931da574d19d1d82c88"


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (OURS, {"deviceId": token(7), "platform": "ios", "locale": "de"}),
        (THEIRS, {"registration_id": token(7), "active": "true"}),
    ],
)
def test_both_are_asked_for_the_same_device(target, body):
    head, _, data = target.request(7).partition(b"\r\n\r\n")
    assert json.loads(data) == body
    assert f"Content-Length: {len(data)}" in head.decode()
    assert f"Authorization: {target.scheme} {KEY}" in head.decode()


class _Always(socketserver.BaseRequestHandler):
    """Gives one answer to everything, in two parts."""

    answer = b""

    def handle(self) -> None:
        while self.request.recv(65_536):
            for part in (self.answer[:20], self.answer[20:]):
                self.request.sendall(part)


class _Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture
def server():
    """A function that starts a server with one answer for everything; its port."""
    started = []

    def serve(answer: bytes) -> int:
        handler = type("_This", (_Always,), {"answer": answer})
        started.append(_Threads(("127.0.0.1", 0), handler))
        threading.Thread(target=started[-1].serve_forever, daemon=True).start()
        return int(started[-1].server_address[1])

    yield serve
    for each in started:
        each.shutdown()
        each.server_close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_answers_are_counted(server: Callable[[bytes], int], answer):
    assert requests_per_second(OURS, server(answer), devices=9, seconds=0.1) > 0


def test_another_answer_is_no_figure(server: Callable[[bytes], int]):
    port = server(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(BenchmarkError, match="other than 204"):
        requests_per_second(OURS, port, devices=9, seconds=0.1)
    assert load.CONNECTIONS == 4


def test_the_ratio_is_that_of_runs_beside_each_other():
    runs = {OURS: [(1000.0, 400.0), (500.0, 410.0)], THEIRS: [(100.0, 4e3), (100.0, 4e3)]}
    figures = {figure.name: figure for figure in _figures(runs)}
    assert figures["register_times_as_many"].runs == (10.0, 5.0)
    assert figures["register_ours_per_s"].value == 750
