"""Settings and devices for the peers that are Django apps; runs in their environments."""

from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import call_command

from benchmarks.peers.runner import Task


def set_up(task: Task, apps: list[str], **more: Any) -> None:
    """Configure Django with `apps` on the task's database and make their tables."""
    url = urlsplit(task.database)
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": url.hostname,
        "PORT": url.port or "",
        "USER": url.username,
        "PASSWORD": url.password or "",
        "NAME": url.path.removeprefix("/"),
    }
    settings.configure(
        SECRET_KEY="for-measuring-only",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", *apps],
        DATABASES={"default": database},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        **more,
    )
    django.setup()
    call_command("migrate", verbosity=0)


def fill(model: Any, tokens: list[str], **values: Any) -> None:
    """A row of `model` for each token."""
    rows = (model(registration_id=token, **values) for token in tokens)
    model.objects.bulk_create(rows, batch_size=5_000)
