"""The control port."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from django_push.simulator import Behaviour, Simulator

from .client import Client

Call = Callable[..., tuple[int, Any]]


@pytest.fixture
def call(simulator: Simulator) -> Call:
    def call(method: str, target: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
        netloc = urlsplit(simulator.control_url).netloc
        connection = http.client.HTTPConnection(netloc, timeout=10)
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            assert response.getheader("content-type") == "application/json; charset=UTF-8"
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    return call


def push(simulator: Simulator, *tokens: str) -> None:
    """Leave refused pushes behind: no credential is needed for that."""
    with Client(simulator.apns_url, simulator.identity) as client:
        for token in tokens:
            client.request(f"/3/device/{token}", b"{}")


def test_deliveries_are_listed_newest_last(simulator: Simulator, call: Call) -> None:
    push(simulator, "a" * 64, "b" * 64, "c" * 64)

    status, deliveries = call("GET", "/deliveries")
    assert status == 200
    assert deliveries == simulator.deliveries()
    assert [delivery["token"][0] for delivery in deliveries] == ["a", "b", "c"]
    assert {delivery["outcome"] for delivery in deliveries} == {"MissingProviderToken"}
    numbers = [delivery["n"] for delivery in deliveries]
    assert numbers == sorted(numbers)
    assert call("GET", f"/deliveries?since={numbers[0]}")[1] == deliveries[1:]
    assert call("GET", f"/deliveries?since={numbers[0]}&limit=1")[1] == deliveries[1:2]
    assert call("GET", f"/deliveries?since={numbers[2]}")[1] == []


def test_deliveries_can_be_forgotten(simulator: Simulator, call: Call) -> None:
    push(simulator, "a" * 64)
    last = simulator.status()["last"]

    assert call("DELETE", "/deliveries") == (200, {"last": last})
    assert call("GET", "/deliveries") == (200, [])


def test_status_counts_outcomes(simulator: Simulator, call: Call) -> None:
    before = simulator.status()["outcomes"].get("apns", {}).get("MissingProviderToken", 0)
    push(simulator, "a" * 64, "b" * 64)

    status, document = call("GET", "/status")

    assert status == 200
    assert document["outcomes"]["apns"]["MissingProviderToken"] == before + 2
    assert document["kept"] == 2
    assert document["apns_url"] == simulator.apns_url
    assert document["engine"] in ("ngh2", "h2")
    assert document["behaviour"] == Behaviour().document()


def test_behaviour_is_changed_and_shown(simulator: Simulator, call: Call) -> None:
    status, shown = call("PUT", "/behaviour", b'{"latency_ms": 50, "fates": {"c0de": "slow"}}')

    assert status == 200
    assert (shown["latency_ms"], shown["fates"]) == (50, {"c0de": "slow"})
    assert call("GET", "/behaviour") == (200, shown)
    assert call("PUT", "/behaviour", b'{"reset": true}') == (200, Behaviour().document())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"latency": 50}', "Known: close_every"),
        (b'{"latency_ms": "50"}', "latency_ms must be"),
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b"[]", "JSON object"),
    ],
)
def test_a_wrong_behaviour_is_refused_and_changes_nothing(
    call: Call, body: bytes, words: str
) -> None:
    status, document = call("PUT", "/behaviour", body)

    assert status == 400
    assert words in document["error"]
    assert call("GET", "/behaviour")[1] == Behaviour().document()


def test_a_mixed_change_is_refused_as_a_whole(call: Call) -> None:
    assert call("PUT", "/behaviour", b'{"slow_ms": 5, "stall": "yes"}')[0] == 400
    assert call("GET", "/behaviour")[1] == Behaviour().document()


@pytest.mark.parametrize("query", ["since=x", "since=-1", "limit=1.5"])
def test_numbers_are_checked(call: Call, query: str) -> None:
    status, document = call("GET", f"/deliveries?{query}")

    assert status == 400
    assert "whole number" in document["error"]


@pytest.mark.parametrize(
    ("method", "target"), [("GET", "/"), ("POST", "/behaviour"), ("DELETE", "/status")]
)
def test_what_there_is_not_is_a_404_that_says_what_there_is(
    call: Call, method: str, target: str
) -> None:
    status, document = call(method, target)

    assert status == 404
    assert "GET /status" in document["error"]


def test_web_pages_can_not_reach_it_by_another_name(call: Call) -> None:
    assert call("GET", "/deliveries", Host="evil.example.com")[0] == 403
    assert call("GET", "/deliveries", Host="localhost:1")[0] == 200


def test_nonsense_is_a_400(simulator: Simulator) -> None:
    netloc = urlsplit(simulator.control_url).netloc
    connection = http.client.HTTPConnection(netloc, timeout=10)
    try:
        connection.putrequest("PUT", "/behaviour")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        response = connection.getresponse()
        assert response.status == 400
        assert "Content-Length" in json.loads(response.read())["error"]
    finally:
        connection.close()
