"""The client against nghttp2 over TLS: nothing is lost and nothing comes twice."""

import ngh2
import pytest

from .servers import Ngh2Server, Served, connected, drive, request

STREAMS = ngh2.Setting.MAX_CONCURRENT_STREAMS


class Mixed(Served):
    """Answers as its keys want: 200, 200 with a body, 410 with a body."""

    def on_request(self, stream, key):
        if key % 10 == 3:
            self.answer(stream, key, 410, b'{"reason": "Unregistered"}')
        else:
            self.answer(stream, key, 200, b'{"name": "x"}' if key % 10 == 4 else b"")


@pytest.mark.parametrize("connections", [1, 3])
def test_every_answer_arrives_at_its_key(tls, connections):
    with (
        Ngh2Server(tls, Mixed) as server,
        connected(server.origin, tls, connections=connections) as client,
    ):
        outcome = drive(client, [request(key) for key in range(3_000)])
        assert len(server.connections) == connections
    assert sorted(outcome.ok) == [key for key in range(3_000) if key % 10 != 3]
    assert sorted(server.processed) == list(range(3_000))
    assert {(a.status, a.body, a.headers["apns-id"] == f"id-{a.key}") for a in outcome.answers} == {
        (410, b'{"reason": "Unregistered"}', True)
    }
    assert not server.complaints


class LikeApns(Served):
    """One stream at first and after each rejection, 500 after each accepted request."""

    configuration = ngh2.Configuration(glitch_rate_limit=(1_000_000, 1_000_000))
    settings = {STREAMS: 1}

    def __init__(self, server):
        super().__init__(server)
        self.limit = 1

    def on_request(self, stream, key):
        accepted = key % 50 != 7
        self.answer(stream, key, 200 if accepted else 410, b"" if accepted else b"{}")
        limit = 500 if accepted else 1
        if limit != self.limit:
            self.limit = limit
            self.http.update_settings({STREAMS: limit})


def test_a_limit_going_between_1_and_500_loses_nothing(tls):
    with Ngh2Server(tls, LikeApns) as server, connected(server.origin, tls) as client:
        outcome = drive(client, [request(key) for key in range(3_000)])
    assert len(outcome.ok) == 2_940
    assert len(outcome.answers) == 60
    assert not outcome.lost
    assert sorted(server.processed) == list(range(3_000))


class LeavesOften(Served):
    """GOAWAY after 100 requests; those that came later are not processed."""

    def on_request(self, stream, key):
        if self.count <= 100:
            self.answer(stream, key)
        if self.count == 100:
            self.close_after_goaway(stream)


class LeavesPolitely(Served):
    """First the notice with the largest id, the real GOAWAY a little later."""

    def on_request(self, stream, key):
        if not hasattr(self, "last"):
            self.answer(stream, key)
        if self.count == 60:
            self.http.send_shutdown_notice()
        if self.count == 100:
            self.last = stream
            self.server.loop.call_later(0.02, self.leave)

    def leave(self):
        self.close_after_goaway(self.last)
        self.write()


@pytest.mark.parametrize("served", [LeavesOften, LeavesPolitely])
@pytest.mark.parametrize("connections", [1, 2])
def test_goaway_every_hundred_requests_loses_nothing(tls, served, connections):
    with (
        Ngh2Server(tls, served) as server,
        connected(server.origin, tls, connections=connections) as client,
    ):
        outcome = drive(client, [request(key) for key in range(1_000)])
    assert sorted(outcome.ok) == list(range(1_000))
    assert sorted(server.processed) == list(range(1_000))


class Miserly(Served):
    """Windows of a few bytes, opened little by little."""

    configuration = ngh2.Configuration(auto_window_update=False)
    settings = {STREAMS: 50, ngh2.Setting.INITIAL_WINDOW_SIZE: 20}

    def on_event(self, event):
        super().on_event(event)
        if isinstance(event, ngh2.DataReceived):
            size = len(event.data)
            later = self.server.loop.call_later
            later(0.01, self.acknowledge, size, event.stream_id)

    def acknowledge(self, size, stream):
        self.http.acknowledge_received_data(size, stream)
        self.write()


def test_starving_windows_delay_and_lose_nothing(tls):
    with Ngh2Server(tls, Miserly) as server, connected(server.origin, tls) as client:
        outcome = drive(client, [request(key, b"x" * 45) for key in range(300)])
    assert sorted(outcome.ok) == list(range(300))
    assert sorted(server.processed) == list(range(300))


class TenthIsStuck(Served):
    """Never answers every tenth request."""

    def on_request(self, stream, key):
        if key % 10:
            self.answer(stream, key)


def test_a_request_without_an_answer_is_unknown_after_its_time(tls):
    with (
        Ngh2Server(tls, TenthIsStuck) as server,
        connected(server.origin, tls, request_timeout=0.3) as client,
    ):
        outcome = drive(client, [request(key) for key in range(500)])
        assert len(server.connections) == 1
    assert sorted(outcome.ok) == [key for key in range(500) if key % 10]
    assert sorted(lost.key for lost in outcome.lost) == list(range(0, 500, 10))
    assert all(lost.sent for lost in outcome.lost)
    assert {lost.reason for lost in outcome.lost} == {
        f"localhost:{server.port}: no answer within 0.3 s"
    }


class Brittle(Served):
    """Is gone without a word after 40 requests, one time out of two in the middle of answers."""

    def on_request(self, stream, key):
        if self.count <= 40:
            self.answer(stream, key)
        if self.count == 40:
            self.write()
            self.transport.abort()


def test_a_connection_lost_leaves_its_streams_unknown_and_never_repeats_them(tls):
    with Ngh2Server(tls, Brittle) as server, connected(server.origin, tls) as client:
        outcome = drive(client, [request(key) for key in range(600)])
    assert not outcome.answers
    assert all(lost.sent for lost in outcome.lost)
    assert outcome.lost
    assert set(outcome.ok) <= set(server.processed)
    assert len(server.processed) == len(set(server.processed))


class Refuses(Served):
    """Refuses each key once, and one key always."""

    configuration = ngh2.Configuration()

    def on_request(self, stream, key):
        refused = self.server.__dict__.setdefault("refused", [])
        if key == 5 or key not in refused:
            refused.append(key)
            self.http.reset_stream(stream, 7)
        else:
            self.answer(stream, key)


def test_refused_streams_are_sent_again_but_not_for_ever(tls):
    with Ngh2Server(tls, Refuses) as server, connected(server.origin, tls) as client:
        outcome = drive(client, [request(key) for key in range(50)])
        assert 6 <= server.refused.count(5) <= 21
    assert sorted(outcome.ok) == [key for key in range(50) if key != 5]
    assert [(lost.key, lost.sent) for lost in outcome.lost] == [(5, False)]
    assert "refused by the peer" in outcome.lost[0].reason
