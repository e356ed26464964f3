"""*Send a test*: one message to one device, and the provider's answer in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils.translation import gettext as _

from .. import submission
from ..delivery import failure_reasons, progress
from ..exceptions import InvalidPush
from ..models import Application, Installation, Notification, PushHistory, Role, State
from ..reasons import explain, skipped_word
from .visibility import may
from .words import platform, provider_name

__all__ = ["SOURCE", "device_choices", "find_device", "may_send", "outcome", "send_test"]

SOURCE = "test"
"""``source`` of tests: they are kept out of the list of messages."""
LATEST = 15


def may_send(request: HttpRequest, application_id: int | None) -> bool:
    """Whether the person may let a push of this application go."""
    user: Any = request.user
    allowed = user.has_perm("django_push.send_notification")
    return bool(allowed) and may(request, Role.SENDER, application_id)


def device_choices(
    request: HttpRequest, site: Any, application: Application, network: str = ""
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Groups of (public id, label): the person's own devices, and the latest ones.

    Others than one's own only for those who may send and may see devices.
    """
    rows = Installation.objects.filter(application=application, is_active=True)
    if network:
        rows = rows.filter(provider=network)
    groups = []
    own = list(_own(request, rows).order_by("-pk")[:LATEST])
    if own:
        groups.append((_("My devices"), [_choice(row) for row in own]))
    if _may_choose_any(request, site, application.pk):
        mine = {row.pk for row in own}
        latest = [row for row in rows.order_by("-pk")[:LATEST] if row.pk not in mine]
        if latest:
            groups.append((_("Latest devices"), [_choice(row) for row in latest]))
    return groups


def _choice(row: Installation) -> tuple[str, str]:
    # An id that is only claimed would lure a test to a stranger's phone.
    whose = f" · {row.user_key}" if row.user_key and row.user_verified else ""
    return row.public_id, f"{platform(row.device_type)} {row.address[:8]}…{whose}"


def _own(request: HttpRequest, rows: Any) -> Any:
    if isinstance(request.user, AnonymousUser):
        return rows.none()
    return rows.filter(user=request.user, user_verified=True)


def _may_choose_any(request: HttpRequest, site: Any, application_id: int) -> bool:
    sees: bool = site._registry[Installation].has_view_permission(request)
    return sees and may_send(request, application_id)


def find_device(
    request: HttpRequest, site: Any, application: Application, public_id: str
) -> Installation:
    """The device for a test.

    Raises :class:`~django_push.exceptions.InvalidPush` when there is none that this person may
    send to: a device of somebody else is not told from one that does not exist.
    """
    rows = Installation.objects.filter(application=application, public_id=public_id.strip())
    if not _may_choose_any(request, site, application.pk):
        rows = _own(request, rows)
    device = rows.first()
    if device is None:
        raise InvalidPush(_("Choose a device for the test."), field="test_device")
    if not device.is_active:
        raise InvalidPush(_("This device is switched off: choose another."), field="test_device")
    return device


def send_test(notification: Notification, devices: Sequence[Installation], by: str) -> PushHistory:
    """Send what ``notification`` says to ``devices``, now, as a push of its own.

    Raises :class:`~django_push.exceptions.InvalidPush`.
    """
    test = Notification(
        application=notification.application,
        name=_("Test: %s") % notification,
        content=notification.content,
        texts=notification.texts,
        overrides=notification.overrides,
        variables=notification.variables,
        time_to_live=notification.time_to_live,
        transactional=True,  # who tests wants to see it now
        audience={"installations": [device.public_id for device in devices]},
        source=SOURCE,
    )
    test.name = test.name[:191]
    return submission.submit(test, by=by, source=SOURCE)


def outcome(history: PushHistory) -> dict[str, Any]:
    """How a test went: ``over``, ``tone`` and ``text`` in words."""
    now = progress(history)
    if now.paused:
        credential, reason = now.paused[0]
        words = {"name": credential, "reason": reason}
        text = _("The credential “%(name)s” was refused: %(reason)s") % words
        return {"over": True, "tone": "bad", "text": text}
    if history.finished_at is None:
        return {"over": False, "tone": "", "text": _("On its way…")}
    return {"over": True, **_final(history, now)}


def _final(history: PushHistory, now: Any) -> dict[str, str]:
    if now.successes:
        name = provider_name(now.credentials[0].provider) if now.credentials else ""
        words = {"name": name, "seconds": f"{max(now.seconds, 0):.1f}"}
        return {
            "tone": "ok",
            "text": _("%(name)s accepted it after %(seconds)s seconds.") % words,
        }
    for row in failure_reasons(history):
        found = explain(row.provider, row.status, row.reason)
        words = {
            "name": provider_name(row.provider),
            "cause": found.cause,
            "reason": row.reason,
            "cure": found.cure,
        }
        text = _("%(name)s did not take it: %(cause)s (%(reason)s). %(cure)s") % words
        return {"tone": "bad", "text": text}
    for reason in now.skipped_reasons:
        return {"tone": "bad", "text": _("The device %s.") % skipped_word(reason)}
    nobody = history.state == State.NOBODY
    text = _("No device was found for it.") if nobody else history.get_state_display()
    return {"tone": "bad", "text": text}
