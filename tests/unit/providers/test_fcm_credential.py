from __future__ import annotations

import json
from typing import Any

import pytest

from django_push.exceptions import InvalidCredential
from django_push.messages import Account
from django_push.providers.fcm import FcmProvider
from django_push.providers.fcm_credential import load_secret

from . import files


def test_a_service_account() -> None:
    found = FcmProvider.read_file("x.json", files.service_account())
    assert found.topic == "demo-project"
    assert found.environment == "production"
    assert found.public == {
        "client_email": "push@demo-project.iam.gserviceaccount.com",
        "key_id": "0123456789abcdef",
    }
    FcmProvider.validate_account(Account(provider="fcm", topic=found.topic, secret=found.secret))


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf", b"\n "])
def test_what_editors_put_in_front_does_no_harm(prefix: bytes) -> None:
    assert FcmProvider.read_file("x", prefix + files.service_account()).topic == "demo-project"


def test_a_key_with_written_out_line_ends() -> None:
    key = files.pem(files.rsa_key()).decode().replace("\n", "\\n")
    assert FcmProvider.read_file("x", files.service_account(private_key=key)).topic


def test_the_address_in_the_file_is_signed_and_not_asked() -> None:
    content = files.service_account(token_uri="https://evil.example/token")
    found = load_secret(FcmProvider.read_file("x", content).secret)
    assert found.audience == "https://evil.example/token"


def client_json(kind: str) -> bytes:
    return json.dumps({kind: {"client_id": "x", "client_secret": "y"}}).encode()


PROJECT = {"project_info": {"project_number": "1"}, "client": []}
FILES = {
    "google-services.json": (json.dumps(PROJECT).encode(), "google-services.json"),
    "plist": (b'<?xml version="1.0"?><plist></plist>', "GoogleService-Info.plist"),
    "old server key": (b"AAAAabcdefg:" + b"x" * 140, "switched off in 2024"),
    "web API key": (b"AIza" + b"x" * 35, "switched off in 2024"),
    "OAuth client": (client_json("installed"), "OAuth client"),
    "OAuth web client": (client_json("web"), "OAuth client"),
    "login": (b'{"type": "authorized_user"}', "login"),
    "web config": (b'{"apiKey": "x"}', "web app"),
    "cut off": (files.service_account()[:300], "damaged or cut off"),
    "key alone": (files.pem(files.rsa_key()), "whole JSON file"),
    "text": (b"hello", "not the JSON file"),
    "list": (b"[]", "not the JSON file"),
    "other JSON": (b"{}", "not the JSON file"),
    "no e-mail": (files.service_account(client_email=None), "no client_email"),
    "no project": (files.service_account(project_id=None), "no project_id"),
    "no key": (files.service_account(private_key=None), "no private_key"),
    "number": (files.service_account(project_id=7), "no project_id"),
    "path": (files.service_account(project_id="../x"), "malformed"),
    "broken key": (files.service_account(private_key="-----BEGIN"), "private key in this file"),
    "Apple's key": (
        files.service_account(private_key=files.pem(files.ec_key()).decode()),
        "not one of Google's",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_wrong_is_said_in_plain_words(name: str) -> None:
    content, words = FILES[name]
    with pytest.raises(InvalidCredential) as caught:
        FcmProvider.read_file("x", content)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"topic": ""}, "topic"),
        ({"topic": "a/b"}, "topic"),
        ({"secret": ""}, ""),
        ({"secret": "{}"}, ""),
    ],
)
def test_an_account_names_what_is_missing(changes: dict[str, Any], field: str) -> None:
    found = FcmProvider.read_file("x", files.service_account())
    values = {"provider": "fcm", "topic": found.topic, "secret": found.secret, **changes}
    with pytest.raises(InvalidCredential) as caught:
        FcmProvider.validate_account(Account(**values))
    assert caught.value.field == field
