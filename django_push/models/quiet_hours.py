"""Quiet hours of a person's or a device's own; an application's are columns of its own."""

from __future__ import annotations

from contextlib import suppress

from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext_lazy as _

from ..quiet import Hours
from .application import Application
from .fields import ExactCharField
from .installation import Installation
from .preferences import Whose

__all__ = ["QuietHours"]


class QuietHoursManager(models.Manager["QuietHours"]):
    def of(self, whose: Whose) -> Hours | None:
        """The own ones; ``None``: nothing was said."""
        rows = self.filter(application=whose.application, **whose.columns)
        span = rows.values_list("span", flat=True).first()
        return None if span is None else Hours.unpack(span)

    def in_force(self, whose: Whose) -> Hours | None:
        """A device's own, else its user's, else the application's; ``None``: no hour is quiet."""
        found = self.of(whose)
        if found is None and whose.holder is not None:
            found = self.of(whose.holder)
        if found is None:
            found = whose.application.quiet_hours
        return None if found is None or found.is_none else found

    def set(self, whose: Whose, hours: Hours | None) -> None:
        """Keep the hours of a device or a user; ``None`` forgets them, and the application's hold.

        Hours from a time until the same time: none at all, whatever the application's are.
        """
        mine = self.filter(application=whose.application, **whose.columns)
        if hours is None:
            mine.delete()
            return
        with transaction.atomic(using=self.db):
            # From now on deliver asks: first, so that it does when the row is there.
            Application.objects.using(self.db).filter(
                pk=whose.application.pk, own_quiet_hours=False
            ).update(own_quiet_hours=True)
            if mine.update(span=hours.span):
                return
            with suppress(IntegrityError), transaction.atomic(using=self.db):
                self.create(application=whose.application, span=hours.span, **whose.columns)
                return
            mine.update(span=hours.span)


class QuietHours(models.Model):
    """When a device, or any device of a user, is not to be disturbed, by its own clock.

    Exactly one of ``installation`` and ``user_key`` is set.
    """

    application = models.ForeignKey(
        Application, verbose_name=_("application"), on_delete=models.CASCADE, related_name="+"
    )
    installation = models.ForeignKey(
        Installation,
        verbose_name=_("device"),
        null=True,
        on_delete=models.CASCADE,
        related_name="quiet_hours",
    )
    user_key = ExactCharField(_("user id"), null=True)
    span = models.PositiveIntegerField(_("hours"))
    """:attr:`~django_push.quiet.Hours.span`: one number, so that deliver reads one column."""

    objects = QuietHoursManager()

    class Meta:
        verbose_name = _("quiet hours")
        verbose_name_plural = _("quiet hours")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["application", "user_key"], name="django_push_quiet_user"
            ),
            models.UniqueConstraint(fields=["installation"], name="django_push_quiet_device"),
        ]
        indexes = [models.Index(fields=["user_key"], name="django_push_quiet_whose")]

    def __str__(self) -> str:
        return "–".join(Hours.unpack(self.span).in_words())
