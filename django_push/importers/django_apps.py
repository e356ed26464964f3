"""``django-push-notifications`` and ``fcm-django``: devices in tables of this very project."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar
from uuid import UUID

import orjson
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from .files import DamagedExport
from .networks import Networks
from .plain import Unreadable
from .rows import Refused, Row, Source
from .tables import Table
from .users import Users

__all__ = ["DjangoPushNotifications", "FcmDjango"]

_COLUMNS = (
    "registration_id",
    "name",
    "active",
    "user_id",
    "device_id",
    "application_id",
    "date_created",
    "cloud_message_type",
    "type",
    "browser",
    "p256dh",
    "auth",
)

Values = dict[str, Any]


class _TableSource(Source):
    """Devices of one or several tables."""

    users = Users.PROVED
    """Both packages store the user who was logged in."""
    app_label: ClassVar[str]
    models: ClassVar[Mapping[str, str]]
    """Names of the models, each with the method that reads it."""

    def __init__(self) -> None:
        """Raises :class:`~.files.DamagedExport` when the project has no such table."""
        self._networks = Networks()
        tables = [Table(*self._model(name), _COLUMNS) for name in self.models]
        self._tables = [
            (table, reader)
            for table, reader in zip(tables, self.models.values(), strict=True)
            if table.exists
        ]
        if not self._tables:
            raise DamagedExport(
                _("This project has no table of %(name)s: %(tables)s.")
                % {"name": self.name, "tables": ", ".join(table.name for table in tables)}
            )
        self._total = max(sum(table.count() for table, _reader in self._tables), 1)
        self._seen = 0

    def rows(self) -> Iterator[Row | Refused]:
        for table, reader in self._tables:
            read: Callable[[Values], Row] = getattr(self, reader)
            for values in table.read():
                self._seen += 1
                yield self._row(f"{table.label} {values['id']}", values, read)

    def progress(self) -> float:
        return min(self._seen / self._total, 1.0)

    def _model(self, name: str) -> tuple[str, str]:
        return self.app_label, name

    def _row(self, place: str, values: Values, read: Callable[[Values], Row]) -> Row | Refused:
        try:
            row = read(values)
        except ValueError as error:
            return Refused(place, str(error))
        row.place = place
        return row

    def _common(self, values: Values, device_type: str, network: str, address: object) -> Row:
        """What all of their tables have."""
        application = values.get("application_id") or ""
        kept = {"name": values.get("name"), "application_id": application}
        return Row(
            place="",
            device_type=device_type,
            provider=network,
            address=self._networks.checked(network, address),
            installation_id=_installation_id(values.get("device_id")),
            shared_id=True,
            origin=application,
            user=_user_key(values.get("user_id")),
            attributes={name: value for name, value in kept.items() if value},
            active=bool(values.get("active", True)),
            created_at=values.get("date_created"),
        )


class DjangoPushNotifications(_TableSource):
    """Its four models. The package knows when a device was made, not when it last came."""

    name = "django-push-notifications"
    app_label = "push_notifications"
    models = {
        "APNSDevice": "_apple",
        "GCMDevice": "_google",
        "WNSDevice": "_windows",
        "WebPushDevice": "_web",
    }

    def _apple(self, values: Values) -> Row:
        values["device_id"] = _uuid(values.get("device_id"))
        return self._common(values, "ios", "apns", values["registration_id"])

    def _google(self, values: Values) -> Row:
        if values.get("cloud_message_type", "FCM") == "GCM":
            raise Unreadable(_("it is of Google Cloud Messaging, which ended in 2019"))
        device = values.get("device_id")
        # A number of 64 bits that the package shows in hexadecimal, and stores with a sign.
        values["device_id"] = None if device is None else hex(int(device) & (2**64 - 1))
        return self._common(values, "android", "fcm", values["registration_id"])

    def _windows(self, values: Values) -> Row:
        values["device_id"] = _uuid(values.get("device_id"))
        return self._common(values, "windows", "wns", values["registration_id"])

    def _web(self, values: Values) -> Row:
        """The whole subscription is the address, as the browser's ``toJSON()`` gives it."""
        endpoint = values["registration_id"]
        if not str(endpoint).startswith("https://"):
            raise Unreadable(_("its registration id is not the whole address of a subscription"))
        keys = {"auth": values.get("auth"), "p256dh": values.get("p256dh")}
        subscription = orjson.dumps({"endpoint": endpoint, "keys": keys}).decode()
        row = self._common(values, "web", "webpush", subscription)
        row.address_kind = "subscription"
        if browser := values.get("browser"):
            row.attributes["browser"] = browser
        return row


class FcmDjango(_TableSource):
    """``FCMDevice``, or the model that the project put in its place."""

    name = "fcm-django"
    app_label = "fcm_django"
    models = {"FCMDevice": "_device"}

    def _model(self, name: str) -> tuple[str, str]:
        swapped = getattr(settings, "FCM_DJANGO_FCMDEVICE_MODEL", "")
        label, _dot, model = swapped.rpartition(".")
        return (label, model) if label else (self.app_label, name)

    def _device(self, values: Values) -> Row:
        kind = str(values.get("type") or "").lower()
        if kind not in {"ios", "android", "web"}:
            raise Unreadable(_("its type “%(name)s” is not known") % {"name": kind[:40]})
        return self._common(values, kind, "fcm", values["registration_id"])


def _uuid(value: object) -> str | None:
    """As apps write it: databases without the type keep no dashes."""
    return str(UUID(str(value))) if value else None


def _installation_id(value: object) -> str | None:
    text = str(value).lower() if value not in (None, "") else ""
    return text if 0 < len(text) <= 191 else None


def _user_key(value: object) -> str:
    """The key of a user as this project writes it: a UUID may be stored without its dashes."""
    if value is None:
        return ""
    try:
        return str(get_user_model()._meta.pk.to_python(value))
    except ValidationError:
        return str(value)
