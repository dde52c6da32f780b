import time

from k15.callbacks.switches import Switches
from k15.engines.on_demand import OnDemandEngine
from k15.engines.scripted import ScriptedEngine


class Slow(ScriptedEngine):
    """Sleeps for 20 ms, wakes at once."""

    def sleep(self):
        time.sleep(0.02)


class Module:
    """Remembers what is logged."""

    def __init__(self):
        self.logged = {}

    def log(self, name, value, rank_zero_only):
        self.logged[name] = value


def test_the_seconds_of_each_switch_are_logged():
    engine, module = OnDemandEngine(lambda: Slow({})), Module()
    Switches(engine).on_train_epoch_end(None, module)
    assert module.logged == {}
    engine.wake()
    engine.load_weights([], 1)
    engine.sleep()
    Switches(engine).on_train_epoch_end(None, module)
    assert set(module.logged) == {f"time/engine_{x}_seconds" for x in ("wake", "load", "sleep")}
    assert module.logged["time/engine_sleep_seconds"] >= 0.02
