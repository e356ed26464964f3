"""FCM by the pyfcm library, for projects that already use it; install ``[pyfcm]``.

It is also the model of a provider that is built on somebody else's library: the payload and the
table of reasons are FCM's own, the library carries. It hands over one device at a time, at some
hundred times the cost of :mod:`django_push.providers.fcm`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import requests
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import Request as TokenRequest
from google.oauth2 import service_account
from pyfcm import FCMNotification
from pyfcm.errors import FCMError
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError

from ..conf import push_settings
from ..http2 import Answer
from ..messages import Account, Device, Envelope, Result, Status
from .base import BlockingProvider, CredentialFile, Field, Preview
from .fcm import FID, FcmProvider, translate
from .fcm_credential import load_secret
from .fcm_payload import build, size
from .keyfile import key_text
from .oauth import SCOPE

__all__ = ["PyFcmProvider"]

_ARGUMENTS = {
    "data": "data_payload",
    "android": "android_config",
    "apns": "apns_config",
    "webpush": "webpush_config",
    "fcm_options": "fcm_options",
}
"""Part of a message -> argument of ``notify``."""


class PyFcmProvider(BlockingProvider[dict[str, Any]]):
    """Google's devices, one request after the other."""

    name = "pyfcm"
    verbose_name = "Google (pyfcm)"
    network = "fcm"
    payload_limit = FcmProvider.payload_limit
    file_help = FcmProvider.file_help
    fields: ClassVar[Sequence[Field]] = FcmProvider.fields
    batch = 20

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._notifier: _Notifier | None = None

    def prepare(self, envelope: Envelope) -> dict[str, Any]:
        built = build(envelope)
        self._check_size(size(built))
        return built

    def payload_size(self, envelope: Envelope) -> int:
        return size(build(envelope))

    def deliver(self, prepared: dict[str, Any], device: Device) -> Result:
        try:
            if self._notifier is None:
                self._notifier = _Notifier(self.account)
            response = self._notifier.notify(
                **_arguments(prepared, device), timeout=push_settings.REQUEST_TIMEOUT
            )
        except requests.RequestException as error:
            return _lost(error)
        except FCMError as error:
            return _without_token(error)
        if response.status_code == 200:
            return Result(Status.SENT)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return translate(Answer(device.key, response.status_code, headers, response.content))

    def preview(self, prepared: dict[str, Any], device: Device) -> Preview:
        token = device.address.removeprefix(FID)
        return Preview(
            {"content-type": "application/json"}, {"message": {"token": token} | prepared}
        )

    @classmethod
    def read_file(cls, name: str, content: bytes, password: str = "") -> CredentialFile:
        return FcmProvider.read_file(name, content, password)

    @classmethod
    def validate_account(cls, account: Account) -> None:
        FcmProvider.validate_account(account)

    @classmethod
    def check_address(cls, address: str) -> str:
        return FcmProvider.check_address(address)


class _Notifier(FCMNotification):  # type: ignore[misc]
    """pyfcm with our endpoints, and without its own waiting.

    pyfcm 2.1 sleeps for as long as ``retry-after`` says and tries again for ever, and turns
    answers into exceptions that have lost the error code. The pipeline wants the answer.
    """

    def __init__(self, account: Account) -> None:
        super().__init__(
            credentials=_credentials(account),
            project_id=account.topic,
            adapter=_Adapter(),
        )
        base = str(push_settings.FCM_URL).rstrip("/")
        self._fcm_end_point = f"{base}/v1/projects/{account.topic}/messages:send"

    def send_request(self, payload: bytes | None = None, timeout: float | None = None) -> Any:
        response = self._post(payload, timeout)
        if self._is_access_token_expired(response):
            self.thread_local.token_expiry = 0
            response = self._post(payload, timeout)
        return response

    def parse_response(self, response: requests.Response) -> requests.Response:
        return response

    def _post(self, payload: bytes | None, timeout: float | None) -> requests.Response:
        session: requests.Session = self.requests_session
        return session.post(self.fcm_end_point, data=payload, timeout=timeout)

    def _get_access_token(self) -> str:
        try:
            with requests.Session() as session:
                session.mount("https://", self.custom_adapter)
                self.credentials.refresh(TokenRequest(session=session))
        except GoogleAuthError as error:
            raise FCMError(str(error)) from error
        return str(self.credentials.token)


def _credentials(account: Account) -> service_account.Credentials:
    found = load_secret(account.secret)
    information = {
        "client_email": found.email,
        "private_key": key_text(found.key),
        "private_key_id": found.key_id,
        "token_uri": push_settings.FCM_TOKEN_URL,
    }
    factory: Any = service_account.Credentials.from_service_account_info
    credentials: service_account.Credentials = factory(information, scopes=[SCOPE])
    return credentials


class _Adapter(HTTPAdapter):
    """Without retries, since the pipeline retries, and with our CA.

    ``Session.verify`` would not do: ``REQUESTS_CA_BUNDLE`` in the environment goes over it.
    """

    def __init__(self) -> None:
        super().__init__(max_retries=0)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
        if push_settings.CA_FILE:
            options["verify"] = str(push_settings.CA_FILE)
        return super().send(request, *args, **options)


def _arguments(prepared: Mapping[str, Any], device: Device) -> dict[str, Any]:
    shown = prepared.get("notification") or {}
    return {
        "fcm_token": device.address.removeprefix(FID),  # FCM takes an installation id there too
        **{f"notification_{name}": shown.get(name) for name in ("title", "body", "image")},
        **{_ARGUMENTS[name]: part for name, part in prepared.items() if name in _ARGUMENTS},
    }


_NO_CONNECTION = (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError)


def _lost(error: requests.RequestException) -> Result:
    """Whether it can have reached Google: not when no connection came about."""
    cause = error.args[0] if error.args else None
    never = isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
    if never or isinstance(
        error, requests.exceptions.ConnectTimeout | requests.exceptions.SSLError
    ):
        return Result(Status.DEFERRED, "ConnectionLost", str(error))
    return Result(Status.UNKNOWN, "ConnectionLost", str(error))


def _without_token(error: FCMError) -> Result:
    """No access token: nothing left the house."""
    cause = error.__cause__
    if isinstance(cause, TransportError) or getattr(cause, "retryable", False):
        return Result(Status.DEFERRED, "ConnectionLost", str(error))
    return Result(Status.UNAUTHORIZED, "UNAUTHENTICATED", str(error))
