"""Parse Server: its class ``_Installation``, from MongoDB, PostgreSQL or its dashboard.

One document has four faces, by where it comes from: the API's and the dashboard's (``objectId``,
``{"__type": …}``), MongoDB's own (``_id``, ``_created_at``, ``_p_user: "_User$…"``), and
PostgreSQL's rows as JSON or CSV (``objectId``, pointers as mere ids).
Names as in parse-server's ``MongoTransform.js`` and ``PostgresStorageAdapter.js``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from django.utils.translation import gettext as _

from ..messages import DEVICE_TYPES
from ..zones import known_zones
from .files import ExportFile
from .networks import Networks
from .plain import Unreadable, moment, plain, point, pointer
from .rows import NO_NETWORK, Refused, Row, Source

__all__ = ["Documents", "ParseServer"]

DEVICE_TYPE_NAMES: Mapping[str, str] = {
    **{name: name for name in DEVICE_TYPES},
    "osx": "macos",
    "fcm": "android",
    "winrt": "windows",
    "winphone": "windows",
    "dotnet": "windows",
    "wp": "windows",
}
"""Names of platforms that Parse Server or LeanCloud stored at some time, as ours."""

NETWORKS: Mapping[str, str] = {"gcm": "fcm", "fcm": "fcm", "apn": "apns", "apns": "apns"}
"""``pushType`` as our networks; other values say nothing."""

_PUBLIC_ID = re.compile(r"[A-Za-z0-9_-]{1,24}")
_RIGHTS = frozenset({"ACL", "_acl", "_rperm", "_wperm"})
_COLUMNS: Mapping[str, tuple[str, int]] = {
    "localeIdentifier": ("locale", 35),
    "appIdentifier": ("app_identifier", 191),
    "appVersion": ("app_version", 64),
    "deviceProfile": ("device_profile", 191),
}
"""Their texts that have a column here, with its length."""


@dataclass(kw_only=True)
class Documents:
    """Turns documents of ``_Installation`` into rows."""

    user_field: str = "user"
    """Which field says whose the device is: a pointer, or the id itself."""
    geo_field: str = "location"
    """Which field is where the device is."""
    new_ids: bool = False
    """Give every device a new id, which nobody can guess; the old one stays in its attributes."""
    networks: Networks = field(default_factory=Networks)
    _rest: dict[str, Any] = field(default_factory=dict, init=False)

    def row(self, place: str, document: Mapping[str, object]) -> Row:
        """Raises :class:`~.plain.Unreadable`, and InvalidRegistration for an address that no
        device can have."""
        rest = self._rest = {name: value for name, value in document.items() if value is not None}
        notes = [_("rights (ACL) left out")] if self._drop_rights() else []
        device_type = self._device_type()
        provider, address = self._address(device_type)
        row = Row(
            place=place,
            device_type=device_type,
            provider=provider if address else NO_NETWORK,
            address=address,
            installation_id=self._text("installationId", 191).lower() or None,
            origin=str(document.get("appIdentifier") or ""),
            user=self._user(),
            channels=self._channels(),
            active=rest.pop("valid", True) not in (False, "f", "false"),
            created_at=moment(self._pop("createdAt", "_created_at")),
            seen_at=moment(self._pop("updatedAt", "_updated_at")),
        )
        row.public_id = self._public_id(notes)
        row.columns = self._columns()
        row.attributes = self._attributes()
        row.notes = tuple(notes)
        self._check(row)
        return row

    def _check(self, row: Row) -> None:
        if not (row.address or row.installation_id or row.public_id):
            raise Unreadable(_("it has neither a token nor an id: no app could ever find it"))

    def _drop_rights(self) -> bool:
        """Whether there were any; nobody can use them here."""
        rights = [self._rest.pop(name) for name in _RIGHTS if name in self._rest]
        return any(rights)

    def _pop(self, name: str, other: str) -> object:
        """The first that is there; both are used up."""
        value, second = self._rest.pop(name, None), self._rest.pop(other, None)
        return second if value is None else value

    def _text(self, name: str, longest: int) -> str:
        """A text of at most so many characters; anything else stays among the other fields."""
        value = self._rest.get(name)
        if not isinstance(value, str) or len(value) > longest or "\x00" in value:
            return ""
        del self._rest[name]
        return value

    def _device_type(self) -> str:
        said = str(self._rest.pop("deviceType", "") or "").lower()
        if said not in DEVICE_TYPE_NAMES:
            raise Unreadable(
                _("its device type “%(name)s” is not known") % {"name": said[:40]}
                if said
                else _("it has no device type")
            )
        return DEVICE_TYPE_NAMES[said]

    def _address(self, device_type: str) -> tuple[str, str]:
        kind = str(self._rest.get("pushType") or "").lower()
        provider = NETWORKS.get(kind, DEVICE_TYPES[device_type])
        token = self._rest.pop("deviceToken", None) or ""
        return provider, self.networks.checked(provider, token) if token else ""

    def _public_id(self, notes: list[str]) -> str:
        value = plain(self._pop("objectId", "_id"))
        text = "" if value is None else str(value)
        fits = _PUBLIC_ID.fullmatch(text)
        if fits and not self.new_ids:
            return text
        if text:
            self._rest["objectId"] = text
        if text and not fits:
            notes.append(_("objectId does not fit (24 letters, digits, - and _): new id given"))
        return ""

    def _user(self) -> str:
        name = self.user_field
        key = pointer(self._pop(f"_p_{name}", name))
        if len(key) > 191 or "\x00" in key:
            raise Unreadable(_("its user's id is longer than 191 characters, or no text"))
        return key

    def _channels(self) -> list[str] | None:
        """``None`` when the document has none."""
        value = self._rest.pop("channels", None)
        if not isinstance(value, Sequence):
            return None
        if isinstance(value, str):  # an array of PostgreSQL in CSV
            value = [name.strip('"') for name in value.strip("{}").split(",")]
        names = {name for name in value if isinstance(name, str) and name}
        if any(len(name) > 191 or "\x00" in name for name in names):
            raise Unreadable(_("a channel of it is longer than 191 characters, or no text"))
        return sorted(names)

    def _columns(self) -> dict[str, Any]:
        columns: dict[str, Any] = {
            ours: value
            for theirs, (ours, longest) in _COLUMNS.items()
            if (value := self._text(theirs, longest))
        }
        zone = self._rest.get("timeZone")
        if isinstance(zone, str) and zone in known_zones():
            columns["time_zone"] = self._rest.pop("timeZone")
        columns["badge"] = _count(plain(self._rest.pop("badge", 0)))
        if self.geo_field in self._rest and (found := point(self._rest[self.geo_field])):
            columns["latitude"], columns["longitude"] = found
            del self._rest[self.geo_field]
        return columns

    def _attributes(self) -> dict[str, Any]:
        """All other fields, in the form of the API: what the app stored is its own affair."""
        found = {}
        for name, value in self._rest.items():
            if not name.startswith("_"):
                found[plain(name)] = plain(value)
            elif name.startswith("_p_"):
                target, _dollar, key = str(value).partition("$")
                found[name[3:]] = {"__type": "Pointer", "className": target, "objectId": key}
        return found


def _count(value: object) -> int:
    """A badge: whole, from 0 to what every database holds."""
    try:
        number = int(str(value or 0).partition(".")[0])
    except ValueError:
        return 0
    return min(max(number, 0), 2**31 - 1)


class ParseServer(Source):
    """Files with the class ``_Installation``, in any form (see :mod:`.files`)."""

    name = "parse-server"
    reads: ClassVar[type[Documents]] = Documents

    def __init__(self, paths: Sequence[Path], documents: Documents | None = None) -> None:
        """Raises :class:`~.files.DamagedExport` when a file cannot be opened."""
        self._documents = documents or self.reads()
        self._files = [ExportFile(path) for path in paths]
        self._read = 0

    def rows(self) -> Iterator[Row | Refused]:
        for each in self._files:
            for found in each.documents():
                yield self._row(found.place, found.document, found.problem)
            self._read += 1

    def progress(self) -> float:
        return sum(each.progress() for each in self._files) / len(self._files)

    def _row(
        self, place: str, document: Mapping[str, object] | None, problem: str
    ) -> Row | Refused:
        if len(self._files) > 1:
            place = f"{self._files[self._read].path.name}, {place}"
        if document is None:
            return Refused(place, problem)
        return read_row(self._documents, place, document)


def read_row(documents: Documents, place: str, document: Mapping[str, object]) -> Row | Refused:
    """The row, or why there is none."""
    try:
        return documents.row(place, document)
    except ValueError as error:  # Unreadable, InvalidRegistration
        return Refused(place, str(error))
