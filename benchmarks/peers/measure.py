"""One peer against the server: start both, compare what they say, keep the figures."""

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import postgres
from benchmarks.harness import Behaviour, BenchmarkError, Counters, Server
from benchmarks.peers.environments import CHECKOUT, gist
from benchmarks.peers.rows import Run
from benchmarks.peers.runner import Report

LONGEST_S = 1_800.0
PLAIN = Behaviour(distinct=True)


@contextmanager
def workshop(devices: int) -> Iterator[dict[str, str]]:
    """Device tokens and credentials as files; the environment variables that name them."""
    with tempfile.TemporaryDirectory(prefix="push-peers-") as name:
        directory = Path(name)
        (directory / "tokens").write_text("\n".join(device_tokens(devices)) + "\n")
        _key("EC", "ec_paramgen_curve:P-256", directory / "apns.p8")
        _key("RSA", "rsa_keygen_bits:2048", directory / "google.pem")
        yield {
            "BENCH_TOKENS": str(directory / "tokens"),
            "BENCH_APNS_KEY": str(directory / "apns.p8"),
            "BENCH_SERVICE_ACCOUNT": str(directory / "service-account.json"),
            "BENCH_GOOGLE_KEY": str(directory / "google.pem"),
        }


def device_tokens(devices: int) -> list[str]:
    """The same tokens that `benchmarks.pipeline` gives to its first application."""
    return [hashlib.sha256(f"1{n}".encode()).hexdigest() for n in range(1, devices + 1)]


def _key(algorithm: str, option: str, file: Path) -> None:
    command = ["openssl", "genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)


def run_peer(
    command: Sequence[str], files: dict[str, str], database: str, behaviour: Behaviour
) -> Run:
    """Let a runner push to every token once, on a server and in a database of its own.

    Raises BenchmarkError when the runner ends badly; what it lost is a figure of the run.
    """
    with Server(behaviour) as server, postgres.fresh_database(database, "push_peers") as fresh:
        Path(files["BENCH_SERVICE_ACCOUNT"]).write_text(_service_account(files, server.origin))
        certificate = str(server.certificate)
        environment = files | {
            "BENCH_ORIGIN": server.origin,
            "BENCH_CA_FILE": certificate,
            "BENCH_DATABASE": fresh,
            "SSL_CERT_FILE": certificate,  # OpenSSL, httpx
            "REQUESTS_CA_BUNDLE": certificate,
            "NODE_EXTRA_CA_CERTS": certificate,
        }
        report = Report(**json.loads(_output(command, environment)))
        counters = server.counters()
    return compare(report, counters, len(Path(files["BENCH_TOKENS"]).read_text().split()))


def compare(report: Report, counters: Counters, devices: int) -> Run:
    """The figures of a run, with what the sender and the server disagree about."""
    return Run(
        cpu_us=round(report.cpu_seconds / devices * 1e6, 2),
        per_second=round(devices / report.wall_seconds, 1),
        peak_mb=round(report.peak_mb, 1),
        lost=devices - counters.distinct,
        doubled=counters.requests - counters.distinct,
        misreported=abs(report.accepted - counters.accepted),
    )


def _output(command: Sequence[str], environment: dict[str, str]) -> str:
    """The last line that a runner prints."""
    try:
        done = subprocess.run(
            command,
            env=os.environ | environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchmarkError(str(error)) from error
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        raise BenchmarkError(f"ended with status {done.returncode} and said: {gist(done.stderr)}")
    return lines[-1]


def _service_account(files: dict[str, str], origin: str) -> str:
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "bench",
            "private_key_id": "1",
            "private_key": Path(files["BENCH_GOOGLE_KEY"]).read_text(),
            "client_email": "bench@bench.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"{origin}/token",
        }
    )
