"""The state directory."""

from __future__ import annotations

import json
import os
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from django_push.simulator import Identity, StateError, load_identity
from django_push.simulator.pki import (
    PUSH_DEVELOPMENT,
    PUSH_PRODUCTION,
    PUSH_TOPICS,
    PushCertificate,
)


def push_certificate(identity: Identity) -> x509.Certificate:
    key, certificate, _ = pkcs12.load_key_and_certificates(
        identity.p12, identity.p12_password.encode()
    )
    assert key is not None
    assert certificate is not None
    return certificate


def test_it_is_filled_once_and_kept(tmp_path: Path) -> None:
    first, second = load_identity(tmp_path), load_identity(tmp_path)

    assert first == second
    assert first.topics == ("com.example.demo",)
    assert len(first.key_id) == len(first.team_id) == 10


def test_only_the_owner_can_read_it(identity: Identity) -> None:
    files = list(identity.directory.iterdir())

    assert len(files) == 8
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(identity.directory.stat().st_mode) == 0o700


def test_the_representation_shows_no_secret(identity: Identity) -> None:
    shown = repr(identity)

    assert "PRIVATE" not in shown
    assert identity.p12_password not in shown.replace(str(identity.directory), "")


def test_the_apns_key_is_a_p256_key(identity: Identity) -> None:
    key = serialization.load_pem_private_key(identity.apns_key.encode(), None)

    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
    assert identity.apns_key_file.read_text() == identity.apns_key


def test_the_push_certificate_is_laid_out_as_apples(identity: Identity) -> None:
    certificate = push_certificate(identity)
    oids = {extension.oid for extension in certificate.extensions}

    assert {PUSH_DEVELOPMENT, PUSH_PRODUCTION, PUSH_TOPICS} <= oids
    names = certificate.subject.get_attributes_for_oid(NameOID.USER_ID)
    assert [name.value for name in names] == ["com.example.app"]
    read = PushCertificate.parse(certificate.public_bytes(serialization.Encoding.DER))
    assert read.environments == {"production", "sandbox"}
    assert read.topics == tuple(f"com.example.app{end}" for end in ("", ".voip", ".complication"))


def test_long_topics_survive_the_extension(tmp_path: Path) -> None:
    topic = "com.example." + "x" * 180
    certificate = push_certificate(load_identity(tmp_path, topics=(topic,)))

    read = PushCertificate.parse(certificate.public_bytes(serialization.Encoding.DER))

    assert read.topics[0] == topic


def test_clients_that_trust_the_authority_trust_the_server(identity: Identity) -> None:
    authority = x509.load_pem_x509_certificate(identity.ca_file.read_bytes())
    server = x509.load_pem_x509_certificate(identity.server_certificate.read_bytes())

    server.verify_directly_issued_by(authority)
    push_certificate(identity).verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert ssl.create_default_context(cafile=identity.ca_file).cert_store_stats()["x509_ca"] == 1


def test_other_topics_make_another_push_certificate_and_keep_the_keys(tmp_path: Path) -> None:
    before = load_identity(tmp_path)
    after = load_identity(tmp_path, topics=("com.example.new", "com.example.second"))

    assert after.topics == ("com.example.new", "com.example.second")
    assert after.apns_key == before.apns_key
    names = push_certificate(after).subject.get_attributes_for_oid(NameOID.USER_ID)
    assert names[0].value == "com.example.new"
    assert load_identity(tmp_path) == after


def test_the_service_account_points_where_it_is_told(tmp_path: Path) -> None:
    before = load_identity(tmp_path)
    after = load_identity(tmp_path, token_uri="https://127.0.0.1:1/token")

    assert before.service_account["token_uri"] == "https://oauth2.googleapis.com/token"
    assert after.service_account["token_uri"] == "https://127.0.0.1:1/token"
    assert after.service_account["private_key"] == before.service_account["private_key"]
    assert json.loads(after.service_account_file.read_text()) == after.service_account


def test_no_topic_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="at least one topic"):
        load_identity(tmp_path, topics=())
    load_identity(tmp_path)
    with pytest.raises(StateError, match="at least one topic"):
        load_identity(tmp_path, topics=())


def test_processes_that_start_at_once_share_one_identity(tmp_path: Path) -> None:
    script = (
        "import sys; from django_push.simulator import load_identity; "
        "sys.stdin.read(1); print(load_identity(sys.argv[1]).key_id)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "deep" / "state")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("x")
        process.stdin.flush()
    answers = {process.communicate(timeout=60)[0].strip() for process in processes}

    assert len(answers) == 1
    assert len(answers.pop()) == 10
    assert os.listdir(tmp_path / "deep" / "state") == ["identity"]


def test_a_damaged_directory_says_how_to_heal_it(tmp_path: Path) -> None:
    identity = load_identity(tmp_path)
    (identity.directory / "identity.json").write_text("{")

    with pytest.raises(StateError, match="Remove it"):
        load_identity(tmp_path)


def test_a_directory_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StateError, match="file"):
        load_identity(tmp_path / "file")
