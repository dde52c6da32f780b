"""A stand-in for E2B over real HTTP: the routes that k15 calls, with the code really run.

One port serves both the control plane and the machines. A "machine" is a set of folders and
processes of this computer, removed when it is killed. `faults` makes a route misbehave: each entry
is used up by one request.
"""

from __future__ import annotations

import base64
import collections
import email
import email.policy
import json
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlparse

API_KEY = "e2b_0123456789abcdef0123456789abcdef01234567"


@dataclass
class Fault:
    """`status`: answer this instead; `sleep`: seconds to wait first; `cut`: end after this many
    bytes of the answer; `body`: answer 200 with these bytes."""

    status: int | None = None
    sleep: float = 0.0
    cut: int | None = None
    body: bytes | None = None


@dataclass
class Machine:
    metadata: dict[str, str]
    internet: bool
    folders: set[str] = field(default_factory=set)
    processes: list[subprocess.Popen] = field(default_factory=list)

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=10)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


class Stub(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.machines: dict[str, Machine] = {}
        self.created = self.killed = self.most_alive = 0
        self.requests: collections.Counter[str] = collections.Counter()
        self.faults: dict[str, list[Fault]] = collections.defaultdict(list)
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for machine in self.machines.values():
            machine.end()

    def create(self, request: dict) -> dict:
        name = uuid.uuid4().hex[:20]
        machine = Machine(request.get("metadata", {}), request.get("allow_internet_access", True))
        with self.lock:
            self.machines[name] = machine
            self.created += 1
            self.most_alive = max(self.most_alive, len(self.machines))
        return self.describe(name)

    def kill(self, name: str) -> bool:
        with self.lock:
            machine = self.machines.pop(name, None)
            self.killed += machine is not None
        if machine:
            machine.end()
        return machine is not None

    def describe(self, name: str) -> dict:
        return {
            "templateID": "code-interpreter-v1",
            "sandboxID": name,
            "clientID": "stub",
            "envdVersion": "0.6.3",
            "startedAt": "2026-01-01T00:00:00Z",
            "endAt": "2026-01-01T01:00:00Z",
            "cpuCount": 1,
            "memoryMB": 512,
            "diskSizeMB": 512,
            "state": "running",
            "metadata": self.machines[name].metadata,
        }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Stub
    cut: int | None = None

    def log_message(self, *arguments: object) -> None:
        pass

    def answer(self, status: int, value: object = None, body: bytes | None = None) -> None:
        if status >= 400:
            value = {"code": status, "message": f"stub says {status}: {value}"}
        content = body if body is not None else b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        kind = "connect+json" if self.path.startswith("/process") and status == 200 else "json"
        self.send_header("Content-Type", f"application/{kind}")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if status != 204:
            self.wfile.write(content if self.cut is None else content[: self.cut])
        if self.cut is not None:
            self.close_connection = True

    def handle_route(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length) if length else self.chunks()
        url = urlparse(self.path)
        route, _, argument = {
            "v2": ("sandboxes", "", ""),
            "sandboxes": url.path[1:].partition("/"),
        }.get(url.path.split("/")[1], (url.path, "", ""))
        key = f"{self.command} {route}" + ("/timeout" if argument.endswith("/timeout") else "")
        self.server.requests[key] += 1
        fault = self.server.faults[key].pop(0) if self.server.faults[key] else Fault()
        self.cut = fault.cut
        time.sleep(fault.sleep)
        if fault.status or fault.body is not None:
            return self.answer(fault.status or 200, "as told", body=fault.body)
        if route == "sandboxes":
            return self.control(argument, content, parse_qs(url.query))
        machine = self.server.machines.get(self.headers.get("E2b-Sandbox-Id", ""))
        if machine is None:
            return self.answer(502, "the sandbox was not found")
        if url.path == "/health":
            return self.answer(204)
        if url.path == "/files":
            return self.write_file(machine, parse_qs(url.query)["path"][0], content)
        assert url.path == "/process.Process/Start", self.path
        return self.start(machine, json.loads(content[5:]))

    do_GET = do_POST = do_DELETE = handle_route

    def chunks(self) -> bytes:
        """The body where the client did not say its length."""
        content = b""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        return content

    def control(self, argument: str, content: bytes, query: dict[str, list[str]]) -> None:
        if self.headers.get("X-API-KEY") != API_KEY:
            return self.answer(401, "invalid API key")
        if self.command == "DELETE":
            return self.answer(204 if self.server.kill(argument) else 404)
        if argument.endswith("/timeout"):
            known = argument.partition("/")[0] in self.server.machines
            return self.answer(204 if known else 404)
        if self.command == "POST":
            return self.answer(201, self.server.create(json.loads(content)))
        wanted = dict(
            pair.split("=", 1) for pair in unquote(query["metadata"][0]).split("&") if pair
        )
        with self.server.lock:
            found = [
                self.server.describe(name)
                for name, machine in self.server.machines.items()
                if wanted.items() <= machine.metadata.items()
            ]
        return self.answer(200, found)

    def write_file(self, machine: Machine, path: str, content: bytes) -> None:
        folder = os.path.dirname(path)
        assert folder.startswith(os.path.join(tempfile.gettempdir(), "k15-")), path
        header = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.message_from_bytes(header + content, policy=email.policy.HTTP)
        if message.is_multipart():
            content = next(iter(message.iter_parts())).get_payload(decode=True)
        os.makedirs(folder, exist_ok=True)
        machine.folders.add(folder)
        with open(path, "wb") as file:
            file.write(content)
        self.answer(200, [{"name": os.path.basename(path), "type": "file", "path": path}])

    def start(self, machine: Machine, request: dict) -> None:
        user = base64.b64decode(self.headers.get("Authorization", "").partition(" ")[2])
        assert user == b"root:", user
        command = request["process"]
        process = subprocess.Popen(
            [command["cmd"], *command["args"]],
            env={"HOME": "/nonexistent", "PATH": "/usr/local/bin:/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        machine.processes.append(process)
        stdout, _ = process.communicate(timeout=120)
        end = {"exitCode": process.returncode, "exited": True, "status": "exit status"}
        events = [
            {"start": {"pid": process.pid}},
            {"data": {"stdout": base64.b64encode(stdout).decode()}},
            {"end": end},
        ]
        frames = [(0, json.dumps({"event": event}).encode()) for event in events] + [(2, b"{}")]
        body = b"".join(struct.pack(">BI", flag, len(text)) + text for flag, text in frames)
        self.send_response(200)
        self.send_header("Content-Type", "application/connect+json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        body = body if self.cut is None else body[: self.cut]
        self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))
        if self.cut is None:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = self.cut is not None
