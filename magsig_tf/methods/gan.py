"""Baseline with synthetic images: each takes the place of a real one of its class in the training batches.

The filter follows Xue et al. 2021, Selective synthetic augmentation with HistoGAN, Medical Image Analysis 67.
"""

from __future__ import annotations

from pydantic import Field

from magsig_tf.methods.contract import Method
from magsig_tf.methods.needs import ChangedImages, FoldGansNeeded, RunNeeded
from magsig_tf.models.gan_options import GanOptions


class GanMethodOptions(GanOptions):
    """Config keys of gan: those of the GANs, and how their images are used."""

    synthetic_filter: bool = Field(
        False,
        description="gan: use only images that the fold's own baseline run classifies correctly and with confidence, "
        "and that are neither copies of training images nor far from all of them",
    )
    synthetic_confidence: float = Field(
        0.7, ge=0.5, lt=1, description="gan: least probability of an image's own label under the filter"
    )


class GanMethod(Method[GanMethodOptions]):
    """Binary cross-entropy on batches in which a share of the images is synthetic.

    The same share of the remaining real images goes through the GAN's resolution, so that low resolution does not mean
    synthetic.
    """

    Options = GanMethodOptions

    @classmethod
    def needs(cls, options: GanMethodOptions) -> tuple[FoldGansNeeded | RunNeeded, ...]:
        """Ask for the GANs of the fold, and for its baseline run where the filter judges by it."""
        gans = FoldGansNeeded.of(options)
        return (gans, RunNeeded("baseline")) if options.synthetic_filter else (gans,)

    @classmethod
    def changed_images(cls, options: GanMethodOptions) -> ChangedImages:
        """Replace the share `synthetic_ratio` of each batch, and resample that share of the rest."""
        size, share, confidence = options.gan_size, options.synthetic_ratio, options.synthetic_confidence
        return ChangedImages(size, share, share, filtered=options.synthetic_filter, confidence=confidence)
