"""k15: a vision-language model through the whole Kimi k1.5 recipe, on Lightning.

Importing the package costs nothing: no torch, no transformers. It only leaves word with the import
system that torchvision is to be healed before its first import (see `k15.heal`).
"""

from k15 import heal

__version__ = "0.1.0"

heal.install()
