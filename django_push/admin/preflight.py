"""What stands between a message and its sending: the list "Before it goes", and the count."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .. import submission
from ..conf import push_settings
from ..exceptions import InvalidPush, NoCredentials
from ..models import Credential, Notification
from ..submission import AudienceCount, PayloadSize
from .bars import Bar, Segment
from .credential import credential_state, credential_trouble
from .schedule_words import local_notes, quiet_notes
from .words import number, of_devices, platform

__all__ = ["Count", "Item", "Preflight", "look"]

_TONES = ("a", "b", "c", "d", "e")


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the list. ``tone`` is ``ok``, ``warn`` or ``bad``; bad ones hold it back."""

    tone: str
    text: str
    anchor: str = ""
    """Id of the field to go to."""


@dataclass(frozen=True, slots=True)
class Count:
    """An audience as the page shows it."""

    found: AudienceCount
    clock: str = "UTC"
    """The time zone of devices without one."""

    @property
    def devices(self) -> int:
        return self.found.devices

    @property
    def words(self) -> str:
        return of_devices(self.devices)

    @property
    def split(self) -> list[tuple[str, str, str]]:
        """Platform, number, colour; most first."""
        rows = sorted(self.found.per_type.items(), key=lambda row: -row[1])
        return [
            (platform(kind), number(count), _TONES[min(place, len(_TONES) - 1)])
            for place, (kind, count) in enumerate(rows)
        ]

    @property
    def bar(self) -> Bar:
        rows = sorted(self.found.per_type.items(), key=lambda row: -row[1])
        tones = [*_TONES, *["e"] * len(rows)]
        return Bar(
            [Segment(tone, count) for tone, (_kind, count) in zip(tones, rows, strict=False)]
        )

    @property
    def notes(self) -> list[str]:
        """Who is left out, and who gets it when."""
        local, quiet = self.found.local, self.found.quiet
        lines = self.left_out + (local_notes(local, self.clock) if local else [])
        return lines + (quiet_notes(quiet) if quiet else [])

    @property
    def left_out(self) -> list[str]:
        lines = []
        if self.found.inactive:
            lines.append(
                ngettext(
                    "%s more matches but is switched off.",
                    "%s more match but are switched off.",
                    self.found.inactive,
                )
                % number(self.found.inactive)
            )
        if self.found.no_credential:
            lines.append(
                ngettext(
                    "%s more has no credential that reaches it.",
                    "%s more have no credential that reaches them.",
                    self.found.no_credential,
                )
                % number(self.found.no_credential)
            )
        if self.found.opted_out:
            lines.append(
                ngettext(
                    "%s more opted out of pushes of this purpose.",
                    "%s more opted out of pushes of this purpose.",
                    self.found.opted_out,
                )
                % number(self.found.opted_out)
            )
        return lines


@dataclass(slots=True)
class Preflight:
    items: list[Item] = field(default_factory=list)
    count: Count | None = None
    sizes: list[Size] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        return not any(item.tone == "bad" for item in self.items)

    @property
    def summary(self) -> str:
        """Bytes and warnings, for the bar at the bottom of a phone."""
        parts = [size.bytes for size in self.sizes[:1]]
        trouble = sum(item.tone != "ok" for item in self.items)
        if trouble:
            parts.append(ngettext("%d warning", "%d warnings", trouble) % trouble)
        return " · ".join(parts)


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of one provider's payload beside its limit."""

    found: PayloadSize

    @property
    def provider(self) -> str:
        return self.found.provider

    @property
    def bytes(self) -> str:
        return _("%s bytes") % number(self.found.size)

    @property
    def words(self) -> str:
        if self.found.limit is None:
            return self.bytes
        return _("%(size)s of %(limit)s bytes") % {
            "size": number(self.found.size),
            "limit": number(self.found.limit),
        }

    @property
    def bar(self) -> Bar:
        limit = self.found.limit or self.found.size
        used = min(self.found.size, limit)
        tone = "bad" if self.found.size > limit else "used"
        return Bar([Segment(tone, used), Segment("none", limit - used)])


