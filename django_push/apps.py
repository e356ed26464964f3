from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DjangoPushConfig(AppConfig):
    name = "django_push"
    label = "django_push"
    verbose_name = _("Push")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks  # noqa: F401, PLC0415  (registers them, once the models are there)
