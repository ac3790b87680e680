"""Finding and setting every seed generator."""

import keras
import numpy as np
import tensorflow as tf

from magsig_tf.models.augmentation import assign_seeds, build_augmentation, seed_generators
from magsig_tf.models.classifier import build_classifier
from magsig_tf.models.encoders.small_cnn import build_with_dropout


class Composite(keras.layers.Layer):
    """A user's layer: generators as an attribute, in a list, and in a dictionary of lists of layers."""

    def __init__(self):
        super().__init__()
        self.noise = keras.random.SeedGenerator(1)
        self.parts = [keras.layers.Dropout(0.5), keras.layers.GaussianNoise(1.0)]
        self.more = {"deep": [keras.layers.RandomRotation(0.1)]}

    def call(self, x, training=None):
        for part in self.parts:
            x = part(x, training=training)
        return x + keras.random.normal((1,), seed=self.noise)


# before Keras 3.11 RandAugment shuffled with Python's own random numbers, which no seed generator reaches
COMPOSED = (
    "RandAugment"
    if tuple(map(int, keras.__version__.split(".")[:2])) >= (3, 11)
    else {"RandomColorJitter": {"brightness_factor": 0.1}}
)
AUGMENT = ["QuarterTurns", "StainJitter", "CropZoom", {"RandomZoom": {"height_factor": 0.1}}, COMPOSED]


def everything():
    encoder = build_with_dropout((16, 16, 3))
    return build_classifier(encoder, 0.5, seed=0), [build_augmentation(AUGMENT, 0), Composite()]


def states(generators):
    return [generator.state.numpy().tolist() for generator in generators]


def test_all_generators_are_found_once_and_in_the_same_order():
    model, others = everything()
    found = seed_generators(model, others, model, others[1].noise)
    assert len(found) == len({id(generator) for generator in found})
    variables = {id(v) for root in (model, *others) for v in root.variables if "seed_generator_state" in v.path}
    assert len(variables) > 15
    assert variables <= {id(generator.state) for generator in found}
    first = [generator.get_config()["seed"] for generator in seed_generators(build_augmentation(AUGMENT, 0))]
    again = [generator.get_config()["seed"] for generator in seed_generators(build_augmentation(AUGMENT, 0))]
    assert first == again


def test_states_depend_on_position_seed_and_step_inside_a_graph():
    generators = seed_generators(*everything())
    traces = []

    @tf.function
    def assign(step):
        traces.append(1)
        assign_seeds(generators, 7, step)

    seen = []
    for step in (0, 1, 0):
        assign(tf.constant(step, tf.int64))
        seen.append(states(generators))
    assert len(traces) == 1
    assert seen[0] == seen[2]
    assert all(a != b for a, b in zip(seen[0], seen[1], strict=True))
    assert len({tuple(state) for state in seen[0]}) == len(generators)
    assign_seeds(generators, 7, 1)
    assert states(generators) == seen[1]
    assign_seeds(generators, 8, 1)
    assert states(generators) != seen[1]


def test_a_step_repeats_whatever_ran_before_it():
    model, (augmentation, composite) = everything()
    generators = seed_generators(model, augmentation, composite)
    images = np.random.default_rng(0).uniform(0, 255, (4, 16, 16, 3)).astype("float32")
    # frozen, so that moving statistics do not change between the calls
    model.trainable = False

    def step(number):
        assign_seeds(generators, 0, number)
        outputs = model(augmentation(images, training=True), training=True)
        return composite(outputs["logit"], training=True).numpy()

    first = step(5)
    assert not np.array_equal(step(6), first)
    step(9)
    np.testing.assert_array_equal(step(5), first)
