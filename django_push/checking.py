"""What is wrong with a message, before anything is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import orjson
from django.utils.translation import gettext as _

from .audience import Audience
from .counting import check_installations
from .delivery.opening import filled_in
from .delivery.partition import usable_credentials
from .delivery.preferences import freeze_preferences
from .delivery.small import Listed, listed_devices
from .exceptions import InvalidPush
from .messages import Message, PushType
from .models import Credential, Notification, Segment
from .payloads import accounts_of, check_payloads
from .schedule import check_schedule
from .strict_json import is_storable

__all__ = ["Found", "check_content", "check_json", "check_one", "check_text"]

_JSON = ("content", "overrides", "texts", "variables", "audience")
_TEXTS = {"name": 191, "source": 32, "purpose": 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the check had to read, and submit needs again."""

    credentials: list[Credential]
    devices: list[Listed] | None
    """Those of an audience that lists a few; ``None`` for any other."""


def check_one(notification: Notification) -> Found:
    """Raise what is wrong with one message: see :func:`.submission.submit`."""
    application = notification.application
    message, audience = check_content(notification)
    audience = Segment.objects.resolve(application, audience)
    devices = listed_devices(application, audience)
    check_installations(application, audience, devices)
    credentials = usable_credentials(application)
    check_payloads(accounts_of(application, credentials), message)
    return Found(credentials=credentials, devices=devices)


def check_content(notification: Notification) -> tuple[Message, Audience]:
    """What can be said without reading devices."""
    message = filled_in(notification.message(), notification.variables)
    if message.push_type == PushType.ALERT and message.says_nothing:
        raise InvalidPush(
            _("The message is empty: give it a title, a text or data."),
            code="empty_message",
            field="body",
        )
    audience = Audience.from_json(notification.audience)
    audience = audience.seeing_claims(notification.sees_claims)
    check_schedule(notification)
    freeze_preferences(notification)  # raises when its purpose is not declared
    check_json(notification)
    return message, audience


def check_json(notification: Notification) -> None:
    """Refuse what no database and no provider takes: NUL, surrogates, numbers beyond 64 bits or
    that are none, and objects that only some of the databases would take."""
    values = {name: getattr(notification, name) for name in _JSON}
    if _unfit(values):
        names, why = _unfit_part(values)
        text = _("%(name)s cannot be written as JSON: %(why)s.") % {"name": names[-1], "why": why}
        field = ".".join(names[1:] if names[0] == "content" else names)
        raise InvalidPush(text, code="wrong_type", field=field)
    for name, limit in _TEXTS.items():
        check_text(name, getattr(notification, name), limit)


def _unfit(value: object) -> str:
    """Why it is no JSON, or none that every database holds; empty when it is."""
    try:
        text = orjson.dumps(value)
        json.dumps(value, allow_nan=False)  # orjson writes dates and ids, and NaN as null
    except (RecursionError, TypeError, ValueError) as error:
        return str(error)
    return _("it holds a NUL character") if b"\\u0000" in text else ""


def _unfit_part(values: dict[str, Any]) -> tuple[list[str], str]:
    """The column that does not fit, and what in it if that has a name; and why."""
    name, why = next((name, why) for name, value in values.items() if (why := _unfit(value)))
    inner = values[name] if isinstance(values[name], dict) else {}
    parts = ((key, _unfit(part)) for key, part in inner.items() if isinstance(key, str))
    part, why = next(((key, found) for key, found in parts if found), ("", why))
    return ([name, part] if part else [name]), why


def check_text(name: str, value: object, limit: int = 191) -> None:
    """Refuse what no column takes; ``limit`` in characters."""
    if isinstance(value, str) and len(value) <= limit and is_storable(value):
        return
    text = _("%(name)s must be a text of at most %(limit)d characters, without NUL.")
    raise InvalidPush(text % {"name": name, "limit": limit}, code="wrong_type", field=name)
