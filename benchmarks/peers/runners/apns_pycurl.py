"""pycurl: libcurl's multi interface over HTTP/2, 500 easy handles that are used again.

What libcurl's documentation names for many transfers to one host: `CURLPIPE_MULTIPLEX`,
`PIPEWAIT` so that all of them share the connection, handles that are kept.
"""

import json
from io import BytesIO

import pycurl

from benchmarks.peers.runner import APNS_PAYLOAD, BEARER, TOPIC, Task, measure

TOGETHER = 500


def easy_handle(task: Task, headers: list[str], body: bytes) -> pycurl.Curl:
    """A request that lacks its address only."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
    curl.setopt(pycurl.PIPEWAIT, 1)
    curl.setopt(pycurl.CAINFO, task.certificate)
    curl.setopt(pycurl.HTTPHEADER, headers)
    curl.setopt(pycurl.POSTFIELDS, body)
    curl.setopt(pycurl.WRITEFUNCTION, BytesIO().write)
    return curl


def send(task: Task) -> int:
    """Push to every token; how many were accepted."""
    headers = [
        f"authorization: {BEARER}",
        f"apns-topic: {TOPIC}",
        "apns-push-type: alert",
        "apns-priority: 10",
        "content-type:",
        "expect:",
    ]
    body = json.dumps(APNS_PAYLOAD, separators=(",", ":")).encode()
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_PIPELINING, 2)  # CURLPIPE_MULTIPLEX
    free = [easy_handle(task, headers, body) for _ in range(TOGETHER)]
    return run(multi, free, [f"{task.origin}/3/device/{token}" for token in task.tokens])


def run(multi: pycurl.CurlMulti, free: list[pycurl.Curl], urls: list[str]) -> int:
    """Keep every handle busy until all addresses have answered."""
    accepted, waiting = 0, 0
    urls = urls[::-1]
    while urls or waiting:
        while urls and free:
            curl = free.pop()
            curl.setopt(pycurl.URL, urls.pop())
            multi.add_handle(curl)
            waiting += 1
        multi.perform()
        more = 1
        while more:
            more, succeeded, failed = multi.info_read()
            for curl in [*succeeded, *(each[0] for each in failed)]:
                accepted += curl.getinfo(pycurl.RESPONSE_CODE) == 200
                multi.remove_handle(curl)
                free.append(curl)
                waiting -= 1
        if not free or not urls:
            multi.select(1.0)
    return accepted


def main() -> None:
    """See the module's docstring."""
    task = Task.from_environment()
    measure(lambda: send(task))


if __name__ == "__main__":
    main()
