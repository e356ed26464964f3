"""Long random conversations: whatever the peer does, each key is reported exactly once, rightly."""

import h2.config
import h2.connection
import h2.events
import h2.settings
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from django_push.http2 import Codec, Template

from .peer import TEMPLATE, Pair, request

OTHER = Template([(":method", "POST"), (":scheme", "https"), (":authority", "b")], [("x", "y")])
STATUSES = st.sampled_from([200, 200, 200, 204, 400, 410, 503])
BODIES = st.sampled_from([b"", b"{}", b"x" * 300])


class Conversation(RuleBasedStateMachine):
    """A codec with the hand-written peer, which checks windows, limits and order by itself."""

    @initialize(confirm=st.booleans())
    def meet(self, confirm):
        self.pair = Pair(confirm=confirm)
        self.said: dict[int, int] = {}  # key -> status of a complete answer
        self.not_processed: set[int] = set()
        self.last = 2**31 - 1
        self.sent = 0
        self.ok, self.answers, self.lost, self.refused = [], [], [], []

    def _streams(self):
        """Open streams that the server works on, oldest first."""
        return sorted(number for number in self.pair.peer.open if number <= self.last)

    def _pick(self, position):
        streams = self._streams()
        return streams[position % len(streams)] if streams else None

    @rule(count=st.integers(1, 8), body=BODIES, template=st.sampled_from([TEMPLATE, OTHER]))
    def send(self, count, body, template):
        count = min(count, self.pair.codec.room())
        keys = range(self.sent, self.sent + count)
        self.sent += count
        self.pair.codec.request_many(template, [request(key, body) for key in keys])

    @rule(position=st.integers(0, 50), status=STATUSES, body=BODIES, early=st.booleans())
    def answer(self, position, status, body, early):
        self.pair.talk()
        number = self._pick(position)
        if number and (early or self.pair.peer.seen[number].ended):
            self.said[self.pair.peer.seen[number].key] = status
            self.pair.peer.answer(number, status, body, apns_id=f"id-{number}")

    @rule(position=st.integers(0, 50))
    def begin_an_answer(self, position):
        number = self._pick(position)
        if number:
            self.pair.peer.headers(number, (":status", "103"))

    @rule(position=st.integers(0, 50), code=st.sampled_from([0, 2, 7, 7, 8]))
    def reset(self, position, code):
        number = self._pick(position)
        if number:
            if code == 7:
                self.not_processed.add(self.pair.peer.seen[number].key)
            self.pair.peer.reset(number, code)

    @rule(limit=st.sampled_from([0, 1, 2, 5, 100]))
    def limit(self, limit):
        self.pair.peer.settings(streams=limit)

    @rule(size=st.sampled_from([0, 1, 100, 65_535]))
    def window(self, size):
        self.pair.peer.settings(initial_window=size)

    @rule(size=st.sampled_from([0, 60, 4_096]))
    def table(self, size):
        self.pair.peer.settings(table=size)

    @rule(position=st.integers(0, 50), increment=st.integers(1, 400))
    def open_windows(self, position, increment):
        number = self._pick(position)
        if number:
            self.pair.peer.update_window(number, increment)
        self.pair.peer.update_window(0, increment)

    @rule(position=st.integers(0, 50))
    def goaway(self, position):
        self.pair.talk()
        self.last = min(self.last, self._pick(position) or 0)
        self.pair.peer.goaway(self.last)

    @rule(position=st.integers(0, 50))
    def lose_patience(self, position):
        number = self._pick(position)
        if number:
            self.pair.codec.cancel_before(number + 1, "late")

    @rule()
    def talk(self):
        self.pair.talk()

    @rule(size=st.integers(1, 50))
    def trickle(self, size):
        out = self.pair.peer.out
        self.pair.codec.feed(bytes(out[:size]))
        del out[:size]

    @invariant()
    def collect(self):
        codec = self.pair.codec
        assert not codec.error
        outcome = codec.take()
        self.ok += outcome.ok
        self.answers += outcome.answers
        self.lost += outcome.lost
        self.refused += [each[0] for _, each in codec.take_refused()]
        reported = len(self.ok) + len(self.answers) + len(self.lost) + len(self.refused)
        assert self.sent == reported + codec.in_flight

    def teardown(self):
        if not hasattr(self, "pair"):
            return
        self.pair.talk()
        self.pair.codec.lose_all("gone")
        self.collect()
        seen = self.pair.peer.seen
        self.not_processed |= {seen[number].key for number in seen if number > self.last}
        keys = self.ok + [a.key for a in self.answers] + [each.key for each in self.lost]
        assert sorted(keys + self.refused) == list(range(self.sent))
        assert all(self.said[key] == 200 for key in self.ok)
        assert all(self.said[answer.key] == answer.status for answer in self.answers)
        assert set(self.refused) <= self.not_processed


