"""``manage.py push_worker``: plans, sends and schedules until it is told to stop."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand

from django_push.worker import Worker


class Command(BaseCommand):
    help = (
        "Sends pushes: plans, delivers and schedules in one process. "
        "Ctrl-C or SIGTERM finishes what is in flight and gives the rest back."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        worker = Worker()
        signal.signal(signal.SIGTERM, worker.stop)
        signal.signal(signal.SIGINT, worker.stop)
        self.stdout.write(f"Push worker {worker.name} is ready.")
        self.stdout.flush()  # who started us through a pipe waits for this line
        worker.run()
        self.stdout.write("Push worker stopped; nothing was left behind.")
