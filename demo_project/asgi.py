"""The demo's web server, with the static files that a real site's proxy would serve."""

from __future__ import annotations

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_project.settings")

application = ASGIStaticFilesHandler(get_asgi_application())
