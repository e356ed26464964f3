"""What is measured. Each measurement is a function from a Plan to its figures."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.figures import Figure
from benchmarks.harness import APNS_HEADERS, BEARER, Server, h2load


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How much to measure."""

    runs: int = 3
    """How often each measurement is repeated; its figure is the median."""
    requests: int = 200_000
    """Requests of one run of a client without a database."""
    devices: int = 100_000
    """Installations of one push from the database to the server."""


Measurement = Callable[[Plan], list[Figure]]


def h2load_reference(plan: Plan) -> list[Figure]:
    """A load generator in C on the same server: what the machine can do.

    nghttp2 never puts `authorization` into the header table, so with it h2load sends 220 bytes
    more a request than APNs clients need to. The reference is the cheaper request, in which a
    header of that length has another name; the dearer one is the second figure.
    """
    usual = APNS_HEADERS | {"x-authorization": BEARER}
    literal = APNS_HEADERS | {"authorization": BEARER}
    with Server() as server:
        runs = [h2load(server, requests=plan.requests, headers=usual) for _ in range(plan.runs)]
        dear = [h2load(server, requests=plan.requests, headers=literal) for _ in range(plan.runs)]
    cpu, rate = "us of CPU", "requests/s"
    return [
        Figure.median("h2load_cpu_us_per_request", cpu, [run.cpu_us_per_request for run in runs]),
        Figure.median("h2load_requests_per_s", rate, [run.requests_per_s for run in runs]),
        Figure.median(
            "h2load_literal_jwt_cpu_us_per_request", cpu, [run.cpu_us_per_request for run in dear]
        ),
    ]


MEASUREMENTS: dict[str, Measurement] = {
    "h2load": h2load_reference,
}
