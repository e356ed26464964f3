"""The admin's log, where it speaks of somebody's devices or of words meant for that person."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.apps import apps
from django.db.models import Model

from .person import ERASED

__all__ = ["blank_entries", "delete_entries"]


def delete_entries(model: type[Model], pks: Collection[int]) -> None:
    """Forget what was done to these rows: an entry shows the beginning of a token."""
    entries = _entries(model, pks)
    if entries is not None:
        entries.delete()


def blank_entries(model: type[Model], pks: Collection[int]) -> None:
    """Keep who did what to these rows, without their words."""
    entries = _entries(model, pks)
    if entries is not None:
        entries.update(object_repr=ERASED)


def _entries(model: type[Model], pks: Collection[int]) -> Any:
    if not pks or not apps.is_installed("django.contrib.admin"):
        return None
    log: Any = apps.get_model("admin", "LogEntry")
    about = {"app_label": model._meta.app_label, "model": model._meta.model_name}
    kinds = apps.get_model("contenttypes", "ContentType")._default_manager.filter(**about)
    return log._default_manager.filter(
        content_type__in=kinds.values("pk"), object_id__in=[str(pk) for pk in pks]
    )