def look(notification: Notification, *, with_count: bool = True) -> Preflight:
    """Everything about a message that may be missing, wrong, or worth knowing before it goes.

    ``with_count=False`` leaves out the audience's count, which may read many rows.
    """
    found = Preflight()
    _look_at_text(notification, found)
    _look_at_audience(notification, found, with_count=with_count)
    _look_at_credentials(notification, found)
    _look_at_moment(notification, found)
    if found.ready:
        _look_at_rest(notification, found)
    return found


def _look_at_text(notification: Notification, found: Preflight) -> None:
    content: dict[str, Any] = notification.content
    filled = ("title", "body", "data", "sound", "badge_increment")
    if not any(content.get(name) for name in filled) and content.get("badge") is None:
        found.items.append(Item("bad", _("Write a title or a text."), "id_title"))
    for tag, texts in notification.texts.items():
        missing = [name for name in ("title", "body") if content.get(name) and not texts.get(name)]
        if missing:
            text = _("“%s” lacks a title or a text: those devices read the main one.") % tag
            found.items.append(Item("warn", text, "languages"))


def _look_at_audience(notification: Notification, found: Preflight, *, with_count: bool) -> None:
    if not notification.audience:
        text = _("Choose whom it is for.")
        found.items.append(Item("bad", text, "id_audience_kind_0"))
        return
    if not with_count:
        return
    try:
        count = found.count = _count(notification)
    except InvalidPush as error:  # a device that is none of this application, a rule that ends
        found.items.append(_refused(error))
        return
    if notification.transactional and count.devices:
        text = _("Transactional: it also reaches who opted out, and wakes people up at night.")
        found.items.append(Item("warn", text, "id_transactional"))
    if not count.devices:
        found.items.append(Item("bad", _("Nobody would get it."), "id_audience_kind_0"))
    if count.found.no_credential:
        text = _("%s cannot be reached: no credential serves them.")
        found.items.append(Item("warn", text % of_devices(count.found.no_credential)))


def _count(notification: Notification) -> Count:
    application = notification.application
    zones = submission.zones_for(notification)
    found = submission.count(application, notification.audience, zones, notification=notification)
    return Count(found, application.time_zone)


def _refused(error: InvalidPush) -> Item:
    """What the front door says, with the way to the field that it means."""
    field = error.field.removeprefix("audience.")
    if field.partition(".")[0] in {"audience", "where", "lookups", "exclude", "segments"}:
        field = "audience_kind_0"
    return Item("bad", error.message, f"id_{field}" if field else "")


def _look_at_credentials(notification: Notification, found: Preflight) -> None:
    if push_settings.REDIRECT_TO:
        text = _("No device gets it: everything goes to “%s” (DJANGO_PUSH, REDIRECT_TO).")
        found.items.append(Item("warn", text % push_settings.REDIRECT_TO))
        return
    rows = Credential.objects.filter(application=notification.application)
    usable = list(rows.usable())
    for credential in usable:
        if credential_trouble(credential):
            text = _("Credential “%(name)s”: %(state)s.")
            state = credential_state(credential)[1]
            found.items.append(Item("warn", text % {"name": credential, "state": state}))
    if usable and not any(map(credential_trouble, usable)):
        text = ngettext("%d credential is ready.", "%d credentials are ready.", len(usable))
        found.items.append(Item("ok", text % len(usable)))


def _look_at_moment(notification: Notification, found: Preflight) -> None:
    if notification.local_time or notification.recurrence or notification.send_at is None:
        return  # the front door knows whether something of it is still to come
    if notification.send_at <= timezone.now():
        found.items.append(Item("bad", _("The moment chosen has passed."), "id_send_at"))


def _look_at_rest(notification: Notification, found: Preflight) -> None:
    """What the front door itself would refuse, and the sizes."""
    try:
        message = notification.message()
        found.sizes = [
            Size(size) for size in submission.payload_sizes(notification.application, message)
        ]
        submission.check(notification)
    except NoCredentials as error:
        found.items.append(Item("bad", error.message))
    except InvalidPush as error:
        found.items.append(_refused(error))
    else:
        found.items.append(Item("ok", _("Fits everywhere.")))
