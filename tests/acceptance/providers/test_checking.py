"""*Check now*: the vendor is asked whether it takes the account, and no device hears of it."""

from __future__ import annotations

import socket
import time

import pytest
from django.test import override_settings

from django_push.messages import Account
from django_push.providers.apns import ApnsProvider
from django_push.providers.checking import Verdict, check
from django_push.providers.fcm import FcmProvider
from django_push.providers.locmem import LocmemProvider

from .conftest import certificate_account, google_account, token_account


@pytest.mark.parametrize("account", [token_account, certificate_account])
def test_apple_takes_the_account_and_no_device_gets_anything(simulator, account):
    found = check(ApnsProvider(account(simulator)))
    assert (found.verdict, found.detail) == (Verdict.ACCEPTED, "")
    [asked] = simulator.deliveries()
    assert asked["outcome"] == "BadDeviceToken"


def test_google_validates_and_sends_nothing(simulator):
    found = check(FcmProvider(google_account(simulator)))
    assert (found.verdict, found.detail) == (Verdict.ACCEPTED, "")
    assert all(each["outcome"] != "sent" for each in simulator.deliveries())


def test_google_that_would_send_is_told_not_to(simulator):
    simulator.behave(fates={"bad0": "sent"})
    assert check(FcmProvider(google_account(simulator))).verdict is Verdict.ACCEPTED
    assert [each["outcome"] for each in simulator.deliveries()] == ["validated"]


@pytest.mark.parametrize("vendor", ["apple", "google"])
def test_a_refused_account_is_told_with_the_vendors_word(simulator, vendor):
    simulator.behave(credentials="refuse")
    providers = {
        "apple": lambda: ApnsProvider(token_account(simulator)),
        "google": lambda: FcmProvider(google_account(simulator)),
    }
    found = check(providers[vendor]())
    assert found.verdict is Verdict.REFUSED
    assert found.detail


def test_another_apps_bundle_id_is_refused(simulator):
    found = check(ApnsProvider(token_account(simulator, topic="com.example.other")))
    assert found.verdict is Verdict.REFUSED
    assert "Topic" in found.detail


def test_an_account_that_cannot_be_used_is_refused_without_asking(simulator):
    found = check(ApnsProvider(token_account(simulator, public={})))
    assert found.verdict is Verdict.REFUSED
    assert simulator.deliveries() == []


@pytest.mark.parametrize("trouble", [{"status": 503}, {"status": 429}])
def test_a_vendor_in_trouble_says_nothing_about_the_account(simulator, trouble):
    simulator.behave(fates={"bad0": "sent"}, **trouble)
    assert check(ApnsProvider(token_account(simulator))).verdict is Verdict.UNKNOWN


def test_a_vendor_that_never_answers_is_given_up_in_time(simulator):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with override_settings(DJANGO_PUSH={"APNS_PRODUCTION_URL": url}):
            began = time.monotonic()
            found = check(ApnsProvider(token_account(simulator)), timeout=0.6)
    assert found.verdict is Verdict.UNKNOWN
    assert time.monotonic() - began < 8


def test_a_vendor_that_is_not_there(simulator):
    with override_settings(DJANGO_PUSH={"APNS_PRODUCTION_URL": "https://127.0.0.1:9"}):
        found = check(ApnsProvider(token_account(simulator)))
    assert found.verdict is Verdict.UNKNOWN
    assert found.detail


def test_an_expired_token_is_renewed_before_anything_is_said(simulator):
    assert check(ApnsProvider(token_account(simulator))).verdict is Verdict.ACCEPTED
    simulator.behave(credentials="expire")
    assert check(ApnsProvider(token_account(simulator))).verdict is Verdict.REFUSED


def test_a_provider_without_a_vendor_cannot_be_asked():
    assert check(LocmemProvider(Account(provider="locmem"))) is None
