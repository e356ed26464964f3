"""django-push-notifications: `send_message` of a queryset, "almost always preferable" (its README).

``... django_push_notifications apns [SIZE]|fcm``. With SIZE the devices are pushed to in querysets
of that many, because the library gives each push one second from the start of the call and loses
what takes longer. For FCM `FCM_MAX_RECIPIENTS` is 500: with the default of 1,000 firebase-admin
refuses the call.
The host of APNs is a constant of aioapns and is set there, with a default certificate; the library
has no option for either.
"""

import functools
import logging
import ssl
import sys
from typing import Any

from benchmarks.peers.django_project import fill, set_up
from benchmarks.peers.runner import BODY, DATA, KEY_ID, TEAM_ID, TITLE, TOPIC, Task, measure


def point_apns_to(task: Task) -> None:
    """Let aioapns talk to the benchmark's server."""
    from aioapns.connection import APNsProductionClientProtocol

    APNsProductionClientProtocol.APNS_SERVER = task.host
    APNsProductionClientProtocol.APNS_PORT = task.port
    ssl.create_default_context = functools.partial(
        ssl.create_default_context, cafile=task.certificate
    )


def send_apns(size: int | None) -> int:
    """Push to every device; how many were accepted."""
    from push_notifications.exceptions import APNSError
    from push_notifications.models import APNSDevice

    accepted = 0
    for devices in _querysets(APNSDevice, size):
        try:
            answers = devices.send_message({"title": TITLE, "body": BODY}, extra=DATA)
        except APNSError:  # one device failed: the answers of the others are lost with it
            continue
        accepted += sum(result == "Success" for answer in answers for result in answer.values())
    return accepted


def _querysets(model: Any, size: int | None) -> list[Any]:
    devices = model.objects.order_by("pk")
    if not size:
        return [devices]
    pks = list(devices.values_list("pk", flat=True))
    return [
        devices.filter(pk__range=(pks[start], pks[min(start + size, len(pks)) - 1]))
        for start in range(0, len(pks), size)
    ]


def send_fcm() -> int:
    """Push to every device; how many were accepted."""
    from push_notifications.models import GCMDevice

    from benchmarks.peers.runners.fcm_firebase_admin import message

    return int(GCMDevice.objects.all().send_message(message()).success_count)


def main() -> None:
    """See the module's docstring."""
    task, kind = Task.from_environment(), sys.argv[1]
    logging.disable()
    set_up(
        task,
        ["push_notifications"],
        PUSH_NOTIFICATIONS_SETTINGS={
            "APNS_AUTH_KEY_PATH": task.apns_key,
            "APNS_AUTH_KEY_ID": KEY_ID,
            "APNS_TEAM_ID": TEAM_ID,
            "APNS_TOPIC": TOPIC,
            "APNS_USE_SANDBOX": False,
            "FCM_MAX_RECIPIENTS": 500,
        },
    )
    if kind == "fcm":
        from push_notifications.models import GCMDevice

        from benchmarks.peers.runners.fcm_firebase_admin import initialize

        initialize(task)
        fill(GCMDevice, task.tokens, cloud_message_type="FCM")
        measure(send_fcm)
    else:
        from push_notifications.models import APNSDevice

        point_apns_to(task)
        fill(APNSDevice, task.tokens)
        measure(lambda: send_apns(int(sys.argv[2]) if len(sys.argv) > 2 else None))


if __name__ == "__main__":
    main()
