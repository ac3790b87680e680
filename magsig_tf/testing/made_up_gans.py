"""GANs of a fold that need no training: files made up from training images at the GAN's size."""

from __future__ import annotations

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import write_json
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.resampling import downsampled
from magsig_tf.gan.fold import FoldGans
from magsig_tf.seeding import generator_for


def write_fold(fold: FoldGans, prepared: PreparedDataset, **record: object) -> FoldGans:
    """Write `fold.json`, `synthetic.npy` and `synthetic.parquet` of a finished fold, as many images as it has rows.

    Args:
        fold: Whose GANs they would be.
        prepared: The data.
        record: What `fold.json` says otherwise, such as another split_hash.
    """
    fold.folder.mkdir(parents=True, exist_ok=True)
    write_json(fold.folder / "fold.json", {"status": "done", **fold.identity, **record})
    frames, images = [], []
    for part in fold.parts:
        small = downsampled(prepared.images[part.rows], fold.options.gan_size).astype(float)
        noise = generator_for("made-up gan", part.name).normal(0, 4, small.shape)
        images.append(np.clip(small + noise, 0, 255).astype(np.uint8))
        columns = {"part": part.name, "label": part.label, "magnification": part.magnification}
        frames.append(pd.DataFrame({**columns, "index": range(len(small))}))
    np.save(fold.folder / "synthetic.npy", np.concatenate(images))
    pd.concat(frames, ignore_index=True).to_parquet(fold.folder / "synthetic.parquet", index=False)
    return fold
