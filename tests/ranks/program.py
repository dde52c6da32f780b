"""Two ranks add up numbers for a while: python program.py SECONDS STEPS [what goes wrong on 1]."""

import os
import sys
import time
from types import SimpleNamespace

from k15 import ranks
from k15.exits import exit_on_error
from k15.shard import Shard


@exit_on_error()
def main(seconds: str, steps: str, fault: str = "") -> None:
    ranks.start(SimpleNamespace(devices=2, accelerator="cpu"))
    with ranks.together(float(seconds), "cpu") as here:
        import torch
        from torch import distributed

        rank = here.place.rank
        mine = int(steps) if rank == 0 else -1
        decided = here.first_decides(lambda: [mine], before=print)
        sys.stdout.write(f"rank {rank} is process {os.getpid()}\n")  # print writes twice
        sys.stdout.flush()
        for step in range(decided):
            if rank == 1 and step == 20 and fault:
                globals()[fault]()
            total = Shard(rank, 2).summed(torch.ones(1))
            assert total == 2 and distributed.get_world_size() == 2
            time.sleep(0.02)
    print(f"rank {rank} is done", flush=True)


def fails() -> None:
    raise ArithmeticError("seven is no number")


def hangs() -> None:
    time.sleep(1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
