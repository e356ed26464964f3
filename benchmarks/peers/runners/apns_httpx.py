"""httpx with HTTP/2: one `AsyncClient`, `asyncio.gather` over 500 posts at a time.

httpx's documentation tells to keep one client and to give it `http2=True`. One connection carries
as many streams as the server allows; more posts at a time than 500 only wait inside the client.
"""

import asyncio
import json
import ssl

import httpx

from benchmarks.peers.runner import APNS_PAYLOAD, BEARER, TOPIC, Task, chunks, measure

TOGETHER = 500


async def send(task: Task) -> int:
    """Push to every token; how many were accepted."""
    headers = {
        "authorization": BEARER,
        "apns-topic": TOPIC,
        "apns-push-type": "alert",
        "apns-priority": "10",
    }
    body = json.dumps(APNS_PAYLOAD, separators=(",", ":"))
    context = ssl.create_default_context(cafile=task.certificate)
    accepted = 0
    async with httpx.AsyncClient(http2=True, verify=context, headers=headers) as client:
        for tokens in chunks(task.tokens, TOGETHER):
            urls = [f"{task.origin}/3/device/{token}" for token in tokens]
            posts = [client.post(url, content=body) for url in urls]
            answers = await asyncio.gather(*posts, return_exceptions=True)
            accepted += sum(getattr(answer, "status_code", 0) == 200 for answer in answers)
    return accepted


def main() -> None:
    """See the module's docstring."""
    task = Task.from_environment()
    measure(lambda: asyncio.run(send(task)))


if __name__ == "__main__":
    main()
