"""What the two networks of a GAN minimise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


def discriminator_terms(name: str, real: tf.Tensor, synthetic: tf.Tensor) -> tf.Tensor:
    """Return each pair's loss of the discriminator.

    Args:
        name: `non_saturating`: -log D(x) - log(1 - D(G(z))) (Goodfellow et al. 2014, equation 1); `hinge`:
            max(0, 1 - D(x)) + max(0, 1 + D(G(z))) (Lim & Ye 2017; Miyato et al. 2018, equation 16).
        real: Logits of real images, [n, 1].
        synthetic: Logits of synthetic images, [n, 1].

    Returns:
        [n, 1], in nats for `non_saturating`.
    """
    import tensorflow as tf

    if name == "hinge":
        return tf.nn.relu(1.0 - real) + tf.nn.relu(1.0 + synthetic)
    return tf.nn.softplus(-real) + tf.nn.softplus(synthetic)


def generator_terms(name: str, synthetic: tf.Tensor) -> tf.Tensor:
    """Return each synthetic image's loss of the generator.

    Args:
        name: `non_saturating`: -log D(G(z)) (Goodfellow et al. 2014, section 3); `hinge`: -D(G(z)) (Miyato et al. 2018,
            equation 17).
        synthetic: Logits of synthetic images, [n, 1].
    """
    import tensorflow as tf

    return -synthetic if name == "hinge" else tf.nn.softplus(-synthetic)
