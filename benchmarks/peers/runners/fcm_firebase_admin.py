"""firebase-admin: `send_each` (threads) or `send_each_async` (httpx, HTTP/2), 500 at a time.

``... fcm_firebase_admin threads|async``. 500 messages are the most that a call takes. Each message
is a request of its own; there is no batch endpoint any more.
The address of FCM is a constant of a class and is set there; that of the access token is in the
service account, where Google puts it.
"""

import asyncio
import sys

import firebase_admin
from firebase_admin import credentials, messaging

from benchmarks.peers.runner import BODY, DATA, TITLE, Task, chunks, measure

MOST_AT_ONCE = 500


def initialize(task: Task) -> None:
    """The default app of firebase-admin, talking to the benchmark's server."""
    messaging._MessagingService.FCM_URL = task.origin + "/v1/projects/{0}/messages:send"
    firebase_admin.initialize_app(credentials.Certificate(task.service_account))


def message(token: str | None = None) -> messaging.Message:
    """The push to one device."""
    notification = messaging.Notification(title=TITLE, body=BODY)
    return messaging.Message(notification=notification, data=DATA, token=token)


def send(task: Task) -> int:
    """Push to every token by threads; how many were accepted."""
    return sum(
        messaging.send_each([message(token) for token in tokens]).success_count
        for tokens in chunks(task.tokens, MOST_AT_ONCE)
    )


async def send_async(task: Task) -> int:
    """Push to every token by coroutines; how many were accepted."""
    accepted = 0
    for tokens in chunks(task.tokens, MOST_AT_ONCE):
        messages = [message(token) for token in tokens]
        accepted += (await messaging.send_each_async(messages)).success_count
    return accepted


def main() -> None:
    """See the module's docstring."""
    task = Task.from_environment()
    initialize(task)
    if sys.argv[1] == "async":
        measure(lambda: asyncio.run(send_async(task)))
    else:
        measure(lambda: send(task))


if __name__ == "__main__":
    main()
