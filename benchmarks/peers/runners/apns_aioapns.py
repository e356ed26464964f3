"""aioapns: `asyncio.gather` over `send_notification`, 5,000 at a time.

The documentation shows one client and one `send_notification` for each device; gathering is how
coroutines are run together. The client's defaults are kept (up to 10 connections). All devices in
one gather take longer: those without a free stream look for one every 10 ms.
The host and the port are constants of a class and are set there; there is no option for them.
"""

import asyncio
import logging
import ssl

from aioapns import APNs, NotificationRequest, PushType
from aioapns.connection import APNsProductionClientProtocol

from benchmarks.peers.runner import (
    APNS_PAYLOAD,
    KEY_ID,
    TEAM_ID,
    TOPIC,
    Task,
    chunks,
    measure,
)

TOGETHER = 5_000


async def send(task: Task) -> int:
    """Push to every token; how many were accepted."""
    with open(task.apns_key) as file:
        key = file.read()
    context = ssl.create_default_context(cafile=task.certificate)
    client = APNs(key=key, key_id=KEY_ID, team_id=TEAM_ID, topic=TOPIC, ssl_context=context)
    accepted = 0
    for tokens in chunks(task.tokens, TOGETHER):
        requests = [
            NotificationRequest(token, APNS_PAYLOAD, push_type=PushType.ALERT) for token in tokens
        ]
        sending = [client.send_notification(request) for request in requests]
        results = await asyncio.gather(*sending, return_exceptions=True)
        accepted += sum(getattr(result, "is_successful", False) for result in results)
    client.pool.close()
    return accepted


def main() -> None:
    """See the module's docstring."""
    task = Task.from_environment()
    logging.disable()  # it warns of every request that waits for a free stream
    APNsProductionClientProtocol.APNS_SERVER = task.host
    APNsProductionClientProtocol.APNS_PORT = task.port
    measure(lambda: asyncio.run(send(task)))


if __name__ == "__main__":
    main()
