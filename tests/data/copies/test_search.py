from __future__ import annotations

import hashlib

import numpy as np
import pytest

from magsig_tf.data.copies.search import Copies, find_copies
from magsig_tf.seeding import generator_for
from tests.data.copies.changed_pictures import CHANGES, field


def search(images: list[np.ndarray], **options: object) -> Copies:
    pixels = np.ascontiguousarray(np.stack(images))
    return find_copies(pixels, [hashlib.sha256(image.tobytes()).hexdigest() for image in pixels], **options)


def found_pairs(copies: Copies) -> dict[tuple[int, int], str]:
    return {(row.first, row.second): row.relation for row in copies.pairs.itertuples()}


@pytest.fixture(scope="module")
def fields() -> list[np.ndarray]:
    return [field(number) for number in range(40)]


def test_each_change_is_found_and_named_and_nothing_else(fields):
    changed = [change(fields[number]) for number, (change, _) in enumerate(CHANGES.values())]
    copies = search([*fields, *changed])
    pairs = found_pairs(copies)
    assert set(pairs) == {(number, len(fields) + number) for number in range(len(CHANGES))}
    for number, (name, (_, words)) in enumerate(CHANGES.items()):
        if words:
            assert (name, pairs[number, len(fields) + number]) == (name, words)
    assert copies.pairs["correlation"].between(0.75, 1).all()
    assert not copies.plain.any()
    assert not copies.repeating.any()


@pytest.mark.parametrize("size", [32, 64, 150])
def test_the_size_of_the_images_does_not_matter(size):
    images = [field(f"size {number}", size) for number in range(12)]
    copies = search([*images, images[3][:, ::-1], np.rot90(images[7])])
    assert set(found_pairs(copies)) == {(3, 12), (7, 13)}


def test_threads_change_nothing(fields):
    images = [*fields * 4, fields[0][::-1]]
    assert found_pairs(search(images, threads=1)) == found_pairs(search(images, threads=3))


def test_blank_tiles_are_copies_of_nothing():
    glass = np.full((64, 64, 3), 240, np.uint8)
    noise = generator_for("glass").integers(0, 3, (10, 64, 64, 3), np.uint8)
    copies = search([glass, glass, *(glass - noise), field("one", 64)])
    assert len(copies.pairs) == 0
    assert copies.plain.tolist() == [True] * 12 + [False]


def test_pictures_of_a_repeating_pattern_are_not_called_copies():
    y, x = np.mgrid[:64, :64]
    grid = [np.uint8(128 + 60 * np.sin(x / 2 + start) * np.cos(y / 2 - start)) for start in range(4)]
    copies = search([np.repeat(each[..., None], 3, axis=2) for each in grid])
    assert len(copies.pairs) == 0


def test_a_few_discs_in_the_same_places_are_no_copies():
    y, x = np.mgrid[:64, :64]
    images = []
    for number in range(60):
        random = generator_for("discs", number)
        picture = np.full((64, 64), 210.0) + random.normal(0, 3, (64, 64))
        for _ in range(4):
            at = random.uniform(4, 60, 2)
            picture[(y - at[0]) ** 2 + (x - at[1]) ** 2 < 12] = 80
        images.append(np.repeat(picture.astype(np.uint8)[..., None], 3, axis=2))
    assert len(search(images).pairs) == 0


def test_hundreds_of_copies_of_one_picture_are_linked_by_few_pairs():
    one = field("many", 48)
    random = generator_for("many copies")
    noisy = [np.clip(one + random.normal(0, 6, one.shape), 0, 255).astype(np.uint8) for _ in range(60)]
    copies = search([one] * 300 + noisy)
    assert len(copies.pairs) < 300 + 13 * 60
    linked = {0}
    for first, second in sorted(found_pairs(copies)):
        if first in linked or second in linked:
            linked |= {first, second}
    assert len(linked) > 350


def test_images_of_a_few_pixels_are_compared_for_identity_only():
    small = [field(number, 16) for number in range(6)]
    copies = search([*small, small[2], small[3][:, ::-1]])
    assert not copies.searched
    assert found_pairs(copies) == {(2, 6): "identical"}


@pytest.mark.parametrize("count", [0, 1])
def test_no_pair_of_images_no_copies(count):
    assert len(find_copies(np.zeros((count, 32, 32, 3), np.uint8), ["a"] * count).pairs) == 0


@pytest.mark.real
@pytest.mark.slow
def test_real_tiles_of_different_cases_are_no_copies_and_planted_ones_are_found(real_data):
    from PIL import Image

    from magsig_tf.data.sources.breakhis import parse_name

    files = sorted((real_data / "tiles224").rglob("*.png"))
    images = [np.asarray(Image.open(path).convert("RGB")) for path in files]
    case = [parse_name(path.name).case for path in files]
    chosen = generator_for("planted").choice(len(images), len(CHANGES), replace=False)
    changed = [change(images[number]) for number, (change, _) in zip(chosen, CHANGES.values(), strict=True)]
    pairs = found_pairs(search([*images, *changed], threads=2))
    source = [*range(len(images)), *chosen]
    assert all(case[source[first]] == case[source[second]] for first, second in pairs)
    planted = {(number, len(images) + place) for place, number in enumerate(chosen)}
    assert planted <= set(pairs)
