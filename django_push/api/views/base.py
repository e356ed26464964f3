"""What the view sets under ``api/`` share."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.viewsets import GenericViewSet

from ...models import Application
from ..base import PushView
from ..filters import StrictFilterBackend
from ..pagination import KeysetPagination

__all__ = ["PushViewSet", "chosen_application"]

M = TypeVar("M", bound=Model)


class PushViewSet(PushView, GenericViewSet[M]):
    """Rows of the caller's applications, found by their public id."""

    filter_backends = [StrictFilterBackend]
    pagination_class = KeysetPagination
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = "[0-9a-f]{24}"

    def get_queryset(self) -> QuerySet[M]:
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        return self.narrowed(rows)

    def narrowed(self, rows: QuerySet[M]) -> QuerySet[M]:
        """The rows that exist for the caller."""
        return self.known_caller.narrow(rows)


def chosen_application(view: PushView, key: str | None) -> Application:
    """The application that a body names; a caller who has only one need not name it.

    One that the caller may see and not use is a 403; all others do not exist.
    """
    visible = view.known_caller.applications()
    if key is None and len(visible) == 1:
        application = visible[0]
    elif key is None:
        message = _("Say which application: give its key.")
        raise ValidationError({"application": [message]}, code="missing_field")
    else:
        application = _named(visible, key)
    view.check_role(application)
    return application


def _named(visible: Any, key: str) -> Application:
    for application in visible:
        if application.key == key:
            found: Application = application
            return found
    message = _("You have no application with this key.")
    raise ValidationError({"application": [message]}, code="unknown_application")
