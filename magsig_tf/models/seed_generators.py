"""Every source of randomness inside layers, found and set from outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

from magsig_tf.seeding import seed_for


def seed_generators(*roots: object) -> list[keras.random.SeedGenerator]:
    """Return every seed generator of the given layers and models, nested ones too, each once.

    Args:
        roots: Layers, models, or lists and dictionaries of them. Attributes that are layers, generators, lists, tuples
            or dictionaries are followed, so composite and users' own layers are covered. Keras's global generator,
            which a layer uses when it draws without a seed of its own, is not among them.

    Returns:
        Generators in the order in which the attributes were set: the same in every process that builds the same way.
    """
    return list(_find(roots, set()))


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


def _find(item: object, seen: set[int]) -> Iterator[keras.random.SeedGenerator]:
    if not isinstance(item, keras.random.SeedGenerator | keras.layers.Layer | list | tuple | dict) or id(item) in seen:
        return
    seen.add(id(item))
    if isinstance(item, keras.random.SeedGenerator):
        yield item
        return
    item = vars(item) if isinstance(item, keras.layers.Layer) else item
    for child in list(item.values() if isinstance(item, dict) else item):
        yield from _find(child, seen)