Conversation.TestCase.settings = settings(stateful_step_count=40, deadline=None)
TestConversation = Conversation.TestCase


# -- the `h2` library as the peer (without GOAWAY, after which it says nothing any more)


class H2Server:
    """Answers as it is told; `h2` raises when the client breaks a rule."""

    def __init__(self) -> None:
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.connection = h2.connection.H2Connection(config)
        self.connection.initiate_connection()
        self.bodies: dict[int, bytes] = {}
        self.keys: dict[int, int] = {}
        self.ended: list[int] = []

    def receive(self, data: bytes) -> None:
        for event in self.connection.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                path = dict(event.headers)[":path"]
                self.keys[event.stream_id] = int(path.rsplit("/", 1)[1])
                self.bodies[event.stream_id] = b""
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[event.stream_id] += event.data
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.append(event.stream_id)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 20)),
        st.tuples(st.just("answer"), st.integers(1, 20)),
        st.tuples(st.just("reset"), st.sampled_from([2, 7, 8])),
        st.tuples(st.just("streams"), st.sampled_from([1, 3, 100])),
        st.tuples(st.just("initial_window"), st.sampled_from([0, 10, 5_000, 65_535])),
        st.tuples(st.just("table"), st.sampled_from([0, 50, 4_096])),
        st.tuples(st.just("window"), st.integers(1, 3_000)),
    ),
    max_size=40,
)
CODES = h2.settings.SettingCodes


SETTINGS = {
    "streams": CODES.MAX_CONCURRENT_STREAMS,
    "initial_window": CODES.INITIAL_WINDOW_SIZE,
    "table": CODES.HEADER_TABLE_SIZE,
}


class WithH2:
    """A codec and `h2`, joined with any cut of the bytes; `said` is what the server answered."""

    def __init__(self, cut: int, data: st.DataObject) -> None:
        self.codec, self.server = Codec(), H2Server()
        self.cut, self.data = cut, data
        self.sent = 0
        self.said: dict[int, tuple[int, bytes]] = {}

    def carry(self) -> None:
        for _ in range(2):
            while data := self.codec.data_to_send():
                self.server.receive(data)
            answer = self.server.connection.data_to_send()
            for start in range(0, len(answer), self.cut):
                self.codec.feed(answer[start : start + self.cut])
            assert not self.codec.error

    def send(self, number: int) -> None:
        count, body = min(number, self.codec.room()), self.data.draw(BODIES)
        keys = range(self.sent, self.sent + count)
        self.codec.request_many(TEMPLATE, [request(key, body) for key in keys])
        self.sent += count

    def answer(self, number: int) -> None:
        for _ in range(min(number, len(self.server.ended))):
            stream = self.server.ended.pop(0)
            key = self.server.keys[stream]
            status, body = self.data.draw(STATUSES), self.data.draw(BODIES)
            fields = [(":status", str(status)), ("apns-id", f"id-{key}")]
            self.server.connection.send_headers(stream, fields, end_stream=not body)
            if body:
                self.server.connection.send_data(stream, body, end_stream=True)
            self.said[key] = (status, body)

    def reset(self, code: int) -> None:
        if self.server.ended:
            stream = self.server.ended.pop(0)
            self.server.connection.reset_stream(stream, code)
            self.said[self.server.keys[stream]] = (-code, b"")

    def window(self, increment: int) -> None:
        connection, keys = self.server.connection, self.server.keys
        connection.increment_flow_control_window(increment)
        for stream in set(keys) - set(self.server.ended):
            if keys[stream] not in self.said:
                connection.increment_flow_control_window(increment, stream)

    def settings(self, name: str, value: int) -> None:
        self.server.connection.update_settings({SETTINGS[name]: value})

    def keys(self, *statuses: int) -> list[int]:
        return sorted(key for key, (status, _) in self.said.items() if status in statuses)


@settings(deadline=None)
@given(STEPS, st.integers(1, 400), st.data())
def test_h2_agrees_with_all_we_say_and_we_with_all_it_says(steps, cut, data):
    both = WithH2(cut, data)
    both.carry()
    for step, number in steps:
        if step in SETTINGS:
            both.settings(step, number)
        else:
            getattr(both, step)(number)
        both.carry()

    outcome, refused = both.codec.take(), both.codec.take_refused()
    assert sorted(outcome.ok) == both.keys(200)
    assert {a.key: (a.status, a.body) for a in outcome.answers} == {
        key: value for key, value in both.said.items() if value[0] > 200
    }
    assert all(a.headers == {"apns-id": f"id-{a.key}"} for a in outcome.answers)
    assert sorted(each[0] for _, each in refused) == both.keys(-7)
    assert sorted(each.key for each in outcome.lost) == both.keys(-2, -8)
    assert len(both.said) + both.codec.in_flight == both.sent
