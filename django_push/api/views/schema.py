"""The OpenAPI document and the page that shows it."""

from __future__ import annotations

from django.apps import apps
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views import View
from rest_framework.request import Request
from rest_framework.response import Response

from ..base import PushView
from ..openapi import document, documented
from ..throttles import PublicThrottle

__all__ = ["DocsView", "SchemaView"]


class SchemaView(PushView):
    """OpenAPI 3 as JSON. Anybody may read it: it says nothing about anybody's data."""

    permission_classes = []
    throttle_classes = [PublicThrottle]

    @documented(exclude=True)
    def get(self, request: Request) -> Response:
        return Response(document(), content_type="application/vnd.oai.openapi+json")


class DocsView(View):
    """Swagger UI from our own host, without inline script, or a link when it is not installed."""

    def get(self, request: HttpRequest) -> HttpResponse:
        context = {
            "has_swagger": apps.is_installed("drf_spectacular_sidecar"),
            "schema_url": reverse("django_push:schema"),
        }
        return render(request, "django_push/api/docs.html", context)
