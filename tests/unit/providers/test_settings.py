"""Wrong settings are said when a channel is opened, with the setting that is meant."""

from __future__ import annotations

import selectors
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_push.messages import Account
from django_push.providers.apns import ApnsProvider
from django_push.providers.base import Provider
from django_push.providers.fcm import FcmProvider

from . import files


def apns() -> Provider[Any]:
    found = ApnsProvider.read_file("AuthKey_ABCDE12345.p8", files.pem(files.ec_key()))
    public = {**found.public, "team_id": "TEAM123456"}
    account = Account(provider="apns", topic=files.BUNDLE, public=public, secret=found.secret)
    return ApnsProvider(account)


def fcm() -> Provider[Any]:
    found = FcmProvider.read_file("x.json", files.service_account())
    return FcmProvider(Account(provider="fcm", topic=found.topic, secret=found.secret))


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (apns, "APNS_PRODUCTION_URL", "api.push.apple.com"),
        (apns, "APNS_PRODUCTION_URL", "http://localhost:1"),
        (apns, "APNS_PRODUCTION_URL", "https://localhost/path"),
        (fcm, "FCM_URL", "http://localhost:1"),
        (fcm, "FCM_TOKEN_URL", "http://localhost:1/token"),
        (fcm, "FCM_TOKEN_URL", "token"),
        (apns, "CA_FILE", "/nowhere/ca.pem"),
        (fcm, "CA_FILE", str(Path(__file__))),
    ],
)
def test_wrong_settings(make: Any, name: str, value: str) -> None:
    with (
        override_settings(DJANGO_PUSH={name: value}),
        selectors.DefaultSelector() as selector,
        pytest.raises(ImproperlyConfigured, match="DJANGO_PUSH"),
    ):
        make().open(selector)


@pytest.mark.parametrize("url", ["https://proxy.example", "https://proxy.example:8443/"])
def test_a_final_slash_does_no_harm(url: str) -> None:
    with (
        override_settings(DJANGO_PUSH={"APNS_PRODUCTION_URL": url}),
        selectors.DefaultSelector() as selector,
    ):
        channel = apns().open(selector)
        assert channel.refused == channel.error == ""
        channel.close()
