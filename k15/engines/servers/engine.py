"""The engine that has servers generate: started and looked after here, or given by their URLs."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from k15.config.errors import ConfigError
from k15.config.targets import import_target
from k15.engines.protocol import Completion, Request, RolloutEngine, Sampling, Scored
from k15.engines.requests import check_example, checked
from k15.engines.servers.call import Call, Groups
from k15.engines.servers.connection import KINDS, Connection
from k15.engines.servers.fleet import Fleet, Patience
from k15.engines.servers.member import Member
from k15.engines.servers.members import Given, Started
from k15.engines.servers.process import Folder
from k15.engines.servers.rating import Rating
from k15.engines.servers.registry import open_registry
from k15.engines.servers.roster import Roster
from k15.engines.weightless import description, write_policy
from k15.progress import waiting_for
from k15.ranks.place import place_of
from k15.weights.full import full_weights
from k15.weights.routes.host_memory import HostMemory
from k15.weights.routes.protocol import Route

if TYPE_CHECKING:
    from k15.models.policy import Policy
    from k15.types import Example


class ServedEngine(RolloutEngine):
    """Generates with `replicas` servers that it starts, each an engine of the class `serves` (an
    import path) with these `settings`, and with the servers at `urls`.

    `devices` are the values of CUDA_VISIBLE_DEVICES of those it starts. `token` is what given ones
    ask for. `route` brings weights to servers. `context` is the longest prompt and response in
    tokens; None: the model's own. `registry` (file, etcd) at a folder (None: that of the run) or
    URL says which servers there are, and has others join; with etcd or one that is named there may
    be none at first. Of several ranks each starts servers of its own, and has its part
    of the urls. Raises ConfigError if there are no servers, or for what a server says that cannot
    start.
    """

    beside_training = True
    added_to_score = 0
    """Tokens that the servers' engine adds to a response which it rates."""

    def __init__(
        self,
        policy: Policy,
        *,
        serves: str,
        settings: Mapping[str, Any] | None = None,
        replicas: int = 1,
        urls: Sequence[str] = (),
        devices: Sequence[str] = (),
        token: str | None = None,
        route: Route | None = None,
        patience: Patience | None = None,
        context: int | None = None,
        registry: str | None = "file",
        registry_at: str | None = None,
        run_dir: str | Path | None = None,
    ) -> None:
        check_servers(replicas, urls, devices, registry_at)
        at = registry_at or (run_dir and f"{run_dir}/servers")
        opened = open_registry(registry, at)
        self.policy, self.context = policy, context or policy.context
        self.fleet = Fleet(route or HostMemory(), patience or Patience())
        self.folder: Folder | None = None
        self.call: Call | None = None
        self.answers: Generator[Completion] | None = None
        self.groups = Groups()
        self.connect = partial(
            Connection,
            run=secrets.token_hex(8),
            token=token,
            seconds=self.fleet.patience.answer,
            load_seconds=self.fleet.patience.load,
        )
        place = place_of()
        given = [Given(url, self.fleet, self.connect, description(policy)) for url in urls]
        started = self._started(serves, dict(settings or {}), replicas, devices)
        self.roster = None if opened is None else Roster(self.fleet, opened, self._joining)
        try:
            if self.roster is not None:
                self.roster.start()
            self.fleet.add([*started, *given[place.rank :: place.world]])
            self._wait_for_servers()
        except BaseException:
            self.close()
            raise

    def load_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Into all servers, also while they generate: their responses go on with them."""
        self.version = None
        self.fleet.update(weights, version)
        self.version = version

    def generate(
        self, requests: Iterable[Request | None], sampling: Sampling
    ) -> Iterator[Completion]:
        """Yield one completion per request, in the order in which they end; a call that is still
        open ends here.

        Raises ValueError if a request does not fit into the context, before any work where requests
        are a sequence.
        """
        self._end_call()
        passed = checked(requests, self.policy, self.context)
        self._have_weights()
        self.call = Call(self.fleet, passed, sampling, self.policy.stop_ids, self.groups)
        with self.fleet.changed:
            self.fleet.call = self.call
        self.answers = self.call.completions()
        return self.answers

    def score(self, examples: Sequence[Example]) -> Iterator[Scored]:
        """By pieces, each of them on one server; a call that is still open ends here.

        Raises ConfigError if the servers' engine cannot.
        """
        self._end_call()
        for index, example in enumerate(examples):
            tokens = example.prompt_tokens + example.response_tokens
            length = self.policy.length(tokens, example.images) + self.added_to_score
            check_example(index, example, length, self.context)
        self._have_weights()
        rating = Rating(self.fleet, examples)
        with self.fleet.changed:
            self.fleet.rating = rating
            self.fleet.changed.notify_all()
        yield from rating.scored()

    def stop(self) -> None:
        """End the newest call of `generate`: unfinished responses come back as they stand."""
        if self.call is not None:
            self.call.stop()

    def close(self) -> None:
        """End the servers that were started, let go of the others."""
        self._end_call()
        if self.roster is not None:
            self.roster.end()
        self.fleet.close()
        if self.folder is not None:
            self.folder.remove()

    def _joining(self, url: str) -> Member:
        """A server that has entered itself in the registry."""
        return Given(url, self.fleet, self.connect, description(self.policy), certain=False)

    def _started(
        self, serves: str, settings: dict[str, Any], replicas: int, devices: Sequence[str]
    ) -> list[Member]:
        """Servers of ours, not yet running."""
        if not replicas:
            return []
        self.folder = Folder()
        if "policy" in inspect.signature(import_target(serves)).parameters:
            write_policy(self.policy, Path(self.folder.path))
        token = secrets.token_hex(16)
        spec = {
            "engine": serves,
            "settings": settings,
            "folder": self.folder.path,
            "threads": torch.get_num_threads(),
            "model": description(self.policy),
            "token": token,
        }
        connect = partial(self.connect, token=token)
        return [
            Started(f"server {n}", self.fleet, connect, spec, devices[n] if devices else None)
            for n in range(replicas)
        ]

    def _wait_for_servers(self) -> None:
        """Until all that are expected answer, each of which has its deadline, and one at least."""
        fleet = self.fleet
        what = "a server to join (engine.registry_at, engine.patience.start)"

        def there() -> bool:
            expected = [member for member in fleet.members if member.expected]
            return all(m.serving for m in expected or fleet.members) and bool(fleet.members)

        with fleet.changed, waiting_for("the servers to start"):
            deadline = None if fleet.members else fleet.patience.start
            fleet.wait_for(there, deadline, what)

    def _have_weights(self) -> None:
        """Those of the policy, where there have been none."""
        if self.fleet.version is None:
            if self.fleet.generation:
                raise RuntimeError("the servers have no weights: the last ones were not taken")
            self.fleet.update(full_weights(self.policy.model), 0)

    def _end_call(self) -> None:
        """Of somebody who did not take all completions: the servers are told."""
        with self.fleet.changed:
            self.fleet.rating = None
            self.fleet.changed.notify_all()
        if self.answers is not None and self.call is not None:
            self.answers.close()
            self.call.end()


def check_servers(
    replicas: int, urls: Sequence[str], devices: Sequence[str], registry_at: str | None
) -> None:
    """Raises ConfigError for numbers and addresses that cannot be meant."""
    if replicas < 0 or not (replicas or urls or registry_at):
        raise ConfigError(
            f"engine.replicas={replicas}, engine.urls={list(urls)}: nobody generates; take at "
            "least one server"
        )
    if devices and len(devices) != replicas:
        raise ConfigError(
            f"engine.devices={list(devices)}: {len(devices)} for engine.replicas={replicas}; give "
            "each server its own, or none"
        )
    for url in urls:
        if url.partition("://")[0] not in KINDS:
            raise ConfigError(f"engine.urls: {url!r}: expected http://host:port")
