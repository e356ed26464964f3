"""fcm-django: `FCMDevice.objects.send_message`, or `asend_message` over httpx and HTTP/2.

``... fcm_django threads|async``. Both cut the devices into calls of 500 to firebase-admin, whose
address of FCM is set as in `fcm_firebase_admin`.
"""

import asyncio
import sys

from benchmarks.peers.django_project import fill, set_up
from benchmarks.peers.runner import Task, measure
from benchmarks.peers.runners.fcm_firebase_admin import initialize, message


def send() -> int:
    """Push to every device by threads; how many were accepted."""
    from fcm_django.models import FCMDevice

    return int(FCMDevice.objects.send_message(message()).response.success_count)


async def send_async() -> int:
    """Push to every device by coroutines; how many were accepted."""
    from fcm_django.models import FCMDevice

    answer = await FCMDevice.objects.asend_message(message())
    return int(answer.response.success_count)


def main() -> None:
    """See the module's docstring."""
    task = Task.from_environment()
    set_up(task, ["fcm_django"])
    from fcm_django.models import FCMDevice

    initialize(task)
    fill(FCMDevice, task.tokens, type="android")
    if sys.argv[1] == "async":
        measure(lambda: asyncio.run(send_async()))
    else:
        measure(send)


if __name__ == "__main__":
    main()
