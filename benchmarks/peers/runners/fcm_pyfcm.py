"""pyfcm: `async_notify_multiple_devices`, 200 at a time, or `notify` one by one.

``... fcm_pyfcm async|notify``. The first is what the library has for many devices; it opens a
connection for each of them, so that a longer list runs into its 5 s timeout. The second keeps its
connection, so it is measured too.
The address of FCM is a constant of a class and is set there; that of the access token is in the
service account. aiohttp and requests are told the certificate by their environment variables.
"""

import sys

from pyfcm import FCMNotification
from pyfcm.errors import FCMError

from benchmarks.peers.runner import BODY, DATA, TITLE, Task, chunks, measure

TOGETHER = 200


def parameters(token: str) -> dict[str, object]:
    """The push to one device."""
    return {
        "fcm_token": token,
        "notification_title": TITLE,
        "notification_body": BODY,
        "data_payload": DATA,
    }


def send_async(fcm: FCMNotification, task: Task) -> int:
    """Push to every token; how many were accepted."""
    accepted = 0
    for tokens in chunks(task.tokens, TOGETHER):
        try:
            answers = fcm.async_notify_multiple_devices([parameters(token) for token in tokens])
        except (OSError, TimeoutError):  # of one device: the answers of the others are lost with it
            continue
        accepted += sum("name" in answer for answer in answers)
    return accepted


def send(fcm: FCMNotification, task: Task) -> int:
    """Push to every token, one after the other; how many were accepted."""
    accepted = 0
    for token in task.tokens:
        try:
            accepted += "name" in fcm.notify(**parameters(token))
        except (FCMError, OSError):
            continue
    return accepted


def main() -> None:
    """See the module's docstring."""
    task = Task.from_environment()
    FCMNotification.FCM_END_POINT_BASE = f"{task.origin}/v1/projects"
    fcm = FCMNotification(service_account_file=task.service_account, project_id="bench")
    chosen = send_async if sys.argv[1] == "async" else send
    measure(lambda: chosen(fcm, task))


if __name__ == "__main__":
    main()
