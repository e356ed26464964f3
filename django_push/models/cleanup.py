"""Which nights the registry and the history were cleaned up, and what came of it."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

__all__ = ["CleanUp"]


class CleanUp(models.Model):
    """One night's clean-up. The row is what workers on many machines agree by: one does it."""

    night = models.DateField(_("night"), unique=True)
    owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(_("began"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    report = models.JSONField(_("what was done"), default=dict)

    class Meta:
        verbose_name = _("clean-up")
        verbose_name_plural = _("clean-ups")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return str(self.night)
