"""Counting an audience before anything is sent: exactly, and by what will become of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Case, Count, QuerySet, Value, When
from django.utils.translation import gettext as _

from .audience import Audience, compile_audience
from .clock import clock
from .conf import alias, push_settings
from .delivery.expiry import expiry, late
from .delivery.partition import Traits, choose, sorted_credentials
from .delivery.preferences import Consent, consent_of, freeze_preferences, wants
from .delivery.quiet import OWN_HOURS, Quiet, quiet_in, with_columns
from .delivery.series import first_moment
from .delivery.small import Listed
from .exceptions import InvalidPush
from .models import Application, Installation, Notification, Segment
from .time_limit import TookTooLong, time_limit
from .zones import Zone, known_zones

__all__ = [
    "AudienceCount",
    "LocalCount",
    "QuietCount",
    "check_installations",
    "count",
    "count_segment",
    "sample",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCount:
    """When the devices of an audience get a push at their own clocks."""

    at_once: int = 0
    """Their clocks showed the time a short while ago, within ``LATE_SECONDS``."""
    later: int = 0
    """Their clocks are still to show it."""
    passed: int = 0
    """Their clocks showed it longer ago: they are left out."""
    no_zone: int = 0
    """Of all these, those without a known time zone: they follow the application's clock."""
    first: datetime | None = None
    """When the first of those that wait get it."""
    last: datetime | None = None

    def plus(self, zone: Zone, number: int, now: datetime, *, known: bool) -> LocalCount:
        """This and ``number`` devices of ``zone``."""
        counted = replace(self, no_zone=self.no_zone + (0 if known else number))
        if zone.due < now - late():
            return replace(counted, passed=self.passed + number)
        if zone.due <= now:
            return replace(counted, at_once=self.at_once + number)
        return replace(
            counted,
            later=self.later + number,
            first=min(self.first or zone.due, zone.due),
            last=max(self.last or zone.due, zone.due),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietCount:
    """Whose quiet hours a push comes in."""

    later: int = 0
    """They get it when their quiet hours are over."""
    left_out: int = 0
    """It expires before."""
    first: datetime | None = None
    """When the first of those that wait get it."""
    last: datetime | None = None

    def plus(self, wakes: datetime, number: int, gives_up_at: float) -> QuietCount:
        """This and ``number`` devices that may be disturbed again at ``wakes``."""
        if wakes.timestamp() >= gives_up_at:
            return replace(self, left_out=self.left_out + number)
        return replace(
            self,
            later=self.later + number,
            first=min(self.first or wakes, wakes),
            last=max(self.last or wakes, wakes),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceCount:
    """How many devices an audience is, exactly, at this moment."""

    devices: int
    """Those that would be sent to."""
    per_type: dict[str, int] = field(default_factory=dict)
    no_credential: int = 0
    """Those that nothing can send to."""
    inactive: int = 0
    """Those that are switched off."""
    opted_out: int = 0
    """Those that want no pushes of this purpose."""
    local: LocalCount | None = None
    """When they get it, if that is at their own clocks. ``devices`` leaves out who passed."""
    quiet: QuietCount | None = None
    """Who waits for the end of quiet hours, if there are any; ``devices`` has them in it."""


def count(
    application: Application,
    audience: Mapping[str, Any],
    zones: list[Zone] | None = None,
    *,
    notification: Notification | None = None,
) -> AudienceCount:
    """Count an audience; with ``zones``, by when the clocks of its devices show the time too.

    With ``notification``, which may be unsaved, who opted out of its purpose is counted apart, and
    whose quiet hours it comes in.

    Raises :class:`~django_push.exceptions.InvalidPush` for an audience that cannot be read.
    """
    rows = _rows(application, audience, sees_claims=bool(notification and notification.sees_claims))
    asked = freeze_preferences(notification) if notification else {}
    consent = consent_of(asked)
    quiet = quiet_in(application, asked) if notification else None
    extra = {"time_zone"} if zones else set()
    extra |= {*(quiet.columns if quiet else ()), *(("agrees",) if consent else ())}
    columns = (*Traits._fields, "device_type", "is_active", *sorted(extra))
    rows = with_columns(_with_consent(rows, consent) if consent else rows, columns)
    sleepers = _Sleepers(quiet, notification) if quiet and notification else None
    tally = _Tally(application, zones or [], sleepers)
    groups = rows.order_by().values_list(*columns).annotate(number=Count("pk"))
    for *values, number in _in_time(groups):
        tally.add(dict(zip(columns, values, strict=True)), number)
    return tally.total()


def _in_time(rows: QuerySet[Installation, Any]) -> list[Any]:
    """What ``rows`` finds, before whoever looks at it goes away."""
    seconds = push_settings.COUNT_SECONDS
    try:
        with time_limit(seconds, alias()):
            return list(rows)
    except TookTooLong:
        text = _(
            "Counting this audience takes longer than %g seconds. Begin with what few devices "
            "have, such as a channel, or ask for less."
        )
        raise InvalidPush(text % seconds, code="too_slow", field="audience") from None


def count_segment(segment: Segment) -> AudienceCount:
    """Count a segment, and keep the number and its moment with it.

    Raises :class:`~django_push.exceptions.InvalidPush`.
    """
    found = count(segment.application, segment.audience)
    segment.counted(found.devices)
    return found


def sample(application: Application, audience: Mapping[str, Any], most: int) -> list[Installation]:
    """At most ``most`` devices of an audience that are switched on, the newest first.

    Raises :class:`~django_push.exceptions.InvalidPush`.
    """
    return _in_time(_rows(application, audience).filter(is_active=True).order_by("-pk")[:most])


def _rows(
    application: Application, audience: Mapping[str, Any], *, sees_claims: bool = False
) -> QuerySet[Installation]:
    read = Audience.from_json(audience).seeing_claims(sees_claims)
    wanted = Segment.objects.resolve(application, read)
    check_installations(application, wanted)
    return compile_audience(
        wanted,
        Installation.objects.using(alias()),
        application_id=application.pk,
        trust_claimed=application.trust_client_user_ids,
    )


def _with_consent(rows: QuerySet[Installation], consent: Consent) -> QuerySet[Installation]:
    """``rows`` with whether each gets pushes of the purpose."""
    agrees = Case(
        When(wants(consent), then=Value(True)), default=Value(False), output_field=BooleanField()
    )
    return rows.annotate(agrees=agrees)


class _Sleepers:
    """Those of an audience in whose quiet hours a message is due."""

    def __init__(self, quiet: Quiet, notification: Notification) -> None:
        self._quiet, self._notification = quiet, notification
        self._now = clock(alias()).now()
        due = notification.send_at
        if notification.recurrence and due is not None:
            due = first_moment(notification, self._now)
        self._due = max(due or self._now, self._now)
        self.found = QuietCount()

    def has_no_time(self, group: Mapping[str, Any], number: int, zone: Zone | None) -> bool:
        """Count devices of one kind; whether the message expires before they may be disturbed."""
        asked = self._notification
        due = zone.due if zone else self._due
        own = group.get(OWN_HOURS)
        wakes = self._quiet.wakes_at(max(due, self._now), group["time_zone"], own)
        if wakes is None:
            return False
        before = self.found.left_out
        ends = expiry(due, asked.time_to_live, asked.expires_at)
        self.found = self.found.plus(wakes, number, ends.gives_up_at)
        return self.found.left_out > before


class _Tally:
    """The groups of an audience, added up."""

    def __init__(
        self, application: Application, zones: list[Zone], sleepers: _Sleepers | None
    ) -> None:
        self._sleepers = sleepers
        self._candidates = sorted_credentials(application)
        self._zones = {name: zone for zone in zones for name in zone.names}
        self._rest = next((zone for zone in zones if zone.is_rest), None)
        self._now = clock(alias()).now()
        self._per_type: dict[str, int] = {}
        self._local = LocalCount() if zones else None
        self._no_credential = self._inactive = self._opted_out = 0

    def add(self, group: Mapping[str, Any], number: int) -> None:
        """``number`` devices that have the same in every column."""
        if not group["is_active"]:
            self._inactive += number
        elif not self._reaches(Traits(*(group[name] for name in Traits._fields))):
            self._no_credential += number
        elif not group.get("agrees", True):
            self._opted_out += number
        elif not self._comes_too_late(group, number):
            kind = group["device_type"]
            self._per_type[kind] = self._per_type.get(kind, 0) + number

    def total(self) -> AudienceCount:
        return AudienceCount(
            devices=sum(self._per_type.values()),
            per_type=self._per_type,
            no_credential=self._no_credential,
            inactive=self._inactive,
            opted_out=self._opted_out,
            local=self._local,
            quiet=self._sleepers.found if self._sleepers else None,
        )

    def _reaches(self, device: Traits) -> bool:
        return bool(push_settings.REDIRECT_TO or choose(self._candidates, device))

    def _comes_too_late(self, group: Mapping[str, Any], number: int) -> bool:
        """For clocks that have passed the time, or quiet hours that outlast the message."""
        zone = None
        if self._rest is not None:
            zone = self._zones.get(group["time_zone"], self._rest)
            if self._has_passed(group["time_zone"], number, zone):
                return True
        return self._sleepers is not None and self._sleepers.has_no_time(group, number, zone)

    def _has_passed(self, name: str, number: int, zone: Zone) -> bool:
        if self._local is None:
            return False
        before = self._local.passed
        self._local = self._local.plus(zone, number, self._now, known=name in known_zones())
        return self._local.passed > before


def check_installations(
    application: Application, audience: Audience, devices: Iterable[Listed] | None = None
) -> None:
    """An id of another application, or of nobody, is a mistake: it would reach nobody, silently.

    So is a lookup with a value of another type, in a segment too: it would stop the planning.
    """
    asked = (audience, *(each.audience for each in audience.definitions.values()))
    if any(each.lookups for each in asked):
        compile_audience(audience, Installation.objects.all(), application_id=application.pk)
    unknown = set(audience.installations)
    unknown -= {device.public_id for device in devices or ()}
    if not unknown:
        return
    own = Installation.objects.using(alias()).filter(application=application)
    unknown -= set(own.filter(public_id__in=unknown).values_list("public_id", flat=True))
    if unknown:
        text = _("%(count)d of the ids are no devices of this application, such as %(first)s.")
        raise InvalidPush(
            text % {"count": len(unknown), "first": min(unknown)},
            code="unknown_installation",
            field="audience.installations",
        )
