from __future__ import annotations

import base64
import json
import os
import selectors
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from django_push.exceptions import InvalidCredential
from django_push.messages import Account
from django_push.providers import clientcert
from django_push.providers.apns import ApnsProvider
from django_push.providers.apns_credential import PushCertificate, TokenKey, load_secret

from . import files

LEGACY = (
    PrivateFormat.PKCS12.encryption_builder()
    .kdf_rounds(2048)
    .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
    .hmac_hash(hashes.SHA1())
    .build(b"geheim")
)


def read(content: bytes, password: str = "", name: str = "upload") -> Any:
    return ApnsProvider.read_file(name, content, password)


def account(content: bytes, password: str = "", **changes: Any) -> Account:
    found = read(content, password, "AuthKey_ABCDE12345.p8")
    values = {
        "provider": "apns",
        "topic": found.topic or files.BUNDLE,
        "public": {"team_id": "TEAM123456", **found.public},
        "secret": found.secret,
        **changes,
    }
    return Account(**values)


def test_a_token_key_tells_its_id_by_its_name() -> None:
    found = read(files.pem(files.ec_key()), name="AuthKey_ABCDE12345.p8")
    assert found.kind == "token key (.p8)"
    assert found.public["key_id"] == "ABCDE12345"
    assert len(found.public["fingerprint"]) == 64
    assert found.expires_at is None
    assert isinstance(load_secret(found.secret), TokenKey)


@pytest.mark.parametrize("name", ["authkey_abcde12345 (1).p8", "AuthKey_ABCDE12345 copy.p8"])
def test_downloaded_twice_it_still_tells(name: str) -> None:
    assert read(files.pem(files.ec_key()), name=name).public["key_id"] == "ABCDE12345"


@pytest.mark.parametrize("name", ["apple.p8", "AuthKey_ABCDE12345X.p8", "AuthKey_SHORT.p8"])
def test_a_renamed_key_has_no_id(name: str) -> None:
    assert "key_id" not in read(files.pem(files.ec_key()), name=name).public


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (files.p12(), "geheim"),
        (files.p12(password="größe"), "größe"),
        (files.p12(encryption=NoEncryption()), ""),
        (files.p12(encryption=LEGACY), "geheim"),
        (files.p12(others=[files.certificate(bundle="com.example.ca")]), "geheim"),
        (files.pem_pair(), ""),
        (files.pem(files.rsa_key()) + files.cert_pem(files.push_certificate()), ""),
        (files.pem_pair("pw"), "pw"),
        (
            b"Bag Attributes\n"
            + files.cert_pem(files.push_certificate())
            + files.pem(files.rsa_key()),
            "",
        ),
    ],
    ids=["modern", "umlauts", "open", "3des", "chain", "pem", "key-first", "locked-pem", "bag"],
)
def test_certificates_of_every_form(content: bytes, password: str) -> None:
    found = read(content, password)
    assert found.kind == "push certificate"
    assert found.topic == files.BUNDLE
    assert found.public["topics"] == [
        files.BUNDLE,
        f"{files.BUNDLE}.voip",
        f"{files.BUNDLE}.complication",
    ]
    assert found.public["environments"] == ["production", "sandbox"]
    assert found.public["team_id"] == "TEAM123456"
    assert found.environment == ""
    assert found.expires_at is not None
    stored = load_secret(found.secret)
    assert isinstance(stored, PushCertificate)
    assert stored.bundle_id == files.BUNDLE


@pytest.mark.parametrize(
    ("oid", "environment"), [(files.SANDBOX, "sandbox"), (files.PRODUCTION, "production")]
)
def test_a_certificate_for_one_environment_says_so(oid: str, environment: str) -> None:
    found = read(files.p12(files.certificate(oid)), "geheim")
    assert found.environment == environment
    assert found.public["topics"] == [files.BUNDLE]


def test_topics_longer_than_a_byte_can_count() -> None:
    bundle = "com.example." + "a" * 120
    found = read(files.p12(files.push_certificate(bundle=bundle)), "geheim")
    assert found.public["topics"][1] == f"{bundle}.voip"


