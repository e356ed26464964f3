"""The client against servers that others run: nginx, nghttpd, Node.js (see .ci/services)."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from .servers import TEMPLATE, connected, drive, keys, poll_until, request

GONE = b'{"reason": "Unregistered"}'

NGINX = """
daemon off; master_process off; pid {home}/pid; error_log {home}/error.log;
events {{ worker_connections 100; }}
http {{
    access_log off;
    client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
    uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {pem}; ssl_certificate_key {pem};
        keepalive_requests 300;  # then GOAWAY
        http2_max_concurrent_streams 20;
        location / {{ return 200; }}
        location ~ "7$" {{ return 410 '{gone}'; }}
    }}
}}
"""

# Answers, and writes down what it has processed when it is told to end. GOAWAY comes in two steps:
# if it came at once, Node would name a last stream and go on to work on later ones from the same
# read; and close() may hang up before it is out.
NODE = """
const fs = require('fs'), pem = fs.readFileSync('{pem}'), processed = [];
const server = require('http2').createSecureServer(
    {{ key: pem, cert: pem, settings: {settings} }});
server.on('stream', (stream, headers) => {{
    stream.on('error', () => {{}});
    stream.resume();
    stream.on('end', () => {{
        const dead = headers[':path'].endsWith('7');
        processed.push(Number(headers[':path'].split('/').pop()));
        stream.respond({{ ':status': dead ? 410 : 200, 'apns-id': headers['apns-id'] }});
        stream.end(dead ? '{gone}' : '');
        const session = stream.session;
        if (processed.length % {every} === 0) {{
            session.goaway(0, 2 ** 31 - 1);
            setTimeout(() => session.destroyed || session.goaway(), 50);
        }}
    }});
}});
process.on('SIGTERM', () => {{
    fs.writeFileSync('{log}', JSON.stringify(processed));
    process.exit(0);
}});
server.listen({port}, '127.0.0.1');
"""


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[subprocess.Popen]:
    """The server, once it listens; a missing program is a failure that names it."""
    assert shutil.which(command[0]), f"{command[0]} is not installed"
    process = subprocess.Popen(command)
    try:
        end = time.monotonic() + 60
        while True:
            assert process.poll() is None
            assert time.monotonic() < end
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def check_mixed(port, tls):
    with connected(f"https://localhost:{port}", tls, connections=2) as client:
        outcome = drive(client, [request(key) for key in range(2_000)])
    assert not outcome.lost
    assert sorted(outcome.ok) == [key for key in range(2_000) if key % 10 != 7]
    assert {(answer.status, answer.body) for answer in outcome.answers} == {(410, GONE)}
    return outcome


@pytest.fixture
def nginx(tls, tmp_path, port):
    configuration = tmp_path / "nginx.conf"
    text = NGINX.format(home=tmp_path, port=port, pem=tls.file, gone=GONE.decode())
    configuration.write_text(text)
    return ["nginx", "-c", str(configuration)]


@pytest.mark.service("nginx")
def test_nginx_with_goaway_every_300_requests(nginx, tls, port):
    with running(nginx, port):
        check_mixed(port, tls)


@pytest.mark.service("nginx")
def test_nginx_killed_in_the_middle_and_started_again(nginx, tls, port):
    """What it had may be unknown, each key is told once, and the next ones go to its successor."""
    with connected(f"https://localhost:{port}", tls) as client:
        with running(nginx, port) as process:
            first = drive(client, [request(key) for key in range(200)])
            client.send(TEMPLATE, [request(key) for key in range(200, 200 + client.room())])
            process.kill()
            sent = 200 + client.in_flight
            second = poll_until(client, lambda c: not c.in_flight)
        assert sorted(keys(first) + keys(second)) == list(range(sent))
        assert all(lost.sent for lost in second.lost)
        with running(nginx, port):
            third = drive(client, [request(key) for key in range(1_000)])
    assert not third.lost


@pytest.mark.service("node")
@pytest.mark.parametrize(
    "settings",
    [
        {"maxConcurrentStreams": 50},
        {"maxConcurrentStreams": 5, "initialWindowSize": 10, "headerTableSize": 0},
    ],
    ids=["many streams", "small windows"],
)
def test_node_processes_each_request_once(tls, tmp_path, port, settings):
    log = tmp_path / "processed.json"
    script = NODE.format(
        pem=tls.file,
        port=port,
        gone=GONE.decode(),
        settings=json.dumps(settings),
        every=700,
        log=log,
    )
    with running(["node", "-e", script], port):
        outcome = check_mixed(port, tls)
    assert all(each.headers["apns-id"] == f"id-{each.key}" for each in outcome.answers)
    assert sorted(json.loads(log.read_text())) == list(range(2_000))


@pytest.mark.service("nghttpd")
@pytest.mark.parametrize(
    "options",
    [
        "",
        "--padding=250 --trailer=x-trailer:1 --encoder-header-table-size=0",
        "--max-concurrent-streams=3 --window-bits=4 --connection-window-bits=16",
        "--header-table-size=0 --early-response",
    ],
)
def test_nghttpd_says_404_to_all(tls, tmp_path, port, options):
    pem = str(tls.file)
    command = ["nghttpd", "-d", str(tmp_path), *options.split(), str(port), pem, pem]
    with running(command, port), connected(f"https://localhost:{port}", tls) as client:
        outcome = drive(client, [request(key) for key in range(2_000)])
    assert len(outcome.answers) == 2_000
    assert {answer.status for answer in outcome.answers} == {404}
    assert all(b"404 Not Found" in answer.body for answer in outcome.answers)


@pytest.mark.service("nghttpd")
def test_nghttpd_sends_back_what_it_got(tls, tmp_path, port):
    """Bodies of all sizes arrive whole, through windows of 16 bytes."""
    pem = str(tls.file)
    command = ["nghttpd", "-d", str(tmp_path), "--echo-upload", "--window-bits=4", "--padding=99"]
    bodies = {key: bytes(str(key), "ascii") * (key % 50) for key in range(300)}
    with (
        running([*command, str(port), pem, pem], port),
        connected(f"https://localhost:{port}", tls, keep_ok=True) as client,
    ):
        outcome = drive(client, [request(key, body) for key, body in bodies.items() if body])
    assert {answer.status for answer in outcome.answers} == {200}
    assert {each.key: each.body for each in outcome.answers} == {
        key: body for key, body in bodies.items() if body
    }
