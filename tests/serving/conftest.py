"""One tiny run and one export of it, shared by every test of a process."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.serving.tiny_export import shared_study


@pytest.fixture(scope="session")
def study(tmp_path_factory, tensorflow):
    """A finished run; tests that change it copy it first."""
    return shared_study(tmp_path_factory.mktemp)


@pytest.fixture(scope="session")
def signature():
    """A made-up sparse signature of three dimensions."""
    from magsig_tf.serving.exporting.served_model import SparseSignature

    return SparseSignature(
        indices=np.array([3, 40, 90]),
        coefficients=np.array([0.7, -1.1, 0.2]),
        intercept=0.3,
        mean=np.array([0.1, 0.4, 0.0]),
        scale=np.array([0.5, 0.2, 1.5]),
        dimensions=128,
        penalty=0.01,
    )


@pytest.fixture(scope="session")
def exported(study, signature, tmp_path_factory):
    """The first version of the model `tiny`, with a temperature and a signature."""
    from magsig_tf.serving.exporting import export

    root = tmp_path_factory.mktemp("saved_models")
    run = export.open_whole(study.folder)
    fit = export.fit_temperature
    with pytest.MonkeyPatch.context() as patch:
        # eight steps on noise say nothing of the label, and then no temperature fits
        found = {"value": 1.7, "log_loss_after": 0.6, "reason": ""}
        patch.setattr(export, "fit_temperature", lambda validation: replace(fit(validation), **found))
        return export.export_run(
            run, study.prepared, root=root, name="tiny", signature=signature, with_temperature=True
        )


@pytest.fixture(scope="session")
def loaded(exported):
    """The export, loaded again."""
    from magsig_tf.serving.exported_model import ExportedModel

    return ExportedModel.open(exported.folder)
