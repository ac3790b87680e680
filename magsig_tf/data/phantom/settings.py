"""What a phantom is made of: its size, its cohorts and how hard it is."""

from __future__ import annotations

import dataclasses
import math
import operator
from dataclasses import dataclass
from typing import Any

from magsig_tf.errors import UsageError

MAGNIFICATIONS = ("40X", "100X", "200X", "400X")

DEFAULT_FIELDS_UM = (180.0, 110.0, 67.0, 41.0)
"""Sides of the square fields: a narrower range than BreaKHis's, so that 400X still shows a dozen nuclei."""

TRUE_FIELDS_UM = (225.4, 92.0, 46.0, 23.0)
"""Sides of BreaKHis's fields: 460 px of 0.49, 0.20, 0.10 and 0.05 um."""

MOST_IMAGES = 2_000_000


def _in_range(default: float, least: float, most: float) -> Any:
    """Return a field for numbers from `least` to `most`: whole ones where these are."""
    return dataclasses.field(default=default, metadata={"range": (least, most)})


def _number(name: str, value: Any, least: float, most: float) -> float:
    whole = isinstance(least, int)
    try:
        number = math.nan if isinstance(value, bool | str) else operator.index(value) if whole else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not abs(number) < math.inf:
        kind = "whole" if whole else "finite"
        raise UsageError(f"Phantom setting {name} must be a {kind} number", f"Found {value!r}")
    if not least <= number <= most:
        raise UsageError(f"Phantom setting {name} must lie in {least} to {most}", f"Found {number}")
    return number


@dataclass(frozen=True)
class PhantomSettings:
    """Everything that decides a phantom: equal settings give equal pixels.

    Args:
        size: Side of a tile in pixels, 16 to 1024.
        tiles: Sites per case; each is rendered at every magnification, so this is also the number of tiles per case
            and magnification (unless `confounding` skews it).
        development_benign, development_malignant: Cases from which training and validation are drawn, 1 or more each;
            the default has BreaKHis's 82 slides in its proportions.
        test_benign, test_malignant: Cases of the fixed test cohort; 0 and 0 for none.
        seed: Any integer; every draw derives from it by name.
        fields_um: Side of the square field at each of `MAGNIFICATIONS`, micrometres, 4 to 600.
        true_fields: Use BreaKHis's fields instead (`TRUE_FIELDS_UM`).
        separation: Half the distance between the classes' mean grades, 0 to 10; 0 makes the classes alike.
        factor_noise: Standard deviation with which each factor strays from the case's grade, 0 to 10.
        colour_cast: Strength of what only the objective adds (white balance, vignetting), 0 to 3; 0 for none.
        confounding: Strength, 0 to 1, with which class and magnification are entangled in the development cohort: a
            malignant case has `1 + confounding * t` times as many tiles and a benign one `1 - confounding * t` times,
            where t runs evenly from -1 (first magnification) to 1 (last). The test cohort stays balanced.

    Raises:
        UsageError: If a value is of another kind or out of range.
    """

    size: int = _in_range(64, 16, 1024)
    tiles: int = _in_range(6, 1, 10_000)
    development_benign: int = _in_range(24, 1, 100_000)
    development_malignant: int = _in_range(58, 1, 100_000)
    test_benign: int = _in_range(50, 0, 100_000)
    test_malignant: int = _in_range(50, 0, 100_000)
    seed: int = _in_range(0, -(2**63), 2**63)
    fields_um: tuple[float, float, float, float] = DEFAULT_FIELDS_UM
    true_fields: bool = False
    separation: float = _in_range(1.0, 0.0, 10.0)
    factor_noise: float = _in_range(0.6, 0.0, 10.0)
    colour_cast: float = _in_range(1.0, 0.0, 3.0)
    confounding: float = _in_range(0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        ranges = {field.name: field.metadata["range"] for field in dataclasses.fields(self) if field.metadata}
        numbers = {name: _number(name, getattr(self, name), *limits) for name, limits in ranges.items()}
        if not isinstance(self.true_fields, bool):
            raise UsageError("Phantom setting true_fields must be true or false", f"Found {self.true_fields!r}")
        if not isinstance(self.fields_um, list | tuple) or len(self.fields_um) != len(MAGNIFICATIONS):
            expected = f"Phantom setting fields_um must hold {len(MAGNIFICATIONS)} lengths in micrometres"
            raise UsageError(expected, f"Found {self.fields_um!r}")
        fields_um = tuple(_number("fields_um", side, 4.0, 600.0) for side in self.fields_um)
        # the class is frozen; this only normalises what the caller passed
        vars(self).update(numbers, fields_um=fields_um)
        if self.true_fields and self.fields_um != DEFAULT_FIELDS_UM:
            expected = "Phantom settings take either true_fields or fields_um"
            raise UsageError(expected, "Found both", "Leave one of them out")
        if (self.test_benign == 0) != (self.test_malignant == 0):
            expected = "The phantom's test cohort needs cases of both classes, or none at all"
            remedy = "Set test_benign and test_malignant both to 0, or both above 0"
            raise UsageError(expected, f"Found {self.test_benign} benign and {self.test_malignant} malignant", remedy)
        images = self.cases * self.tiles * len(MAGNIFICATIONS)
        if images > MOST_IMAGES:
            found = f"These settings ask for {images:,}"
            raise UsageError(f"A phantom may hold {MOST_IMAGES:,} images", found, "Lower tiles")

    @property
    def cases(self) -> int:
        """Number of cases in both cohorts."""
        return self.development_benign + self.development_malignant + self.test_benign + self.test_malignant

    def field_um(self, magnification: str) -> float:
        """Return the side of the field at a magnification, micrometres."""
        fields = TRUE_FIELDS_UM if self.true_fields else self.fields_um
        return fields[MAGNIFICATIONS.index(magnification)]

    def pixel_size_um(self, magnification: str) -> float:
        """Return the side of a pixel at a magnification, micrometres."""
        return self.field_um(magnification) / self.size
