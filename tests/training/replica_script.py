"""Trains a few steps of plain gradient descent under a strategy and stores the weights: run as a process by tests."""

import sys
from pathlib import Path

import numpy as np

STEPS, LEARNING_RATE = 20, 0.003


def main(kind: str, workspace: str, target: str) -> None:
    from magsig_tf.data.batches import read_batches
    from magsig_tf.data.prepared import PreparedDataset
    from magsig_tf.data.splits import split_of
    from magsig_tf.execution.resumption import snapshot
    from magsig_tf.execution.runtime import configure_tensorflow
    from magsig_tf.execution.tensorflow_import import load_tensorflow
    from magsig_tf.execution.workers import join_workers
    from magsig_tf.training.parts import RunParts
    from magsig_tf.training.step import TrainingStep
    from tests.tiny import tiny_config

    config = tiny_config(
        method=["grl"],
        strategy=kind,
        virtual_replicas=2 if kind == "mirrored" else 0,
        synchronized_batch_norm=True,
        augment=[],
        dropout=0.0,
        clip_norm=0.5,
    )
    config = config.for_run(dataset="tiny", method="grl", holdout="400X", patient_fold=0, seed=0)
    load_tensorflow()
    configure_tensorflow(config.settings)
    workers = join_workers(kind, print)
    import keras

    prepared = PreparedDataset.open(Path(workspace) / "data" / "tiny")
    parts = RunParts(config, prepared, split_of(config, prepared), workers)
    with parts.strategy.scope():
        # AdamW turns rounding noise on zero gradients into whole steps, so replicas are compared under plain descent
        parts.optimizer = keras.optimizers.SGD(LEARNING_RATE)
        parts.optimizer.build(parts.classifier.trainable_variables)
        for name, network in parts.method.networks.items():
            parts.method.optimizers[name] = keras.optimizers.SGD(LEARNING_RATE)
            parts.method.optimizers[name].build(network.trainable_variables)
    before = snapshot(parts.variables())
    step, taken = TrainingStep(parts), 0
    for epoch in range(STEPS):
        share = (workers.index, workers.count)
        for batch in read_batches(prepared.images, prepared.labels, parts.plan, epoch, share=share):
            if taken < STEPS:
                step(batch, taken)
                taken += 1
    step.gather_statistics()
    arrays = {name: value for name, value in snapshot(parts.variables()).items() if not name.startswith("optimizer")}
    moved = max(np.abs(array - before[name]).max() for name, array in arrays.items())
    np.savez(f"{target}-{workers.index}.npz", steps=taken, moved=moved, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
