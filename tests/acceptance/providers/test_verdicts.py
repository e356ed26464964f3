"""Every row of the vendors' tables, over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from django_push.messages import Status
from django_push.providers import apns, fcm
from django_push.simulator import Simulator
from django_push.simulator.apns import REASONS as APPLES
from django_push.simulator.fcm_errors import ERRORS as GOOGLES

from .conftest import TOKEN, devices, google_account, token_account

APNS = {
    **APPLES,
    # The simulator has no rules for these.
    "BadCertificateEnvironment": 403,
    "UnrelatedKeyIdInToken": 403,
    "BadEnvironmentKeyIdInToken": 403,
    "IdleTimeout": 400,
}
RENEWED = {"ExpiredProviderToken"}
"""Deferred the first time, since the token is renewed then."""


@pytest.mark.parametrize("reason", sorted(set(apns.REASONS) - RENEWED))
def test_apns(reason: str, simulator: Simulator, senders: Any) -> None:
    status = APNS[reason]
    simulator.behave(status=400 if status == 405 else status, reason=reason)
    outcome = senders(apns.ApnsProvider(token_account(simulator))).send(devices("ab" * 32))
    [(_, result)] = outcome.results
    assert (result.status, result.reason) == (apns.REASONS[reason], reason)
    assert (result.invalid_since is not None) is (status == 410)
    # Apple wants no new provider token for 20 minutes.
    assert result.retry_after == (1200 if reason == "TooManyProviderTokenUpdates" else None)


@pytest.mark.parametrize("code", sorted(GOOGLES))
def test_fcm(code: str, simulator: Simulator, senders: Any) -> None:
    simulator.behave(status=GOOGLES[code][0], reason=code)
    outcome = senders(fcm.FcmProvider(google_account(simulator))).send(devices(TOKEN))
    [(_, result)] = outcome.results
    expected = fcm.REASONS[code]
    if code == "INVALID_ARGUMENT":
        expected = Status.UNREGISTERED  # the simulator says it of the token
    assert (result.status, result.reason) == (expected, code)


@pytest.mark.parametrize(("status", "verdict"), [(400, Status.FAILED), (503, Status.DEFERRED)])
def test_a_reason_that_nobody_knows_keeps_its_words(
    status: int, verdict: Status, simulator: Simulator, senders: Any
) -> None:
    simulator.behave(status=status, reason="SomethingNew")
    for provider, device in (
        (apns.ApnsProvider(token_account(simulator)), "ab" * 32),
        (fcm.FcmProvider(google_account(simulator)), TOKEN),
    ):
        [(_, result)] = senders(provider).send(devices(device)).results
        assert (result.status, result.reason) == (verdict, "SomethingNew")


@pytest.mark.parametrize("retry_after", [7, None])
def test_how_long_to_wait(retry_after: int | None, simulator: Simulator, senders: Any) -> None:
    simulator.behave(status=429, retry_after=retry_after)
    apple = senders(apns.ApnsProvider(token_account(simulator))).send(devices("ab" * 32))
    google = senders(fcm.FcmProvider(google_account(simulator))).send(devices(TOKEN))
    assert apple.results[0][1].retry_after == retry_after
    assert google.results[0][1].retry_after == (retry_after or fcm.QUOTA_PAUSE)
