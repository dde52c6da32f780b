"""Which servers there are, and which weights: kept where trainers and servers both look.

    servers/<name>   {"url", "version", "slots", "joins", ...}, renewed while it lives
    weights          {"version", "route", ...} of the trainer

A server that puts itself there with "joins" is used by the trainer from then on.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from k15.config.errors import ConfigError
from k15.engines.servers.wire import Json
from k15.folders import write_text

LIVES = 30.0
"""Seconds after which what is not put again is gone."""
RENEWED = 3.0
"""Seconds between two times that it is put."""
SERVERS, WEIGHTS = "servers/", "weights"
PATIENCE = 5.0  # seconds for an answer of etcd


class Registry(Protocol):
    """Small values by key; what is not renewed is gone after `LIVES` seconds."""

    def put(self, key: str, value: Json) -> None:
        """Put or renew it; raises OSError if that fails."""
        ...

    def all(self, prefix: str) -> dict[str, Json]:
        """What lives under keys that begin so; raises OSError if it cannot be told."""
        ...

    def remove(self, key: str) -> None:
        """If it is there."""
        ...


class FileRegistry(Registry):
    """A file per key in a folder that all of them see, whose clocks agree to within seconds."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def put(self, key: str, value: Json) -> None:
        """Whole or not at all."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({**value, "until": time.time() + LIVES}) + "\n")

    def all(self, prefix: str) -> dict[str, Json]:
        """A file that vanishes meanwhile is not there."""
        found = {}
        for path in sorted(self.folder.rglob("[!.]*.json")):
            key = str(path.relative_to(self.folder).with_suffix(""))
            try:
                value = json.loads(path.read_text())
            except FileNotFoundError:
                continue
            if key.startswith(prefix) and value.pop("until") > time.time():
                found[key] = value
        return found

    def remove(self, key: str) -> None:
        """Its file."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"


class EtcdRegistry(Registry):
    """Of etcd 3.4 or later, through its JSON gateway, under `prefix`.

    https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/
    """

    def __init__(self, url: str, prefix: str = "/k15/") -> None:
        self.url, self.prefix = url, prefix

    def put(self, key: str, value: Json) -> None:
        """Under a lease."""
        lease = self._ask("lease/grant", {"TTL": str(int(LIVES))})["ID"]
        content = json.dumps(value)
        self._ask("kv/put", {"key": self._key(key), "value": encoded(content), "lease": lease})

    def all(self, prefix: str) -> dict[str, Json]:
        """Keys from the first one that begins so to the last one."""
        first = self.prefix + prefix
        last = first[:-1] + chr(ord(first[-1]) + 1)
        found = self._ask("kv/range", {"key": encoded(first), "range_end": encoded(last)})
        return {
            decoded(one["key"]).removeprefix(self.prefix): json.loads(decoded(one["value"]))
            for one in found.get("kvs", [])
        }

    def remove(self, key: str) -> None:
        """Its lease ends by itself."""
        self._ask("kv/deleterange", {"key": self._key(key)})

    def _key(self, key: str) -> str:
        return encoded(self.prefix + key)

    def _ask(self, path: str, message: Json) -> Json:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE)
        try:
            connection.request("POST", f"/v3/{path}", json.dumps(message))
            answer = connection.getresponse()
            content = answer.read().decode(errors="replace")
        except http.client.HTTPException as error:
            raise OSError(f"etcd at {self.url}: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise OSError(f"etcd at {self.url} answers {answer.status}: {content}")
        return json.loads(content)


def open_registry(kind: str | None, at: str | Path | None) -> Registry | None:
    """The registry that `engine.registry` and `engine.registry_at` name, None for none.

    Raises ConfigError for one that is not known or does not answer.
    """
    if kind is None or (kind == "file" and at is None):
        return None
    if kind not in ("file", "etcd"):
        raise ConfigError(f"registry={kind!r}: choose file, etcd or null")
    if kind == "etcd" and not str(at or "").startswith("http://"):
        raise ConfigError(f"registry_at={at}: registry=etcd wants etcd's http://host:port")
    registry = FileRegistry(str(at)) if kind == "file" else EtcdRegistry(str(at))
    try:
        registry.all(SERVERS)
    except OSError as error:
        raise ConfigError(f"registry={kind} registry_at={at}: {error}") from error
    return registry


def encoded(text: str) -> str:
    """Base64, as etcd wants all of its bytes."""
    return base64.b64encode(text.encode()).decode()


def decoded(text: str) -> str:
    """The inverse."""
    return base64.b64decode(text).decode()
