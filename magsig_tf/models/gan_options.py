"""What a user can set of the GANs of a fold, and what makes two sets of GANs the same one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from magsig_tf.config import MethodOptions, Settings, study_hash

PROTOCOL = ("magnifications", "folds", "split_seed", "group_by")
"""Settings of a run that decide which images its GANs may see."""
SIZES = (16, 32, 64, 128, 256)
"""Heights and widths, in pixels, that doubling reaches from the generator's first map of 4 x 4."""
FULL_WIDTH, FULL_STEPS = 64, 2000
"""Below this base width (that of Radford et al.) or number of steps a GAN shows that the steps work, and no more."""


class ResampledOptions(MethodOptions):
    """Config keys of every method that changes images of the training batches."""

    gan_size: int = Field(64, description="gan: height and width of the images a GAN makes: 16, 32, 64, 128 or 256")
    synthetic_ratio: float = Field(
        0.5,
        ge=0,
        le=0.9,
        description="gan: share of each batch that is synthetic; baseline-resampled and gan send the same share of "
        "the real images through the GAN's resolution",
    )

    @field_validator("gan_size")
    @classmethod
    def _reachable(cls, size: int) -> int:
        if size not in SIZES:
            raise ValueError(f"a DCGAN makes images of {', '.join(map(str, SIZES))} pixels")
        return size


class GanOptions(ResampledOptions):
    """Config keys of the GANs; those that begin with `gan_` name a set of GANs."""

    gan_width: int = Field(64, ge=4, le=512, description="gan: filters at half the image size (paper: 64)")
    gan_latent: int = Field(100, ge=1, le=1024, description="gan: length of the latent vector")
    gan_batch: int = Field(64, ge=2, le=1024, description="gan: real images in a step")
    gan_steps: int = Field(5000, ge=1, le=10**7, description="gan: training steps of each GAN")
    gan_loss: Literal["non_saturating", "hinge"] = Field("non_saturating", description="gan: objective")
    gan_spectral_norm: bool = Field(False, description="gan: spectral normalisation in the discriminator")
    gan_diffaugment: bool = Field(True, description="gan: DiffAugment, the same for real and synthetic images")
    gan_learning_rate: float = Field(2e-4, gt=0, description="gan: learning rate of both Adam optimizers")
    gan_ema: float = Field(0.999, ge=0, lt=1, description="gan: decay of the moving average of the generator; 0: off")
    gan_check_every: int = Field(
        500, ge=1, description="gan: steps between two checks by KID on training rows; the best one is kept"
    )
    gan_images: int = Field(
        0, ge=0, le=10**6, description="gan: images each GAN draws; 0: as many as it had training images"
    )
    gan_per_magnification: bool = Field(False, description="gan: one GAN per class and source magnification")
    gan_seed: int = Field(0, ge=0, description="gan: seed of the GANs; every seed of the classifier shares them")


def is_demonstration(options: GanOptions) -> bool:
    """Say whether GANs with these options are of demonstration quality only, which is then printed beside them."""
    return options.gan_width < FULL_WIDTH or options.gan_steps < FULL_STEPS


def gan_hash(options: GanOptions, settings: Settings) -> str:
    """Return eight hex digits over everything that changes what the GANs of a fold are.

    Args:
        options: Those of the GANs.
        settings: Those of the run that uses them; only `PROTOCOL` and the precision count.
    """
    values = {name: value for name, value in options.model_dump(mode="json").items() if name.startswith("gan_")}
    return study_hash(values | settings.model_dump(include={*PROTOCOL, "precision"}))
