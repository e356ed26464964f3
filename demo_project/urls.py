from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from . import phones

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("push/", include("django_push.api.urls")),
    path("phones/", phones.page, name="phones"),
    path("phones/feed", phones.feed, name="phones-feed"),
]
