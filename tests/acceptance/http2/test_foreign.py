"""The client against servers that others run: nginx, nghttpd, Node.js."""

import contextlib
import shutil
import socket
import subprocess
import time

import pytest

from .servers import connected, drive, request

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
        location / {{ return 200; }}
        location ~ "7$" {{ return 410 '{{"reason": "Unregistered"}}'; }}
    }}
}}
"""

NODE = """
const fs = require('fs'), pem = fs.readFileSync('{pem}');
const server = require('http2').createSecureServer(
    {{ key: pem, cert: pem, settings: {{ maxConcurrentStreams: 50 }} }});
let count = 0;
server.on('stream', (stream, headers) => {{
    stream.resume();
    stream.on('end', () => {{
        const dead = headers[':path'].endsWith('7');
        stream.respond({{ ':status': dead ? 410 : 200, 'apns-id': headers['apns-id'] }});
        stream.end(dead ? '{{"reason": "Unregistered"}}' : '');
        if (++count % 700 === 0) stream.session.close();  // GOAWAY
    }});
}});
server.listen({port}, '127.0.0.1');
"""


@contextlib.contextmanager
def running(command, port):
    """The server, once it listens; a missing program is a failure that names it."""
    assert shutil.which(command[0]), f"{command[0]} is not installed"
    process = subprocess.Popen(command)
    try:
        end = time.monotonic() + 10
        while True:
            assert process.poll() is None
            assert time.monotonic() < end
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"https://localhost:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def check_mixed(origin, tls):
    with connected(origin, tls, connections=2) as client:
        outcome = drive(client, [request(key) for key in range(2_000)])
    assert sorted(outcome.ok) == [key for key in range(2_000) if key % 10 != 7]
    assert {(answer.status, answer.body) for answer in outcome.answers} == {
        (410, b'{"reason": "Unregistered"}')
    }


@pytest.mark.service("nginx")
def test_nginx_with_goaway_every_300_requests(tls, tmp_path, port):
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(NGINX.format(home=tmp_path, port=port, pem=tls.file))
    with running(["nginx", "-c", str(configuration)], port) as origin:
        check_mixed(origin, tls)


@pytest.mark.service("node")
def test_node_with_goaway_every_700_requests(tls, port):
    with running(["node", "-e", NODE.format(port=port, pem=tls.file)], port) as origin:
        check_mixed(origin, tls)


@pytest.mark.service("nghttpd")
def test_nghttpd(tls, tmp_path, port):
    pem = str(tls.file)
    with (
        running(["nghttpd", "-d", str(tmp_path), str(port), pem, pem], port) as origin,
        connected(origin, tls) as client,
    ):
        outcome = drive(client, [request(key) for key in range(2_000)])
    assert len(outcome.answers) == 2_000
    assert {answer.status for answer in outcome.answers} == {404}
    assert all(b"404 Not Found" in answer.body for answer in outcome.answers)
