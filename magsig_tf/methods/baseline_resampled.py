"""The control of the method gan: baseline, with a share of the real images sent through the GAN's resolution."""

from magsig_tf.methods.contract import Method
from magsig_tf.methods.needs import ChangedImages
from magsig_tf.models.gan_options import ResampledOptions


class BaselineResampled(Method[ResampledOptions]):
    """Binary cross-entropy; real images are resampled where gan resamples them, and none is synthetic."""

    Options = ResampledOptions

    @classmethod
    def changed_images(cls, options: ResampledOptions) -> ChangedImages:
        """Resample the share that gan would."""
        return ChangedImages(size=options.gan_size, resampled_share=options.synthetic_ratio)