def old_export(folder: Path) -> bytes:
    source, target = folder / "in.pem", folder / "old.p12"
    source.write_bytes(files.pem_pair())
    subprocess.run(
        [
            "openssl",
            "pkcs12",
            "-export",
            "-legacy",
            "-certpbe",
            "PBE-SHA1-RC2-40",
            "-in",
            str(source),
            "-out",
            str(target),
            "-passout",
            "pass:geheim",
        ],
        check=True,
    )
    return target.read_bytes()


if shutil.which("openssl") and b"OpenSSL 3" in subprocess.check_output(["openssl", "version"]):
    # RC2 is what no Python library writes any more.

    def test_an_export_of_an_old_keychain(tmp_path: Path) -> None:
        content = old_export(tmp_path)
        assert read(content, "geheim").topic == files.BUNDLE
        assert "openssl pkcs12 -legacy" in refused(content, "falsch").message


def refused(content: bytes, password: str = "", name: str = "upload") -> InvalidCredential:
    with pytest.raises(InvalidCredential) as caught:
        read(content, password, name)
    return caught.value


def bare(form: serialization.Encoding) -> bytes:
    return files.push_certificate().public_bytes(form)


def request() -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    signed = builder.sign(files.rsa_key(), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def without_key() -> bytes:
    return pkcs12.serialize_key_and_certificates(
        b"x", None, files.push_certificate(), None, BestAvailableEncryption(b"geheim")
    )


GARBLED = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
FILES = {
    "wrong password": (files.p12(), "falsch", "wrong_password", "password does not open"),
    "no password": (files.p12(), "", "wrong_password", "password does not open"),
    "wrong password of PEM": (files.pem(files.ec_key(), "pw"), "x", "wrong_password", "password"),
    "PEM needs one": (files.pem(files.ec_key(), "pw"), "", "password_needed", "is encrypted"),
    "expired": (files.p12(files.push_certificate(days=-3)), "geheim", "expired", "expired on"),
    "not push": (files.p12(files.certificate()), "geheim", "not_push", "not a push certificate"),
    "no key in .p12": (without_key(), "geheim", "no_key", "without its private key"),
    "certificate in DER": (bare(DER), "", "no_key", "without its private key"),
    "certificate in PEM": (bare(PEM), "", "no_key", "without its private key"),
    "request": (request(), "", "wrong_file", "signing request"),
    "RSA key alone": (files.pem(files.rsa_key()), "", "wrong_key", "not an APNs key"),
    "another curve": (
        files.pem(ec.generate_private_key(ec.SECP384R1())), "", "wrong_key", "not an APNs key",
    ),
    "strange key": (
        files.pem(ed25519.Ed25519PrivateKey.generate()), "", "wrong_key", "nobody uses",
    ),
    "another's key": (
        files.cert_pem(files.push_certificate()) + files.pem(files.ec_key()), "", "mismatch",
        "another certificate",
    ),
    "service account": (files.service_account(), "", "wrong_file", "as Google gives out"),
    "profile": (b"\x30\x82\x01\x02<plist><dict/></plist>", "", "wrong_file", "provisioning"),
    "empty": (b"", "", "wrong_file", "neither a key nor a certificate"),
    "text": (b"hello", "", "wrong_file", "neither a key nor a certificate"),
    "cut off .p12": (files.p12()[:700], "geheim", "wrong_file", "neither a key nor a certificate"),
    "cut off .p8": (files.pem(files.ec_key())[:120], "", "damaged", "can not be read"),
    "garbled certificate": (
        GARBLED + files.pem(files.rsa_key()),
        "", "damaged", "damaged",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_what_is_wrong_is_said_in_plain_words(name: str) -> None:
    content, password, code, words = FILES[name]
    error = refused(content, password)
    assert (error.code, words in error.message) == (code, True), error.message


def test_an_unneeded_password_does_no_harm() -> None:
    assert read(files.pem(files.ec_key()), "typed anyway").kind == "token key (.p8)"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"topic": ""}, "topic"),
        ({"topic": "com/example"}, "topic"),
        ({"public": {"team_id": "TEAM123456"}}, "key_id"),
        ({"public": {"key_id": "ABCDE12345"}}, "team_id"),
        ({"public": {"key_id": "short", "team_id": "TEAM123456"}}, "key_id"),
        ({"secret": ""}, ""),
        ({"secret": "{}"}, ""),
        ({"secret": "[]"}, ""),
        ({"secret": '{"key": "x", "certificate": "y"}'}, ""),
    ],
)
def test_a_token_account_names_what_is_missing(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidCredential) as caught:
        ApnsProvider.validate_account(account(files.pem(files.ec_key()), **changes))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("cert", "changes", "field"),
    [
        (files.certificate(files.SANDBOX), {"environment": "production"}, "environment"),
        (files.certificate(files.PRODUCTION), {"environment": "sandbox"}, "environment"),
        (files.push_certificate(), {"topic": "com.example.other"}, "topic"),
    ],
)
def test_a_certificate_must_fit_its_account(cert: Any, changes: Any, field: str) -> None:
    with pytest.raises(InvalidCredential) as caught:
        ApnsProvider.validate_account(account(files.p12(cert), "geheim", **changes))
    assert caught.value.field == field


