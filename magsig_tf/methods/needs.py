"""What a method can declare that must be there before it trains, and how it changes the training images.

A method only declares; training provides. So a method stays a few lines, and what it needs is made once for all runs
that share it.
"""

from __future__ import annotations

from dataclasses import dataclass

from magsig_tf.models.gan_options import GanOptions


@dataclass(frozen=True)
class FoldGansNeeded:
    """The GANs of the run's fold; missing ones are trained first.

    Args:
        options: Of the GANs.
    """

    options: GanOptions

    @classmethod
    def of(cls, options: GanOptions) -> FoldGansNeeded:
        """Return the need of a method whose own options include those of the GANs.

        Only what makes them other GANs is kept; how their images are used does not.
        """
        own = {name: getattr(options, name) for name in GanOptions.model_fields if name[:4] == "gan_"}
        return cls(GanOptions(**own))


@dataclass(frozen=True)
class RunNeeded:
    """A run of another method with the same settings, holdout, patient fold and seed; trained first if missing.

    Args:
        method: Its name.
    """

    method: str


@dataclass(frozen=True)
class ChangedImages:
    """Which images of a training batch are replaced; which ones is drawn from (split, seed, epoch, step) alone.

    A synthetic image takes the place of a real one of its class (and magnification, where its GAN learned one), so the
    batch keeps its mix. Methods that ask for the same share resample the same places.

    Args:
        size: Pixels of a GAN's image; what is resampled goes down to it and up again, as synthetic images do.
        resampled_share: Share of the real images that are resampled, in [0, 1].
        synthetic_share: Share of the batch that is synthetic, in [0, 1).
        filtered: Whether only images that pass the filter are used.
        confidence: For the filter: least probability of the image's own label, in [0, 1].
    """

    size: int
    resampled_share: float = 0.0
    synthetic_share: float = 0.0
    filtered: bool = False
    confidence: float = 0.0
