#!/usr/bin/env python3
"""A registry that misbehaves. What it does is in the first part of the repository's name: `s500/x`, `stall/x`, ...
Listens on two free ports of 127.0.0.1 (two origins) and a third with TLS, whose certificate for 127.0.0.1 it writes to
DIR/cert.pem, and prints all three and the digest of its image. GET /_log gives every request so far as JSON: [port,
method, path, authorization]. Ends when standard input does. Argument: DIR."""
import base64
import hashlib
import json
import ssl
import subprocess
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:1"]}}'
LAYER = b"layer bytes" * 100
USER = "Basic " + base64.b64encode(b"user:s3cr3t-canary").decode()


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob(data, kind):
    return {"mediaType": kind, "digest": sha(data), "size": len(data)}


IMAGE = json.dumps({
    "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": blob(CONFIG, "application/vnd.docker.container.image.v1+json"),
    "layers": [blob(LAYER, "application/vnd.docker.image.rootfs.diff.tar.gzip")]}).encode()
BLOBS = {sha(CONFIG): CONFIG, sha(LAYER): LAYER}

lock = threading.Lock()
log = []
stored = {}   # (repo, digest) -> bytes
tags = {}     # (repo, reference) -> manifest
done = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code, **headers):
        # the detail is what a careless client would put into its message
        self.answer(status, json.dumps({"errors": [{"code": code, "detail": "raw-body-canary"}]}).encode(), **headers)

    def handle_any(self):
        own, other = self.server.server_port, self.server.other
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path == "/_log":
            with lock:
                return self.answer(200, json.dumps(log).encode())
        with lock:
            log.append([own, self.command, self.path, self.headers.get("Authorization")])
        if url.path == "/token":
            if self.headers.get("Authorization") != USER:
                return self.error(401, "UNAUTHORIZED")
            return self.answer(200, json.dumps({"token": "token-canary", "expires_in": 300}).encode())
        if url.path.startswith("/elsewhere/"):
            return self.answer(200, BLOBS.get(url.path.rsplit("/", 1)[1], b""))
        parts = url.path.split("/")  # "", v2, mode, name, kind, reference
        if len(parts) < 6:
            return self.answer(200)
        self.act(parts[2], "/".join(parts[2:4]), parts[4], "/".join(parts[5:]), dict(urllib.parse.parse_qsl(url.query)), body, other)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any

    def act(self, mode, repo, kind, ref, query, body, other):
        if mode == "s500":
            return self.error(500, "UNKNOWN")
        if mode == "s503":
            return self.answer(503, b"<html>raw-body-canary</html>")
        if mode == "s429":
            return self.error(429, "TOOMANYREQUESTS", Retry_After="1")
        if mode == "s403":
            return self.error(403, "DENIED")
        if mode == "s418":
            return self.error(418, "TEAPOT")
        if mode == "s401":
            return self.error(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="x"')
        if mode == "stall":
            done.wait(30)
            self.close_connection = True
            return None
        if mode == "hangup":
            self.close_connection = True
            return self.connection.close()
        if mode == "redirectall" and kind == "manifests":
            return self.answer(307, Location="http://127.0.0.1:%d/elsewhere/x" % other)
        if mode in ("bearer", "evil"):
            realm = "http://127.0.0.1:%d/token" % other if mode == "bearer" else "http://localhost:%d/token" % other
            if self.headers.get("Authorization") != "Bearer token-canary":
                return self.error(401, "UNAUTHORIZED", WWW_Authenticate='Bearer realm="%s",service="fake"' % realm)
        if kind == "manifests":
            return self.manifest(mode, repo, ref, body)
        if ref.startswith("uploads/"):
            return self.upload(mode, repo, ref, query, body, other)
        return self.blob(mode, repo, ref, other)

    def manifest(self, mode, repo, ref, body):
        if self.command == "PUT":
            named = json.loads(body)
            digests = [named["config"]["digest"]] + [l["digest"] for l in named["layers"]]
            if mode in ("falsehead", "liar") and (mode == "liar" or any((repo, d) not in stored for d in digests)):
                return self.error(400, "MANIFEST_BLOB_UNKNOWN")
            tags[repo, ref] = body
            return self.answer(201, Docker_Content_Digest=sha(b"x") if mode == "wrongput" else sha(body))
        if self.command == "DELETE":
            return self.error(405, "UNSUPPORTED")
        if mode == "push" or mode in ("falsehead", "liar", "nomount", "wrongput", "absolute", "badlocation", "bearer", "baddigest"):
            found = tags.get((repo, ref))
            return self.answer(200, found, Docker_Content_Digest=sha(found)) if found else self.error(404, "MANIFEST_UNKNOWN")
        if mode == "wronghead":
            return self.answer(200, IMAGE, Docker_Content_Digest=sha(b"x"))
        if mode == "nodigest":
            return self.answer(200, IMAGE)
        if mode == "wrongmanifest":
            return self.answer(200, IMAGE + b" ", Docker_Content_Digest=sha(IMAGE))
        if ref != sha(IMAGE) and ref != "v1":
            return self.error(404, "MANIFEST_UNKNOWN")
        return self.answer(200, IMAGE, Docker_Content_Digest=sha(IMAGE))

    def upload(self, mode, repo, ref, query, body, other):
        if self.command == "POST":
            if mode in ("falsehead", "liar") and "mount" in query:
                return self.answer(201, Docker_Content_Digest=query["mount"])
            if mode == "nomount" and "mount" in query:
                return self.error(403, "DENIED")
            if mode == "badlocation":
                return self.answer(202, Location="gopher://127.0.0.1/x")
            where = "/v2/%s/blobs/uploads/1?_state=a%%2Bb%%3D" % repo
            return self.answer(202, Location="http://127.0.0.1:%d%s" % (other, where) if mode == "absolute" else where)
        if self.command == "PUT":
            if query.get("_state") != "a+b=" or query.get("digest") != sha(body) or mode == "baddigest":
                return self.error(400, "DIGEST_INVALID")
            stored[repo, query["digest"]] = body
            return self.answer(201, Docker_Content_Digest=query["digest"])
        return self.answer(204)

    def blob(self, mode, repo, ref, other):
        if self.command == "HEAD":
            return self.answer(200 if mode == "falsehead" or (repo, ref) in stored else 404)
        data = BLOBS.get(ref)
        if mode == "nolayer" and data is LAYER:
            data = None
        if data is None:
            return self.error(404, "BLOB_UNKNOWN")
        if mode == "redirect":
            return self.answer(307, Location="http://127.0.0.1:%d/elsewhere/%s" % (other, ref))
        if mode == "loop":
            return self.answer(307, Location=self.path)
        if mode == "wrongblob":
            return self.answer(200, data[::-1])
        if mode == "longblob":
            return self.answer(200, data * 2)
        if mode == "shortblob":
            return self.answer(200, data[:-1])
        if mode == "truncated":
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:len(data) // 2])
            self.close_connection = True
            return None
        if mode == "stallblob":
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:10])
            self.wfile.flush()
            done.wait(30)
            self.close_connection = True
            return None
        return self.answer(200, data)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # clients that break off are what is tested


def main():
    cert, key = sys.argv[1] + "/cert.pem", sys.argv[1] + "/key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
                    "-subj", "/CN=fake", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    servers = [Server(("127.0.0.1", 0), Handler) for _ in range(3)]
    servers[2].socket = context.wrap_socket(servers[2].socket, server_side=True, do_handshake_on_connect=False)
    for server, other in zip(servers, [servers[1], servers[0], servers[0]]):
        server.disable_nagle_algorithm = True
        server.other = other.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(*[server.server_port for server in servers], sha(IMAGE), flush=True)
    sys.stdin.read()
    done.set()


main()
