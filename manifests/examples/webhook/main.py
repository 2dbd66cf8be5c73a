"""Receives webhooks: POST / takes a delivery, GET /deliveries lists the last ones, newest first.

With WEBHOOK_SECRET set, a delivery must carry X-Hub-Signature-256 as GitHub, Gitea and others send it; a delivery id
that was seen already is taken once.
"""
import collections
import datetime
import hashlib
import hmac
import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BODY = 1 << 20
SECRET = os.environ.get("WEBHOOK_SECRET", "").encode()
KEEP = int(os.environ.get("KEEP", "50"))

deliveries = collections.deque(maxlen=KEEP)
lock = threading.Lock()


def signature_is_valid(body: bytes, header: str) -> bool:
    expected = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), header.encode("utf-8", "replace"))


def remember(delivery: dict) -> bool:
    """False when this delivery was taken before."""
    with lock:
        if delivery["id"] and any(d["id"] == delivery["id"] for d in deliveries):
            return False
        deliveries.appendleft(delivery)
        return True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def answer(self, status: int, value) -> None:
        body = json.dumps(value, indent=2).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, why: str) -> None:
        """For requests whose body was not read: the connection is of no more use."""
        self.close_connection = True
        self.answer(status, {"error": why})

    def do_GET(self) -> None:
        path = self.path.split("?", 1)[0]
        if path == "/healthz":
            self.answer(200, {"ok": True})
        elif path == "/deliveries":
            with lock:
                self.answer(200, list(deliveries))
        elif path == "/":
            self.answer(200, {"received": len(deliveries), "verified": bool(SECRET), "stage": os.environ.get("STAGE"),
                              "try": "POST / with a body, then GET /deliveries"})
        else:
            self.answer(404, {"error": "not found"})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            return self.refuse(411, "Content-Length is required")
        if int(length) > MAX_BODY:
            return self.refuse(413, f"at most {MAX_BODY} bytes")
        body = self.rfile.read(int(length))
        if SECRET and not signature_is_valid(body, self.headers.get("X-Hub-Signature-256", "")):
            return self.answer(401, {"error": "X-Hub-Signature-256 is missing or wrong"})
        try:
            payload = json.loads(body)
        except ValueError:
            payload = body.decode("utf-8", "replace")
        taken = remember({
            "id": self.headers.get("X-GitHub-Delivery"),
            "event": self.headers.get("X-GitHub-Event"),
            "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"),
            "verified": bool(SECRET),
            "payload": payload,
        })
        self.answer(202 if taken else 200, {"accepted": taken})

    def log_message(self, format: str, *args) -> None:
        if self.path != "/healthz":
            print(self.command, self.path, *args[1:2], flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address) -> None:
        # The gateway closes idle connections with a reset; that is no error of ours.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    server = Server(("", int(os.environ.get("PORT", "8080"))), Handler)
    # shutdown() waits for serve_forever(), which this thread is in.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print("listening on", server.server_port, flush=True)
    server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
