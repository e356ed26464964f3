"""The ring of deliveries and the log."""

from __future__ import annotations

import json
from pathlib import Path

from django_push.simulator.recorder import Recorder
from django_push.simulator.wire import Record

from .conftest import Clock

FIELDS = ((b"authorization", b"bearer secret"), (b"apns-collapse-id", b"push-1"))


def record(token: str = "ab", body: bytes = b'{"aps":{}}') -> Record:
    return Record("apns", "production", token.encode(), b"id-1", FIELDS, body)


def test_deliveries_come_oldest_first_with_all_facts(clock: Clock) -> None:
    recorder = Recorder(clock=clock)
    recorder.add(record("ab"), 200, "sent")
    recorder.add(record("cd"), 410, "Unregistered")

    assert recorder.since(0) == [
        {
            "n": number,
            "time": clock.now,
            "provider": "apns",
            "environment": "production",
            "token": token,
            "id": "id-1",
            "headers": {"authorization": "bearer (hidden)", "apns-collapse-id": "push-1"},
            "payload": {"aps": {}},
            "status": status,
            "outcome": outcome,
        }
        for number, token, status, outcome in (
            (1, "ab", 200, "sent"),
            (2, "cd", 410, "Unregistered"),
        )
    ]


def test_since_and_limit_page_through(clock: Clock) -> None:
    recorder = Recorder(kept=5)
    for number in range(1, 9):
        recorder.add(record(str(number)), 200, "sent")

    def numbers(since: int, limit: int | None = None) -> list[int]:
        return [delivery["n"] for delivery in recorder.since(since, limit)]

    assert numbers(0) == [4, 5, 6, 7, 8]
    assert numbers(0, 2) == [4, 5]
    assert numbers(5, 2) == [6, 7]
    assert numbers(7) == [8]
    assert numbers(8) == numbers(99) == []
    assert (recorder.last, recorder.kept) == (8, 5)


def test_clearing_keeps_numbers_and_counts() -> None:
    recorder = Recorder()
    recorder.add(record(), 200, "sent")
    recorder.clear()
    recorder.add(record(), 200, "sent")

    assert [delivery["n"] for delivery in recorder.since(0)] == [2]
    assert recorder.counts["apns", "sent"] == 2


def test_a_body_that_is_no_json_is_shown_as_text() -> None:
    recorder = Recorder()
    recorder.add(record(body=b"\xffHello"), 400, "PayloadEmpty")

    assert recorder.since(0)[0]["payload"] == "\ufffdHello"


def test_the_log_has_one_line_for_each_and_no_secret(tmp_path: Path, clock: Clock) -> None:
    log = tmp_path / "log.jsonl"
    recorder = Recorder(log, kept=2, clock=clock)
    for number in range(5):
        recorder.add(record(str(number)), 200, "sent")
    recorder.close()

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["token"] for line in lines] == ["0", "1", "2", "3", "4"]
    assert lines[0] == {
        "n": 1,
        "time": clock.now,
        "provider": "apns",
        "environment": "production",
        "token": "0",
        "status": 200,
        "outcome": "sent",
        "id": "id-1",
        "collapse_id": "push-1",
    }
    assert "secret" not in log.read_text()


def test_a_log_is_continued(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    for _ in range(2):
        recorder = Recorder(log)
        recorder.add(record(), 200, "sent")
        recorder.close()

    assert len(log.read_text().splitlines()) == 2
