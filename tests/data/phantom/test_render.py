import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np

from magsig_tf.data.phantom import MAGNIFICATIONS, PhantomSettings, nuclear_mask, phantom_manifest, render_rows

SETTINGS = PhantomSettings(
    size=48, tiles=2, development_benign=2, development_malignant=2, test_benign=1, test_malignant=1
)
PROGRAM = """
import hashlib
from magsig_tf.data.phantom import PhantomSettings, render_rows
settings = PhantomSettings(
    size=48, tiles=2, development_benign=2, development_malignant=2, test_benign=1, test_malignant=1
)
print(hashlib.sha256(render_rows(settings, range(48)).tobytes()).hexdigest())
"""


def test_another_process_renders_the_same_bytes():
    images = render_rows(SETTINGS, range(48))
    assert images.shape == (48, 48, 48, 3)
    assert images.dtype == np.uint8
    other = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == hashlib.sha256(images.tobytes()).hexdigest()


def test_rows_do_not_depend_on_their_company_or_order():
    images = render_rows(SETTINGS, range(48))
    order = np.random.default_rng(0).permutation(48)
    np.testing.assert_array_equal(render_rows(SETTINGS, order), images[order])
    for row in (0, 17, 47):
        np.testing.assert_array_equal(render_rows(SETTINGS, [row])[0], images[row])
    np.testing.assert_array_equal(render_rows(SETTINGS, [5, 5])[1], images[5])


def test_every_tile_is_its_own():
    images = render_rows(SETTINGS, range(48))
    assert len({image.tobytes() for image in images}) == 48
    other_seed = replace(SETTINGS, seed=1)
    assert not np.array_equal(render_rows(other_seed, [0]), images[:1])


def test_the_same_path_keeps_its_pixels_when_the_cohort_is_confounded():
    confounded = replace(SETTINGS, confounding=0.6)
    plain, skewed = phantom_manifest(SETTINGS)[0], phantom_manifest(confounded)[0]
    common = sorted(set(plain.path) & set(skewed.path))
    assert 30 < len(common) < 48
    np.testing.assert_array_equal(
        render_rows(SETTINGS, plain.index[plain.path.isin(common)]),
        render_rows(confounded, skewed.index[skewed.path.isin(common)]),
    )


def test_nuclei_are_dark_where_the_mask_says_so():
    manifest, _ = phantom_manifest(SETTINGS)
    for magnification in MAGNIFICATIONS:
        row = int(manifest.index[manifest.magnification == magnification][0])
        red = render_rows(SETTINGS, [row])[0, ..., 0].astype(float)
        mask = nuclear_mask(SETTINGS, row, SETTINGS.size)
        assert 0.03 < mask.mean() < 0.6
        assert np.corrcoef(red.ravel(), mask.ravel())[0, 1] < -0.6


def test_tiles_look_stained():
    """Pink to violet on average, with blue-black nuclei and bright glass in gaps."""
    images = render_rows(SETTINGS, range(48)).reshape(48, -1, 3).astype(float)
    red, green, blue = images.mean((0, 1))
    assert red > green + 20
    assert blue > green + 20
    assert (images.std(1) > 10).all()
