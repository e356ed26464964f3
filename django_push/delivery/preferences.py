"""What people want no pushes about, kept when a push is delivered.

A message without a purpose asks nobody: no query and no column more. What a push must obey is
frozen into it (``content["consent"]``); what people chose counts as of the moment of delivery.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from ..conf import alias
from ..models import Installation, Notification, PurposeChoice

__all__ = ["Consent", "consent_of", "freeze_preferences", "wants", "willing"]

Consent = Mapping[str, Any]
"""``{"purpose": primary key, "default_on": bool}``: what a push must obey."""


def freeze_preferences(notification: Notification) -> dict[str, Any]:
    """What deliver and the reports need to know, as JSON; nothing for a message of no purpose.

    Raises :class:`~django_push.exceptions.InvalidPush` for a purpose that is not declared.
    """
    purpose = notification.stated_purpose
    frozen: dict[str, Any] = {"purpose": purpose.key} if purpose else {}
    if notification.transactional or (purpose and purpose.transactional):
        return {**frozen, "transactional": True}
    if purpose:
        frozen["consent"] = {"purpose": purpose.pk, "default_on": purpose.default_on}
    return frozen


def consent_of(content: Mapping[str, Any]) -> Consent | None:
    """What the devices of a push are asked; ``None``: nothing."""
    return content.get("consent")


def wants(consent: Consent) -> Q | Exists:
    """Whether a device gets pushes of a purpose: a no, its own or its user's, beats a yes, and a
    yes beats the default."""
    said = PurposeChoice.objects.using(alias()).filter(purpose=consent["purpose"])
    own, users = (
        said.filter(installation=OuterRef("pk")),
        said.filter(user_key=OuterRef("user_key")),
    )
    agreed = ~Exists(own.filter(wanted=False)) & ~Exists(users.filter(wanted=False))
    if consent["default_on"]:
        return agreed
    return agreed & (Exists(own.filter(wanted=True)) | Exists(users.filter(wanted=True)))


def willing(rows: QuerySet[Installation], content: Mapping[str, Any]) -> QuerySet[Installation]:
    """``rows`` without those that want no pushes of this purpose."""
    consent = consent_of(content)
    return rows if consent is None else rows.filter(wants(consent))
