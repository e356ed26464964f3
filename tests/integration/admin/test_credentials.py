"""Credentials: what is uploaded is read by its provider, watched, and never shown again."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from django_push import crypto
from django_push.admin.credential import credential_state
from django_push.models import Credential
from tests.unit.providers import files

from .conftest import EDITOR

ADD = "admin:django_push_credential_add"
KEY = {"apns-topic": "com.example.app", "apns-key_id": "ABCDE12345", "apns-team_id": "TEAM123456"}


def upload(client, application, name, content, provider="apns", **fields):
    data = {
        "application": application.pk,
        "provider": provider,
        "name": "Hall",
        "environment": "production",
        "is_active": "on",
        "file": SimpleUploadedFile(name, content),
        **fields,
    }
    return client.post(reverse(ADD), data)


def replace(client, credential, name, content, **fields):
    page = reverse("admin:django_push_credential_change", args=[credential.pk])
    form = client.get(page).context["adminform"].form
    data = {name_: form[name_].value() for name_ in form.fields if name_ not in ("file",)}
    data = {k: v for k, v in data.items() if v not in (None, False)}
    data |= fields
    if content is not None:
        data["file"] = SimpleUploadedFile(name, content)
    return client.post(page, data)


def page_of(client, credential):
    address = reverse("admin:django_push_credential_change", args=[credential.pk])
    return client.get(address).content.decode()


def test_a_token_key_is_taken_and_never_shown_again(root, application):
    secret = files.pem(files.ec_key())
    assert upload(root, application, "AuthKey_ABCDE12345.p8", secret, **KEY).status_code == 302
    credential = Credential.objects.get()
    assert credential.topic == "com.example.app"
    assert credential.public["key_id"] == "ABCDE12345"
    assert credential.uploaded_by == "root"
    body = secret.decode().splitlines()[1]
    assert body in crypto.unseal(credential.sealed)
    page = page_of(root, credential)
    for part in (body, crypto.unseal(credential.sealed)[:40], credential.sealed):
        assert part not in page
    for shown in ("ABCDE12345", "TEAM123456", "com.example.app", "Stored encrypted"):
        assert shown in page
    assert LogEntry.objects.filter(content_type__model="credential").count() == 1


def test_the_name_of_the_key_file_gives_the_key_id(root, application):
    fields = {**KEY, "apns-key_id": ""}
    upload(root, application, "AuthKey_ZZZZZ12345.p8", files.pem(files.ec_key()), **fields)
    assert Credential.objects.get().public["key_id"] == "ZZZZZ12345"


def test_a_certificate_with_its_password(root, application):
    upload(root, application, "push.p12", files.p12(password="geheim"), password="geheim")
    credential = Credential.objects.get()
    assert credential.topic == files.BUNDLE
    assert credential.expires_at is not None
    assert "geheim" not in crypto.unseal(credential.sealed)


def test_a_service_account(root, application):
    upload(root, application, "account.json", files.service_account(), provider="fcm")
    credential = Credential.objects.get()
    assert (credential.provider, credential.topic) == ("fcm", "demo-project")


@pytest.mark.parametrize(
    ("name", "content", "fields", "says"),
    [
        ("push.p12", files.p12(password="geheim"), {"password": "falsch"}, "password"),
        ("a.json", files.service_account(), KEY, "This is a JSON file, as Google gives out."),
        ("key.p8", b"hello", KEY, "."),
        ("big.p8", b"x" * 70_000, KEY, "more than 64 kB"),
        (
            "AuthKey.p8",
            files.pem(files.ec_key()),
            {**KEY, "apns-team_id": ""},
            "Team id is missing",
        ),
        ("AuthKey.p8", files.pem(files.ec_key()), {**KEY, "apns-team_id": "x"}, "can not be right"),
    ],
)
def test_a_wrong_file_is_refused_in_plain_words(root, application, name, content, fields, says):
    answer = upload(root, application, name, content, **fields)
    assert answer.status_code == 200
    errors = " ".join(re.findall(r'class="errorlist".*?</ul>', answer.content.decode(), re.S))
    assert says in errors
    assert "Traceback" not in errors
    assert Credential.objects.count() == 0


def test_an_expired_certificate_is_no_credential(root, application):
    old = files.push_certificate(days=-3)
    answer = upload(root, application, "old.p12", files.p12(old), password="geheim")
    assert "expired" in answer.content.decode().lower()
    assert Credential.objects.count() == 0


def test_no_file_is_no_credential(root, application):
    data = {"application": application.pk, "provider": "apns", "environment": "production"}
    answer = root.post(reverse(ADD), {**data, **KEY})
    assert b"Choose the file that the provider gave you." in answer.content


@pytest.fixture
def credential(root, application):
    upload(root, application, "AuthKey_ABCDE12345.p8", files.pem(files.ec_key()), **KEY)
    return Credential.objects.get()


def test_details_change_without_a_new_file(root, credential):
    sealed = credential.sealed
    replace(root, credential, "", None, **{"apns-topic": "com.example.other"})
    credential.refresh_from_db()
    assert credential.topic == "com.example.other"
    assert credential.sealed == sealed
    assert credential.public["key_id"] == "ABCDE12345"


def test_a_new_key_brings_its_own_id_and_keeps_the_team(root, credential):
    new = files.ec.generate_private_key(files.ec.SECP256R1())
    Credential.objects.update(check_result="refused", checked_at=timezone.now())
    replace(root, credential, "AuthKey_NEWID12345.p8", files.pem(new))
    credential.refresh_from_db()
    assert credential.public["key_id"] == "NEWID12345"
    assert credential.public["team_id"] == "TEAM123456"
    assert credential.check_result == ""


def test_a_wrong_replacement_leaves_the_old_one(root, credential):
    sealed = credential.sealed
    answer = replace(root, credential, "nonsense.p8", b"nonsense")
    assert answer.status_code == 200
    credential.refresh_from_db()
    assert credential.sealed == sealed


@pytest.mark.parametrize(
    ("changes", "tone", "words"),
    [
        ({}, "", "Never checked"),
        ({"check_result": "accepted"}, "ok", "Does not expire"),
        ({"check_result": "refused"}, "bad", "Refused"),
        ({"down_since": timezone.now()}, "bad", "Out of reach"),
        ({"is_active": False}, "", "Not in use"),
        ({"expires_at": timedelta(days=12, hours=1)}, "warn", "12 days left"),
        ({"expires_at": timedelta(hours=5, minutes=1)}, "warn", "5 hours left"),
        ({"expires_at": timedelta(days=-3, hours=-1)}, "bad", "Expired 3 days ago"),
        ({"sealed": "not ours"}, "bad", "Locked"),
    ],
)
def test_the_state_is_the_most_urgent_thing(credential, changes, tone, words):
    for name, value in changes.items():
        setattr(credential, name, timezone.now() + value if name == "expires_at" else value)
    assert credential_state(credential) == (tone, words)


def test_a_far_end_is_named_by_its_day(credential):
    credential.expires_at = timezone.now() + timedelta(days=300)
    tone, words = credential_state(credential)
    assert tone == "ok"
    assert words.startswith("Until ")


def test_the_list_shows_state_and_devices(root, credential, device):
    device("a" * 64)
    device("b" * 64, "android")
    page = root.get(reverse("admin:django_push_credential_changelist")).content.decode()
    assert "Never checked" in page
    assert '<span class="push-num">1</span>' in page


@pytest.mark.parametrize(
    ("wait", "next_try"), [(timedelta(minutes=1), "Next try "), (timedelta(), "tried again now.")]
)
def test_a_credential_out_of_reach_says_since_when_and_what_next(root, credential, wait, next_try):
    now = timezone.now()
    Credential.objects.update(
        down_since=now - timedelta(minutes=5),
        next_try_at=now + wait,
        down_reason="<no> connection",
    )
    for page in (
        page_of(root, credential),
        root.get(reverse("admin:django_push_credential_changelist")).content.decode(),
    ):
        assert "Out of reach" in page
        assert "cannot be reached since" in page
        assert "&lt;no&gt; connection. " in page
        assert next_try in page


def test_a_locked_secret_can_be_replaced(root, credential):
    Credential.objects.update(sealed="sealed under a key that is gone")
    page = page_of(root, credential)
    assert "Locked" in page
    assert "SECRET_KEY_FALLBACKS" in page
    assert replace(root, credential, "", None).status_code == 200  # not without a file
    replace(root, credential, "AuthKey_ABCDE12345.p8", files.pem(files.ec_key()), **KEY)
    credential.refresh_from_db()
    assert not credential.is_locked


def test_who_may_not_manage_credentials_sees_no_upload(staff, as_user, credential):
    client = as_user(staff("tom", *EDITOR))
    page = page_of(client, credential)
    assert "com.example.app" in page
    assert 'type="file"' not in page
    assert client.get(reverse(ADD)).status_code == 403


def test_its_page_can_send_a_test(root, credential, device):
    one = device("a" * 64)
    page = page_of(root, credential)
    assert "Send a test" in page
    assert one.public_id in page


@pytest.mark.parametrize("changes", [{"client_email": "a\x00b"}, {"private_key_id": "\x00"}])
def test_names_that_no_database_keeps_are_refused(root, application, changes):
    answer = upload(root, application, "a.json", files.service_account(**changes), "fcm")
    assert "The names in this file are damaged." in answer.content.decode()
    assert not Credential.objects.exists()


def test_a_bundle_id_that_does_not_fit_is_refused(root, application):
    certificate = files.cert_pem(files.push_certificate(bundle="x" * 192))
    answer = upload(root, application, "a.pem", certificate + files.pem(files.rsa_key()))
    assert "The names in this file are damaged." in answer.content.decode()
    assert not Credential.objects.exists()
