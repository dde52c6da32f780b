"""Pictures as cameras and scanners give them: turned, warped, in other colours, with noise.

By torchvision's transforms v2
(https://docs.pytorch.org/vision/stable/transforms.html).
"""

from __future__ import annotations

from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any

from k15.config.errors import ConfigError
from k15.models.pictures import blank

if TYPE_CHECKING:
    from PIL.Image import Image


class Blank:
    """In place of each picture a white one of its size: what is read without looking."""

    def __call__(self, picture: Image, rng: Random) -> Image:
        """As `Distortion`'s."""
        return blank(picture)


class Distortion:
    """Each picture is turned by up to `degrees`, its corners are moved by up to the share
    `perspective`, its brightness, contrast and hue change by up to `colour`, and noise of up to
    `noise` (standard deviation, 1 is white) is added. 0 leaves a part out.
    """

    def __init__(
        self,
        *,
        degrees: float = 3.0,
        perspective: float = 0.05,
        colour: float = 0.2,
        noise: float = 0.05,
    ) -> None:
        for name, value in (("perspective", perspective), ("colour", colour), ("noise", noise)):
            if not 0 <= value <= 1:
                raise ConfigError(f"distortion.{name}={value}: a share is from 0 to 1")
        self.degrees, self.perspective = degrees, perspective
        self.colour, self.noise = colour, noise

    def __call__(self, picture: Image, rng: Random) -> Image:
        """Another picture of the same size; all that is random comes from `rng`."""
        import torch

        state = torch.get_rng_state()  # the transforms draw from torch's own
        try:
            torch.manual_seed(rng.getrandbits(63))
            return self._transforms(picture)
        finally:
            torch.set_rng_state(state)

    @cached_property
    def _transforms(self) -> Any:
        import torch
        from torchvision.transforms import v2

        steps: list[Any] = []
        if self.degrees:
            steps.append(v2.RandomRotation(self.degrees, fill=255))
        if self.perspective:
            steps.append(v2.RandomPerspective(self.perspective, p=1.0, fill=255))
        if self.colour:
            steps.append(v2.ColorJitter(self.colour, self.colour, hue=min(0.5, self.colour / 4)))
        if self.noise:
            noisy = v2.GaussianNoise(sigma=self.noise)
            steps += [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), noisy, v2.ToPILImage()]
        return v2.Compose(steps)
