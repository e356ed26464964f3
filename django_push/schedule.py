"""When a message may be sent: what its schedule means, and what is wrong with one."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from .clock import clock
from .conf import alias
from .delivery.expiry import late
from .delivery.series import first_moment
from .exceptions import InvalidPush
from .models import Notification
from .zones import Zone, fits_every_clock, moment_of, wall_in, zones_of

__all__ = ["check_schedule", "read_clock", "zones_for"]


def read_clock(notification: Notification) -> None:
    """Give ``send_at`` its zone: a time without one is what the application's clock shows.

    Raises :class:`~django_push.exceptions.InvalidPush` when one time for all lacks its zone.
    """
    times = [("expires_at", notification.expires_at), ("send_at", notification.send_at)]
    for name, value in times:
        if value is not None and not fits_every_clock(value):
            text = _("%(name)s must be in the years 1970 to 8999.")
            raise InvalidPush(text % {"name": name}, code="wrong_value", field=name)
    moments = times[:1]
    if not (notification.local_time or notification.recurrence):
        moments = times
    for name, value in moments:
        if value is not None and timezone.is_naive(value):
            text = _("%(name)s needs its time zone, such as 2027-01-12T08:00:00Z.")
            raise InvalidPush(text % {"name": name}, code="wrong_type", field=name)
    if notification.send_at is not None and timezone.is_naive(notification.send_at):
        notification.send_at = moment_of(notification.send_at, notification.application.zone)


def check_schedule(notification: Notification) -> None:
    """Raise :class:`~django_push.exceptions.InvalidPush` for a schedule that cannot be kept."""
    now = clock(alias()).now()
    if notification.local_time:
        _check_local(notification, now)
    if notification.recurrence:
        _check_recurrence(notification, now)
    _check_expiry(notification, now)


def zones_for(notification: Notification) -> list[Zone]:
    """When a push at the devices' own clocks arrives in the zones of the world; empty when it
    goes by one clock for all."""
    if notification.send_at is None or not notification.local_time:
        return []
    own, due = notification.application.zone, notification.send_at
    if notification.recurrence:
        due = first_moment(notification, clock(alias()).now()) or due
    return zones_of(wall_in(due, own), own)


def _check_local(notification: Notification, now: datetime) -> None:
    if notification.send_at is None:
        raise InvalidPush(
            _("Give send_at: the day and the time that the devices' clocks are to show."),
            code="no_moment",
            field="send_at",
        )
    if notification.recurrence:
        return  # what has passed is not sent; the rule says what comes
    if zones_for(notification)[-1].due + late() < now:
        raise InvalidPush(
            _("This time has passed on every clock in the world."), code="passed", field="send_at"
        )


def _check_recurrence(notification: Notification, now: datetime) -> None:
    longest = Notification._meta.get_field("recurrence").max_length
    if longest is not None and len(notification.recurrence) > longest:
        text = _("A repetition is at most %(limit)d characters long.")
        raise InvalidPush(text % {"limit": longest}, code="too_long", field="recurrence")
    rule = notification.rule
    if notification.send_at is None:
        raise InvalidPush(
            _("Give send_at: the day and the time from which on it is repeated."),
            code="no_moment",
            field="send_at",
        )
    if notification.local_time and rule is not None and not rule.is_daily_at_most:
        text = _("At the devices' own clocks it can be repeated once a day at most.")
        raise InvalidPush(text, code="too_often", field="recurrence")
    if first_moment(notification, now) is None:
        text = _("With this repetition it would never be sent again: %(rule)s.")
        raise InvalidPush(
            text % {"rule": notification.recurrence}, code="never", field="recurrence"
        )


def _check_expiry(notification: Notification, now: datetime) -> None:
    expires_at = notification.expires_at
    if expires_at is None:
        return
    first = notification.send_at or now
    if notification.recurrence:
        first = first_moment(notification, now) or first
    elif notification.local_time:
        first = zones_for(notification)[0].due
    if expires_at <= max(first, now):
        raise InvalidPush(
            _("It would expire before it is sent."), code="expired", field="expires_at"
        )
