"""Randomness in layers: augmentation from a config's list, and every seed generator, found and set from outside."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence

import keras
import tensorflow as tf

from magsig_tf.errors import UsageError, nearest
from magsig_tf.models.layers import augmentation as own
from magsig_tf.models.layers.augmentation import Augmentation
from magsig_tf.registry import named_by_user
from magsig_tf.seeding import seed_for

OWN = ("CropZoom", "QuarterTurns", "StainJitter")


def build_augmentation(specification: Sequence[str | Mapping], seed: int) -> Augmentation:
    """Return the layer that carries out a config's `augment` list in order.

    Args:
        specification: Entries are a name or a mapping of one name to its arguments, such as
            `["QuarterTurns", {"StainJitter": {"strength": 0.1}}, {"RandomRotation": {"factor": 0.1}}]`. A name is one
            of magsig's layers, a class of `keras.layers`, or an import path such as `keras_cv.layers.RandAugment`.
        seed: Each layer that takes a seed gets one derived from this, its position and its name, unless it is given.

    Returns:
        A layer from [batch, height, width, 3] pixels 0..255 to the same, float32, clipped to 0..255; called with
        `training=False` it changes nothing.

    Raises:
        UsageError: an entry names no layer, or its arguments are not the layer's.
    """
    steps = [_layer(entry, position, seed) for position, entry in enumerate(specification)]
    return Augmentation(steps, name="augmentation")


def _layer(entry: str | Mapping, position: int, seed: int) -> keras.layers.Layer:
    name, arguments = _parse(entry)
    layer_class = _find(name)
    if "." in name:
        # other packages may draw from TensorFlow's global generator, which under determinism must be set first
        tf.random.set_global_generator(tf.random.Generator.from_seed(seed_for("augmentation", name, seed)))
    signature = inspect.signature(layer_class.__init__)
    if "seed" in signature.parameters:
        arguments.setdefault("seed", seed_for("augmentation", position, name, seed))
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values()):
        arguments.setdefault("dtype", "float32")  # whatever the precision policy of the network is
    try:
        return layer_class(**arguments)
    except Exception as error:  # a layer may raise anything over its arguments
        accepted = [_describe(parameter) for name, parameter in signature.parameters.items() if name != "self"]
        raise UsageError(
            f"Expected arguments that the augmentation layer {name} accepts: {', '.join(accepted)}",
            f"found: {(str(error).splitlines() or [type(error).__name__])[0]}",
            f"Change the entry {name!r} of augment",
        ) from error


def _describe(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_KEYWORD:
        return "and those of keras.layers.Layer"
    return parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default!r}"


def _parse(entry: str | Mapping) -> tuple[str, dict]:
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, Mapping) and len(entry) == 1:
        name, arguments = next(iter(entry.items()))
        if isinstance(name, str) and (arguments is None or isinstance(arguments, Mapping)):
            return name, dict(arguments or {})
    raise UsageError(
        "Expected each entry of augment to be a layer's name or {name: {argument: value}}",
        f"found {entry!r}",
        "Write for example {StainJitter: {strength: 0.1}}",
    )


def _find(name: str) -> type[keras.layers.Layer]:
    if "." in name:
        module, _, attribute = name.rpartition(".")
        remedy = "Install its package (keras-cv: pip install 'magsig[keras-cv]') or correct the path"
        expected = f"Expected an augmentation layer at the import path {name}"
        found = named_by_user(module, attribute, expected, remedy)
    else:
        found = getattr(own if name in OWN else keras.layers, name, None)
    if inspect.isclass(found) and issubclass(found, keras.layers.Layer):
        return found
    random_layers = [known for known in dir(keras.layers) if known.startswith(("Rand", "Aug", "Center", "MixUp"))]
    raise UsageError(
        "Expected an augmentation layer: one of magsig's, a class of keras.layers, or an import path",
        f"found {name!r}" + ("" if found is None else ", which is no Keras layer"),
        nearest(name, [*OWN, *random_layers]),
    )


def seed_generators(*roots: object) -> list[keras.random.SeedGenerator]:
    """Return every seed generator of the given layers and models, nested ones too, each once.

    Args:
        roots: Layers, models, or lists and dictionaries of them. Attributes that are layers, generators, lists, tuples
            or dictionaries are followed, so composite and users' own layers are covered. Keras's global generator,
            which a layer uses when it draws without a seed of its own, is not among them.

    Returns:
        Generators in the order in which the attributes were set: the same in every process that builds the same way.
    """
    return list(_generators_in(roots, set()))


def assign_seeds(
    generators: Sequence[keras.random.SeedGenerator], seed: int, step: tf.Tensor | int, per_replica: bool = True
) -> None:
    """Set each generator to a state that depends on (its position, seed, step) only.

    Called before a training step, it makes the step's random draws repeatable whatever ran before it. Inside a replica
    of a distribution strategy the state depends on the replica too, so that replicas do not drop the same units;
    replica 0 has the states of an undistributed run.

    Args:
        generators: From `seed_generators`.
        seed: The run's seed.
        step: Global step, an integer or an integer tensor; inside a `tf.function` it is no constant of the graph.
        per_replica: Whether replicas differ; False for draws that all of them must make alike.
    """
    context = tf.distribute.get_replica_context()
    replica = context.replica_id_in_sync_group if context is not None and per_replica else 0
    for position, generator in enumerate(generators):
        dtype = generator.state.dtype
        first = tf.constant(seed_for("seed generator", position, seed), dtype)
        # a large odd factor keeps the replicas' seeds away from each other's
        first += tf.cast(replica, dtype) * tf.constant(1_000_003, dtype)
        generator.state.assign(tf.stack([first, tf.cast(step, dtype)]))


def _generators_in(item: object, seen: set[int]) -> Iterator[keras.random.SeedGenerator]:
    if not isinstance(item, keras.random.SeedGenerator | keras.layers.Layer | list | tuple | dict) or id(item) in seen:
        return
    seen.add(id(item))
    if isinstance(item, keras.random.SeedGenerator):
        yield item
        return
    item = vars(item) if isinstance(item, keras.layers.Layer) else item
    for child in list(item.values() if isinstance(item, dict) else item):
        yield from _generators_in(child, seen)
