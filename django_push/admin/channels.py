"""Names of channels for the composer's suggestions."""

from __future__ import annotations

from ..models import Application, Subscription

__all__ = ["channels_beginning"]

MOST = 20


def channels_beginning(application: Application, prefix: str) -> list[str]:
    """Up to :data:`MOST` channels of ``application``, in order.

    One step along the index a name: a DISTINCT over millions of subscriptions reads them all.
    """
    rows = Subscription.objects.filter(application=application).order_by("channel")
    found: list[str] = []
    step = rows.filter(channel__gte=prefix)
    while len(found) < MOST:
        name = step.values_list("channel", flat=True).first()
        if name is None or not name.startswith(prefix):
            break
        found.append(name)
        step = rows.filter(channel__gt=name)
    return found
