"""Segments: audiences with a name, saved to be used again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from ..audience import Audience, Definition, check_size, compile_audience
from ..conf import alias
from ..exceptions import InvalidPush, NotAllowed
from .application import Application
from .fields import ExactCharField, public_id
from .installation import Installation
from .notification import Notification

__all__ = ["Segment", "check_definition", "check_segment_key", "segments_named"]

_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

REPEATED = (Notification.Status.REPEATING, Notification.Status.PAUSED)
UNSENT = (
    *(Notification.Status.DRAFT, Notification.Status.REQUESTED, Notification.Status.SCHEDULED),
    *REPEATED,
)
"""Messages whose audience may still be looked up."""


def check_segment_key(value: str) -> None:
    if not _KEY.fullmatch(value):
        raise ValidationError(
            _(
                "A key has 1 to 64 small letters, digits, - and _, and begins with a letter or a "
                "digit, such as lapsed-buyers."
            ),
            code="wrong_key",
        )


def check_definition(audience: object) -> dict[str, Any]:
    """What a segment may be: an audience that names no other segment.

    Raises :class:`~django_push.exceptions.InvalidPush`.
    """
    read = Audience.from_json(audience)
    found = read.to_json()
    if segments_named(found):
        raise InvalidPush(
            _t(
                "A segment cannot be made of segments: write its conditions, or name several "
                "segments in the push."
            ),
            code="nested_segment",
            field="audience.segments",
        )
    check_size(read, Installation.objects.using(alias()))
    if read.lookups:  # whose values only their fields know
        compile_audience(read, Installation.objects.all(), application_id=0)
    return found


def segments_named(audience: Mapping[str, Any]) -> set[str]:
    """Keys of all segments in the JSON of an audience, of those left out too."""
    excluded = audience.get("exclude") or {}
    return {*audience.get("segments", ()), *excluded.get("segments", ())}


class SegmentManager(models.Manager["Segment"]):
    def resolve(self, application: Application, audience: Audience) -> Audience:
        """``audience`` with the segments that it names, as they are now.

        Raises :class:`~django_push.exceptions.InvalidPush` when ``application`` has no segment with
        one of the keys, or when all of them together are more than a database can be asked for. An
        audience that names none costs no query.
        """
        found = self._defined(application, audience)
        check_size(found, Installation.objects.using(alias()))
        return found

    def _defined(self, application: Application, audience: Audience) -> Audience:
        keys = audience.segment_keys
        if not keys:
            return audience
        rows = self.using(alias()).filter(application=application, key__in=keys)
        found = {segment.key: segment.definition() for segment in rows}
        missing = min(keys - set(found), default=None)
        if missing is not None:
            raise InvalidPush(
                _t("There is no segment “%s” in this application.") % missing,
                code="unknown_segment",
                field="audience.segments",
            )
        return audience.defined(found)


class Segment(models.Model):
    """An audience with a name. A push takes a copy of it: who edits a segment changes no push
    that was confirmed before."""

    application = models.ForeignKey(
        Application,
        verbose_name=_("application"),
        on_delete=models.CASCADE,
        related_name="segments",
    )
    public_id = ExactCharField(
        _("id"), max_length=24, unique=True, default=public_id, editable=False
    )
    key = ExactCharField(
        _("key"),
        max_length=64,
        validators=[check_segment_key],
        help_text=_("Names the segment for programs, and stays. Small letters, digits, - and _."),
    )
    name = models.CharField(_("name"), max_length=191)
    description = models.TextField(_("description"), blank=True)
    audience = models.JSONField(_("conditions"), default=dict)
    devices = models.PositiveIntegerField(_("devices"), null=True, editable=False)
    counted_at = models.DateTimeField(_("counted"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = SegmentManager()

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ("name", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=["application", "key"],
                name="django_push_segment_key_once",
                violation_error_message=_("There is a segment with this key already."),
            )
        ]

    def __str__(self) -> str:
        return self.name

    def definition(self) -> Definition:
        """What it is.

        Raises :class:`~django_push.exceptions.InvalidPush` when it cannot be read.
        """
        try:
            return Definition(self.name, Audience.from_json(self.audience))
        except InvalidPush as error:
            words = _t("Segment “%s” cannot be used") % self.name
            raise error.within(f"segments.{self.key}", words) from None

    def counted(self, devices: int) -> None:
        """Note how many devices it was just now; not a change of the segment."""
        self.devices, self.counted_at = devices, timezone.now()
        Segment.objects.using(alias()).filter(pk=self.pk).update(
            devices=devices, counted_at=self.counted_at
        )

    def used_by(self) -> list[Notification]:
        """Messages that are still to be sent, or sent again, and name it; newest first."""
        unsent = Notification.objects.using(alias()).filter(
            application=self.application, status__in=UNSENT
        )
        named = models.Q(audience__has_key="segments") | models.Q(audience__has_key="exclude")
        rows = unsent.filter(named).order_by("-pk")
        return [row for row in rows if self.key in segments_named(row.audience)]

    def repeated_by(self) -> list[Notification]:
        """Those of them that look it up again for each of their pushes."""
        return [each for each in self.used_by() if each.status in REPEATED]

    def remove(self) -> None:
        """Delete it. Raises :class:`~django_push.exceptions.NotAllowed` while it is used."""
        used = self.used_by()
        if used:
            names = ", ".join(f"“{each}”" for each in used[:5])
            raise NotAllowed(
                _t(
                    "Messages still to be sent name this segment (%(count)d: %(names)s). "
                    "Change them first."
                )
                % {"count": len(used), "names": names if len(used) < 6 else f"{names}, …"},
                code="segment_in_use",
            )
        self.delete(using=alias())
