"""Both registrations in one project."""

from django.urls import include, path
from push_notifications.api.rest_framework import APNSDeviceAuthorizedViewSet

urlpatterns = [
    path("push/", include("django_push.api.urls")),
    path("apns/", APNSDeviceAuthorizedViewSet.as_view({"post": "create"})),
]
