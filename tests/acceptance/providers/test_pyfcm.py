from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.test import override_settings

from django_push.conf import push_settings
from django_push.messages import Envelope, Message, Status
from django_push.providers.contract import ProviderContract
from django_push.providers.pyfcm import PyFcmProvider
from django_push.simulator import Simulator

from .conftest import TOKEN, devices, google_account
from .test_fcm import FULL


class TestContract(ProviderContract):
    provider_class = PyFcmProvider

    @pytest.fixture(autouse=True)
    def _account(self, simulator: Simulator) -> None:
        self.account = google_account(simulator)


@pytest.fixture
def provider(simulator: Simulator) -> PyFcmProvider:
    return PyFcmProvider(google_account(simulator))


def test_fates_are_those_of_fcm(
    simulator: Simulator, provider: PyFcmProvider, senders: Any
) -> None:
    outcome = senders(provider).send(
        devices(*[prefix + "0" * 60 for prefix in ("abcd", "dead", "bad0", "4290", "5030")])
    )
    assert outcome.sent == [0]
    found = {
        key: (result.status, result.reason, result.retry_after) for key, result in outcome.results
    }
    assert found == {
        1: (Status.UNREGISTERED, "UNREGISTERED", None),
        2: (Status.UNREGISTERED, "INVALID_ARGUMENT", None),
        3: (Status.DEFERRED, "QUOTA_EXCEEDED", 60),
        4: (Status.DEFERRED, "UNAVAILABLE", 10),
    }


def test_what_arrives_is_what_the_preview_shows(
    simulator: Simulator, provider: PyFcmProvider, senders: Any
) -> None:
    message = Message.from_content(FULL)
    [device] = devices(TOKEN)
    sender = senders(provider)
    assert sender.send([device], message).sent == [0]
    envelope = Envelope(message=message, push_id="0e3c1a52-9d0a-4f65-8a8e-1f2d3c4b5a69")
    preview = provider.preview(provider.prepare(envelope), device)
    assert simulator.deliveries()[0]["payload"]["message"] == preview.payload["message"]


def test_a_refused_account(simulator: Simulator, provider: PyFcmProvider, senders: Any) -> None:
    simulator.behave(credentials="refuse")
    [(_, result)] = senders(provider).send(devices(TOKEN)).results
    assert result.status is Status.UNAUTHORIZED
    assert "invalid_grant" in result.detail


def test_an_expired_access_token_is_renewed_once(
    simulator: Simulator, provider: PyFcmProvider, senders: Any
) -> None:
    sender = senders(provider)
    assert sender.send(devices(TOKEN)).sent == [0]
    simulator.behave(credentials="expire")
    assert sender.send(devices(TOKEN)).sent == [0]


def test_a_token_of_another_project(simulator: Simulator, senders: Any) -> None:
    account = replace(google_account(simulator), topic="another-project")
    [(_, result)] = senders(PyFcmProvider(account)).send(devices(TOKEN)).results
    assert (result.status, result.reason) == (Status.UNAUTHORIZED, "PERMISSION_DENIED")


@pytest.mark.parametrize("name", ["FCM_URL", "FCM_TOKEN_URL"])
def test_a_server_that_is_not_there_defers(name: str, simulator: Simulator, senders: Any) -> None:
    known = {each: getattr(push_settings, each) for each in ("FCM_URL", "FCM_TOKEN_URL", "CA_FILE")}
    with override_settings(DJANGO_PUSH={**known, name: "https://127.0.0.1:9"}):
        outcome = senders(PyFcmProvider(google_account(simulator))).send(devices(TOKEN))
    [(_, result)] = outcome.results
    assert (result.status, result.reason) == (Status.DEFERRED, "ConnectionLost")


def test_a_connection_that_breaks_leaves_the_outcome_unknown(
    simulator: Simulator, provider: PyFcmProvider, senders: Any
) -> None:
    sender = senders(provider)
    assert sender.send(devices(TOKEN)).sent == [0]
    simulator.behave(close_every=1)
    [(_, result)] = sender.send(devices(TOKEN)).results
    assert (result.status, result.reason) == (Status.UNKNOWN, "ConnectionLost")