def test_a_certificate_needs_neither_key_id_nor_team() -> None:
    ApnsProvider.validate_account(account(files.p12(), "geheim", public={}))


def test_a_certificate_that_has_ended_since_is_refused_when_sending() -> None:
    cert = files.push_certificate(days=-1)
    stored = {
        "certificate": files.cert_pem(cert).decode(),
        "key": files.pem(files.rsa_key()).decode(),
    }
    ended = Account(provider="apns", topic=files.BUNDLE, secret=json.dumps(stored))
    channel = ApnsProvider(ended).open(selectors.DefaultSelector())
    assert "expired on" in channel.refused
    assert channel.room() == 0
    assert channel.take().results == []


@pytest.mark.parametrize("memory", [True, False])
def test_the_key_leaves_nothing_on_disk(
    memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if not memory:
        monkeypatch.delattr(os, "memfd_create")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    clientcert.load_client_certificate(context, files.push_certificate(), files.rsa_key())
    assert list(tmp_path.iterdir()) == []


def pem_of(der: bytes, label: str) -> bytes:
    text = base64.b64encode(der).decode()
    return f"-----BEGIN {label}-----\n{text}\n-----END {label}-----\n".encode()


P256 = bytes.fromhex("2a8648ce3d030107")
UNKNOWN_CURVE = bytes.fromhex("2a8648ce3d030177")
AES = bytes.fromhex("60864801650304012a")
UNKNOWN_CIPHER = bytes.fromhex("60864801650304017a")


def key_der(password: str = "") -> bytes:
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return files.ec_key().private_bytes(serialization.Encoding.DER, PrivateFormat.PKCS8, encryption)


def with_extension(oid: str) -> x509.Certificate:
    """A push certificate in which one extension is rubbish."""
    good = files.push_certificate(key=files.ec_key())
    builder = x509.CertificateBuilder(
        good.issuer,
        good.subject,
        good.public_key(),
        1,
        good.not_valid_before_utc,
        good.not_valid_after_utc,
        list(good.extensions),
    )
    rubbish = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), b"junk")
    return builder.add_extension(rubbish, critical=False).sign(files.ec_key(), hashes.SHA256())


def certificate_of_unknown_curve() -> bytes:
    der = files.push_certificate(key=files.ec_key()).public_bytes(serialization.Encoding.DER)
    return pem_of(der.replace(P256, UNKNOWN_CURVE), "CERTIFICATE")


@pytest.mark.parametrize(
    "content",
    [
        lambda: files.cert_pem(with_extension("2.5.29.19")) + files.pem(files.ec_key()),
        lambda: files.cert_pem(with_extension("2.5.29.17")) + files.pem(files.ec_key()),
        lambda: certificate_of_unknown_curve() + files.pem(files.ec_key()),
        lambda: pem_of(key_der().replace(P256, UNKNOWN_CURVE), "PRIVATE KEY"),
        lambda: pem_of(key_der("pw").replace(AES, UNKNOWN_CIPHER), "ENCRYPTED PRIVATE KEY"),
    ],
    ids=["constraints", "names", "curve", "key curve", "cipher"],
)
def test_a_file_with_parts_that_nothing_reads_is_damaged(content: Callable[[], bytes]) -> None:
    with pytest.raises(InvalidCredential) as caught:
        read(content(), "pw")
    assert caught.value.code == "damaged"
