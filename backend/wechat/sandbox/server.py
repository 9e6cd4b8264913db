"""Two listeners, plain and TLS, and which path goes where."""

import ipaddress
import logging
import socket
import socketserver
import ssl
import sys
import tempfile
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from . import cashier, gateway, marketing, platform
from .control import Control
from .wire import HTML_TYPE, Reply
from .world import World

LARGEST: Final = 256 * 1024
NO_CERTIFICATE: Final = Reply(
    b"<html><head><title>400 No required SSL certificate was sent</title></head>"
    b"<body><h1>400 Bad Request</h1>No required SSL certificate was sent</body></html>\r\n",
    HTML_TYPE,
    status=400,
)
log = logging.getLogger("sandbox")


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A thread for each connection; connections are kept alive."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self, host: str, port: int, world: World, tls: ssl.SSLContext | None) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.world = world
        self.control = Control(world)
        self.tls = tls
        super().__init__((host, port), Handler)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = self.socket.accept()
        if self.tls is not None:
            # The handshake waits for the connection's own thread.
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a connection broke: %s", sys.exc_info()[1])

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        text = host.decode() if isinstance(host, bytes | bytearray) else str(host)
        name = f"[{text}]" if ":" in text else text
        return f"{'https' if self.tls else 'http'}://{name}:{port}"


class Handler(BaseHTTPRequestHandler):
    """Reads a request, asks whoever answers it, writes the answer in one piece."""

    server: Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 75

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            self._send(Reply(b"length required\n", "text/plain", status=411))
            return
        if int(length) > LARGEST:
            self.close_connection = True
            self._send(Reply(b"body too large\n", "text/plain", status=413))
            return
        body = self.rfile.read(int(length))
        try:
            reply = self._answer(body)
        except Exception:
            log.exception("%s %s failed", self.command, urlsplit(self.path).path)
            reply = Reply(b"the sandbox itself failed; see its log\n", "text/plain", status=500)
        if reply.hold:
            self.server.world.stopping.wait(reply.hold)
        if reply.drop:
            self._drop()
        else:
            self._send(reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815

    def _answer(self, body: bytes) -> Reply:
        parts = urlsplit(self.path)
        path, method, world = parts.path, self.command, self.server.world
        if path == "/healthz":
            return Reply(b"ok\n", "text/plain")
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if call := gateway.PATHS.get(path):
            holder = self._certificate_holder()
            if call == "refund" and holder == "":
                return NO_CERTIFICATE
            with world.lock:
                return world.gateway.answer(call, method, body, holder)
        if call := platform.PATHS.get(path):
            with world.lock:
                return world.platform.answer(call, method, query, body)
        if path.startswith(marketing.PREFIX):
            with world.lock:
                return world.marketing.answer(method, self.path, dict(self.headers), body)
        if path.startswith("/_sandbox/"):
            name = path.removeprefix("/_sandbox/").rstrip("/")
            with world.lock:
                return self.server.control.answer(method, name, query, body)
        with world.lock:
            match method, path:
                case "GET", "/":
                    return cashier.index(world)
                case "GET", "/cashier":
                    return cashier.show(world, query.get("prepay_id", ""), query.get("told", ""))
                case "POST", "/cashier":
                    form = dict(parse_qsl(body.decode("utf-8", "replace")))
                    return cashier.tap(self.server.control, form)
        return Reply(b"nothing here\n", "text/plain", status=404)

    def _certificate_holder(self) -> str | None:
        """The common name in the client's certificate, "" without one; None where TLS is off."""
        if not isinstance(self.connection, ssl.SSLSocket):
            return None
        certificate = self.connection.getpeercert() or {}
        for names in certificate.get("subject", ()):
            for name in names:
                if isinstance(name, tuple) and name[0] == "commonName":
                    return str(name[1])
        return ""

    def _send(self, reply: Reply) -> None:
        head = [
            f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}",
            f"Content-Type: {reply.content_type}",
            f"Content-Length: {len(reply.body)}",
            f"Date: {self.date_time_string()}",
            "Cache-Control: no-store",
        ]
        if reply.content_type == HTML_TYPE:
            policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"
            head.append(f"Content-Security-Policy: {policy}")
        if reply.location:
            head.append(f"Location: {reply.location}")
        head += [f"{name}: {value}" for name, value in reply.headers.items()]
        if self.close_connection:
            head.append("Connection: close")
        start = ("\r\n".join(head) + "\r\n\r\n").encode()
        self.wfile.write(start if self.command == "HEAD" else start + reply.body)

    def _drop(self) -> None:
        """The caller sees the line go dead."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Malformed requests and the like; what was asked and answered is logged by name."""
        log.debug(format, *args)


def tls_context(world: World, host: str) -> ssl.SSLContext:
    """TLS with a certificate of our authority, asking clients for one it signed too."""
    names = ["localhost", "127.0.0.1", "::1", "sandbox"]
    if host not in names and not _is_everywhere(host):
        names.insert(0, host)
    pair = world.authority.issue_server(names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=world.authority.root.certificate_pem)
    # ssl reads certificates from files only.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "server.pem")
        path.touch(mode=0o600)
        path.write_text(pair.certificate_pem + pair.private_key_pem)
        context.load_cert_chain(path)
    return context


def _is_everywhere(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_unspecified
    return False


def serve(listener: Listener) -> None:
    """The listener answers on a thread of its own."""
    threading.Thread(
        target=listener.serve_forever, args=(0.1,), name=listener.url, daemon=True
    ).start()
