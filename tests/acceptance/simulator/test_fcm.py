"""FCM and OAuth over real connections, HTTP/2 and HTTP/1.1."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from django_push.simulator import Simulator
from django_push.simulator.oauth import GRANT_TYPE
from tests.unit.simulator.tokens import assertion

from .client import Client, Reply

TOKEN = "cafe0123:APA91b" + "x" * 120
FORM = {"content-type": "application/x-www-form-urlencoded"}


def buy_token(simulator: Simulator, **claims: Any) -> tuple[int, dict[str, Any]]:
    """Ask for an access token with Python's own HTTP/1.1 client."""
    form = {"grant_type": GRANT_TYPE, "assertion": assertion(simulator.identity, **claims)}
    context = ssl.create_default_context(cafile=simulator.identity.ca_file)
    url = simulator.identity.service_account["token_uri"]
    try:
        with urllib.request.urlopen(
            url, urlencode(form).encode(), context=context, timeout=10
        ) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.fixture
def access_token(simulator: Simulator) -> str:
    _, document = buy_token(simulator)
    return str(document["access_token"])


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Client]:
    with Client(simulator.fcm_url, simulator.identity) as client:
        yield client


def path(simulator: Simulator) -> str:
    return f"/v1/projects/{simulator.identity.project_id}/messages:send"


def body(**message: Any) -> bytes:
    return json.dumps({"message": {"token": TOKEN, **message}}).encode()


def headers(access_token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {access_token}"), ("content-type", "application/json")]


def send(client: Client, simulator: Simulator, access_token: str, **message: Any) -> Reply:
    return client.request(path(simulator), body(**message), *headers(access_token))


def test_the_service_account_points_at_this_simulator(simulator: Simulator) -> None:
    assert simulator.identity.service_account["token_uri"] == simulator.token_url


def test_a_token_can_be_bought_over_http2_too(client: Client, simulator: Simulator) -> None:
    form = {"grant_type": GRANT_TYPE, "assertion": assertion(simulator.identity)}

    reply = client.request("/token", urlencode(form).encode(), *FORM.items())

    assert reply.status == 200
    assert send(client, simulator, reply.document["access_token"]).status == 200


def test_a_refused_assertion_is_a_400(simulator: Simulator) -> None:
    status, document = buy_token(simulator, iss="someone@example.com")

    assert (status, document["error"]) == (400, "invalid_grant")
    assert simulator.deliveries() == []


def test_a_message_arrives(client: Client, simulator: Simulator, access_token: str) -> None:
    reply = send(client, simulator, access_token, notification={"title": "Hello"})

    assert reply.status == 200
    (delivery,) = simulator.deliveries()
    assert delivery["provider"] == "fcm"
    assert (delivery["token"], delivery["id"]) == (TOKEN, reply.document["name"])
    assert delivery["payload"]["message"]["notification"] == {"title": "Hello"}
    assert access_token not in json.dumps(delivery)


def test_google_allows_100_streams_from_the_start(
    client: Client, simulator: Simulator, access_token: str
) -> None:
    assert client.limits == [100]
    streams = [
        client.start(path(simulator), body(token=f"cafe{number:060}"), *headers(access_token))
        for number in range(100)
    ]

    assert [reply.status for reply in client.finish(streams)] == [200] * 100
    assert client.limits == [100]
    assert len(simulator.deliveries()) == 100


@pytest.mark.parametrize(
    ("prefix", "status", "code"),
    [
        ("dead", 404, "UNREGISTERED"),
        ("bad0", 400, "INVALID_ARGUMENT"),
        ("4290", 429, "QUOTA_EXCEEDED"),
        ("5030", 503, "UNAVAILABLE"),
    ],
)
def test_fates(
    client: Client, simulator: Simulator, access_token: str, prefix: str, status: int, code: str
) -> None:
    reply = send(client, simulator, access_token, token=prefix + TOKEN)

    assert reply.status == status
    assert reply.document["error"]["details"][0]["errorCode"] == code
    assert ("retry-after" in reply.headers) == (status in (429, 503))
    assert simulator.deliveries()[0]["outcome"] == code


def test_a_goaway_device(client: Client, simulator: Simulator, access_token: str) -> None:
    leaving = client.start(path(simulator), body(token="90a1" + TOKEN), *headers(access_token))
    after = client.start(path(simulator), body(), *headers(access_token))

    assert client.finish([leaving])[0].status == 200
    client.until(lambda: client.goaway is not None)
    assert client.replies[after].status == 0
    assert len(simulator.deliveries()) == 1


def test_every_push_can_be_refused(client: Client, simulator: Simulator, access_token: str) -> None:
    simulator.behave(status=503, retry_after=7)

    reply = send(client, simulator, access_token)

    assert (reply.status, reply.headers["retry-after"]) == (503, "7")
    assert reply.document["error"]["status"] == "UNAVAILABLE"


def test_access_tokens_can_be_made_to_expire(
    client: Client, simulator: Simulator, access_token: str
) -> None:
    assert send(client, simulator, access_token).status == 200
    simulator.behave(credentials="expire")
    assert send(client, simulator, access_token).status == 401

    _, document = buy_token(simulator)

    assert send(client, simulator, document["access_token"]).status == 200


def test_the_token_endpoint_can_be_out_of_order(simulator: Simulator) -> None:
    simulator.behave(token_status=503)

    assert buy_token(simulator)[0] == 503


def test_http1_clients_are_served_on_one_connection(
    simulator: Simulator, access_token: str
) -> None:
    context = ssl.create_default_context(cafile=simulator.identity.ca_file)
    netloc = urlsplit(simulator.fcm_url).netloc
    connection = http.client.HTTPSConnection(netloc, context=context, timeout=10)
    before = simulator.status()["connections"]["total"]
    try:
        for prefix in ("cafe", "dead", "510e"):
            simulator.behave(slow_ms=50)
            connection.request(
                "POST",
                path(simulator),
                body(token=prefix + TOKEN),
                dict(headers(access_token)),
            )
            response = connection.getresponse()
            assert response.status == (404 if prefix == "dead" else 200)
            assert json.loads(response.read())
    finally:
        connection.close()

    assert simulator.status()["connections"]["total"] == before + 1
    assert len(simulator.deliveries()) == 3
