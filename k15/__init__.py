"""k15: a vision-language model through the whole Kimi k1.5 recipe, on Lightning.

Importing the package costs nothing: no torch, no transformers. It only leaves word with the import
system that torchvision is to be healed before its first import (see `k15.heal`).
"""

import time

from k15 import heal

__version__ = "0.1.0"
BORN = time.monotonic()  # close to the start of the command: a run's seconds count from here

heal.install()
