"""``make demo``: three processes that start, work and stop together."""

from __future__ import annotations

import json
import signal

import psutil

from .conftest import eventually

TOKEN = "ab" * 32


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() for process in processes)


def test_a_push_goes_from_the_api_to_the_phones(start):
    demo = start().wait_until_up()
    for word in ("admin / admin", "editor / editor", "sender / sender", "demo-auth-token"):
        assert word in demo.text
    assert b"csrfmiddlewaretoken" in demo.get("/admin/login/")
    assert demo.get("/phones/").count(b"data-phone=") == 12
    assert demo.get("/static/phones/phones.css")
    last = json.loads(demo.get("/phones/feed"))["last"]
    push = {"title": "Hello", "body": "It works", "audience": {"channels": ["phones"]}}
    assert demo.post("/push/api/notifications/", "demo-server-key", push)[0] == 201

    def arrived():
        answer = json.loads(demo.get(f"/phones/feed?since={last}"))
        return answer["arrivals"] if len(answer["arrivals"]) >= 12 else None

    arrivals = eventually(arrived, timeout=30)
    assert len({arrival["phone"] for arrival in arrivals}) == len(arrivals) == 12
    assert {(arrival["title"], arrival["body"]) for arrival in arrivals} == {("Hello", "It works")}
    stops_cleanly(demo, signal.SIGHUP)


def test_the_second_start_keeps_the_data_and_seeds_nothing(start):
    demo = start().wait_until_up()
    body = {"platform": "ios", "deviceId": TOKEN}
    assert demo.post("/push/demo/register-device", "demo-client-key", body)[0] == 204
    stops_cleanly(demo, signal.SIGINT)
    demo = start().wait_until_up()
    assert "Made" not in demo.text
    push = {"body": "Still there?", "audience": {"everyone": True}}
    assert demo.post("/push/api/notifications/", "demo-server-key", push)[0] == 201
    control = int(demo.environment["SIMULATOR_CONTROL_PORT"])
    eventually(lambda: TOKEN.encode() in demo.get("/deliveries", control), timeout=30)
    stops_cleanly(demo, signal.SIGTERM)


def stops_cleanly(demo, number):
    assert len(demo.children) == 3
    assert demo.end(number) == 0
    assert gone(demo.children)
    assert demo.text.rstrip().endswith("Stopped.")
    assert "Traceback" not in demo.text


def test_when_one_child_ends_all_end_and_it_is_named(start):
    demo = start().wait_until_up()
    worker = next(child for child in demo.children if "push_worker" in child.cmdline())
    worker.kill()
    assert demo.process.wait(30) == 1
    assert gone(demo.children)
    assert "The demo stopped: The worker was ended by SIGKILL." in demo.text


def test_a_killed_parent_takes_all_along(start):
    demo = start().wait_until_up()
    demo.end(signal.SIGKILL)
    eventually(lambda: gone(demo.children), timeout=20)


def test_pushes_can_be_sent_to_a_file(start, tmp_path):
    file = tmp_path / "deliveries.jsonl"
    demo = start(PUSH_REDIRECT_TO="file", PUSH_FILE=str(file)).wait_until_up()
    assert str(file) in demo.text
    assert "redirected to “file”" in demo.get("/phones/").decode()
    push = {"title": "On paper", "audience": {"channels": ["phones"]}}
    assert demo.post("/push/api/notifications/", "demo-server-key", push)[0] == 201
    eventually(lambda: file.exists() and file.read_bytes().count(b"\n") == 12, timeout=30)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert {line["provider"] for line in lines} == {"apns", "fcm"}
