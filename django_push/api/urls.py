"""Addresses of the API: ``path("push/", include("django_push.api.urls"))``.

All work with and without a final slash: a redirect would lose the body of a POST, and the clients
out there do not follow one.
"""

from __future__ import annotations

from django.urls import include, re_path
from rest_framework.routers import SimpleRouter

from .base import NotFoundView
from .views.pushes import PUSH_ID, CountView, FailureViewSet, HistoryViewSet, NotificationViewSet
from .views.registration import RegisterDevice, UnregisterDevice
from .views.registry import ApplicationViewSet, InstallationViewSet
from .views.schema import DocsView, SchemaView

app_name = "django_push"


class _Router(SimpleRouter):
    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"


router = _Router()
router.register("applications", ApplicationViewSet, basename="application")
router.register("installations", InstallationViewSet, basename="installation")
router.register("notifications", NotificationViewSet, basename="notification")
router.register("history", HistoryViewSet, basename="history")

_api = [
    *router.urls,
    re_path(
        rf"^history/(?P<id>{PUSH_ID})/failures/?$",
        FailureViewSet.as_view({"get": "list"}),
        name="history-failures",
    ),
    re_path(r"^audience/count/?$", CountView.as_view(), name="audience-count"),
    re_path(r"^schema/?$", SchemaView.as_view(), name="schema"),
    re_path(r"^docs/?$", DocsView.as_view(), name="docs"),
    re_path(r"^", NotFoundView.as_view()),
]

# The registrations stand first, so that an application may even be called "api".
urlpatterns = [
    re_path(
        r"^(?P<app_key>[^/]+)/register-device/?$", RegisterDevice.as_view(), name="register-device"
    ),
    re_path(
        r"^(?P<app_key>[^/]+)/unregister-device/?$",
        UnregisterDevice.as_view(),
        name="unregister-device",
    ),
    re_path(r"^api/", include(_api)),
]
