"""Keys that make a submit safe to repeat."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .application import Application
from .fields import ExactCharField
from .history import PushHistory

__all__ = ["IdempotencyKey"]


class IdempotencyKey(models.Model):
    """The push that a caller's key stands for, with a digest of what was asked."""

    application = models.ForeignKey(
        Application,
        verbose_name=_("application"),
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,  # an index begins with it
    )
    key = ExactCharField(_("key"))
    body_hash = models.CharField(_("SHA-256 of the request"), max_length=64)
    history = models.ForeignKey(
        PushHistory, verbose_name=_("push"), null=True, on_delete=models.CASCADE, related_name="+"
    )
    expires_at = models.DateTimeField(_("expires"), db_index=True)

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["application", "key"], name="django_push_idempotency_once"
            )
        ]

    def __str__(self) -> str:
        return str(self.key)
