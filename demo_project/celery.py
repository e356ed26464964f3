"""Celery for those who run many machines: ``celery -A demo_project worker`` and ``... beat``.

``CELERY_BROKER_URL`` says which broker (redis://…, amqp://…).
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_project.settings")

app = Celery("demo_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
