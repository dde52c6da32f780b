"""Every test runs on one torch thread: on busy cores more threads are several times slower."""

import torch

import k15  # noqa: F401  before transformers: heals torchvision

torch.set_num_threads(1)
