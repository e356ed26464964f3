"""Credentials from code: the settings, a file, a variable; read like an uploaded file."""

from __future__ import annotations

import base64
import io
import json
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from django_push import accounts, crypto
from django_push.accounts import Change, Declared, declare, declare_settings
from django_push.exceptions import InvalidCredential
from django_push.models import Application, Credential
from tests.unit.providers import files

pytestmark = pytest.mark.django_db

TYPED = {"key_id": "ABCDE12345", "team_id": "TEAM123456", "topic": "com.example.app"}


@pytest.fixture
def hall(db):
    return Application.objects.register(None, "Concert Hall", key="hall")


@pytest.fixture
def key():
    return files.pem(files.ec_key()).decode()


def entry(key, **changes):
    given = {"application": "hall", "provider": "apns", "value": key, **TYPED, **changes}
    return {name: value for name, value in given.items() if value is not None}


def stored(given):
    return declare(Declared.from_setting(given), by="test")


def test_it_is_stored_sealed_and_the_same_again_writes_nothing(
    hall, key, django_assert_max_num_queries
):
    credential, change = stored(entry(key, name="Hall"))
    assert change is Change.CREATED
    assert (credential.topic, credential.environment) == ("com.example.app", "production")
    assert (credential.public["key_id"], credential.uploaded_by) == ("ABCDE12345", "test")
    assert "PRIVATE KEY" not in credential.sealed
    before = credential.updated_at
    again, change = stored(entry(key, name="Hall"))
    again.refresh_from_db()
    assert change is Change.UNCHANGED
    assert (again.pk, again.updated_at) == (credential.pk, before)


def test_a_new_key_replaces_the_old_and_is_to_be_checked_anew(hall, key):
    first, _ = stored(entry(key))
    Credential.objects.filter(pk=first.pk).update(check_result=Credential.Check.REFUSED)
    other = files.pem(files.ec.generate_private_key(files.ec.SECP256R1())).decode()
    second, change = stored(entry(other))
    second.refresh_from_db()
    assert (second.pk, change) == (first.pk, Change.CHANGED)
    assert second.check_result == Credential.Check.NEVER
    assert crypto.unseal(second.sealed) != crypto.unseal(first.sealed)


def test_another_bundle_or_environment_is_another_credential(hall, key):
    for changes in ({}, {"topic": "com.example.other"}, {"environment": "sandbox"}):
        assert stored(entry(key, **changes))[1] is Change.CREATED
    assert Credential.objects.count() == 3


def test_a_secret_that_no_key_opens_any_more_is_written_again(hall, key):
    first, _ = stored(entry(key))
    Credential.objects.filter(pk=first.pk).update(sealed="gAAAAA-nobody-opens-this")
    second, change = stored(entry(key))
    assert (second.pk, change, second.is_locked) == (first.pk, Change.CHANGED, False)


@pytest.mark.parametrize(
    "write",
    [
        lambda pem: pem,
        lambda pem: pem.replace("\n", "\\n"),
        lambda pem: base64.b64encode(pem.encode()).decode(),
    ],
    ids=["PEM", "PEM on one line", "base64"],
)
def test_a_variable_holds_it_as_services_hand_it_over(hall, key, write, monkeypatch):
    monkeypatch.setenv("APNS_KEY", write(key))
    credential, _ = stored(entry(None, env="APNS_KEY"))
    assert credential.public["kind"].startswith("token key")


def test_a_p12_comes_as_base64_with_its_password(hall, monkeypatch):
    p12 = files.p12(password="opener")
    monkeypatch.setenv("APNS_P12", base64.b64encode(p12).decode())
    given = {"application": "hall", "provider": "apns", "env": "APNS_P12", "password": "opener"}
    credential, _ = stored(given)
    assert credential.topic == files.BUNDLE
    assert credential.expires_at is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"provider": "apnss"}, "There are: apns, fcm"),
        ({"application": "nobody"}, "no application with the key “nobody”"),
        ({"keyid": "x"}, "has no “keyid”. It has:"),
        ({"environment": "staging"}, "no environment. There are: production, sandbox"),
        ({"team_id": None}, "Team id is missing"),
        ({"value": None}, "one of: file, env, value"),
        ({"file": "/nowhere/AuthKey.p8"}, "one of: file, env, value"),
        ({"value": None, "file": "/nowhere/AuthKey.p8"}, "cannot be read: No such file"),
        ({"value": None, "env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE is not set"),
        ({"value": "what is this?"}, "neither PEM, nor JSON, nor base64"),
        ({"value": "A" * 200_000}, "more than 64 kB"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(hall, key, changes, words):
    with pytest.raises(InvalidCredential, match="(?s)" + words.replace("?", r"\?")) as caught:
        stored(entry(key, **changes))
    assert "PRIVATE" not in str(caught.value)
    assert not Credential.objects.exists()


def test_the_settings_are_stored_up_to_the_one_that_is_wrong(hall, key, settings):
    wrong = entry(key, team_id="?")
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "CREDENTIALS": [entry(key), wrong]}
    with pytest.raises(InvalidCredential) as caught:
        list(declare_settings())
    assert str(caught.value).startswith('DJANGO_PUSH["CREDENTIALS"][1]: ')
    assert caught.value.field == "CREDENTIALS[1].team_id"
    assert Credential.objects.count() == 1


def test_the_command_stores_a_file(hall, key, tmp_path):
    path = tmp_path / "AuthKey_ABCDE12345.p8"
    path.write_text(key)
    said = io.StringIO()
    given = ["--application=hall", "--provider=apns", f"--file={path}"]
    given += ["--set=team_id=TEAM123456", "--set=topic=com.example.app"]
    call_command("push_credential", *given, stdout=said)
    call_command("push_credential", *given, stdout=said)
    assert [line.split(": ")[1] for line in said.getvalue().splitlines()] == [
        "created.",
        "unchanged.",
    ]
    assert Credential.objects.get().public["key_id"] == "ABCDE12345"  # from the file's name


def test_the_command_stores_what_the_settings_say(hall, settings):
    account = {
        "type": "service_account",
        "project_id": "hall-1",
        "client_email": "push@hall-1.example",
        "private_key": files.pem(files.rsa_key()).decode(),
        "private_key_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    given = {"application": "hall", "provider": "fcm", "value": json.dumps(account)}
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "CREDENTIALS": [given]}
    call_command("push_credential", stdout=io.StringIO())
    assert Credential.objects.get().topic == "hall-1"


def test_the_command_says_what_it_needs(hall, settings):
    with pytest.raises(CommandError, match="is empty"):
        call_command("push_credential")
    with pytest.raises(CommandError, match="Name --provider too"):
        call_command("push_credential", "--application=hall")
    with pytest.raises(CommandError, match="FIELD=VALUE, not “topic”"):
        call_command(
            "push_credential", "--application=hall", "--provider=apns", "--set=topic", "--env=X"
        )


@pytest.mark.django_db(transaction=True)
def test_two_servers_that_start_together_store_one(hall, key):
    ready, found = threading.Barrier(4), []

    def start() -> None:
        ready.wait()
        try:
            found.append(stored(entry(key))[1])
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [Change.CREATED, *[Change.UNCHANGED] * 3]


def test_a_file_is_read_no_further_than_a_credential_can_be(hall, tmp_path):
    path = tmp_path / "film.p12"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InvalidCredential, match="more than 64 kB"):
        stored(entry(None, file=str(path)))
    assert accounts.MAX_FILE == 65_536
