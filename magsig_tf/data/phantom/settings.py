"""What a phantom is made of: its size, its cohorts and how hard it is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from magsig_tf.errors import UsageError, nearest

MAGNIFICATIONS = ("40X", "100X", "200X", "400X")

DEFAULT_FIELDS_UM = (180.0, 110.0, 67.0, 41.0)
"""Sides of the square fields: a narrower range than BreaKHis's, so that 400X still shows a dozen nuclei."""

TRUE_FIELDS_UM = (225.4, 92.0, 46.0, 23.0)
"""Sides of BreaKHis's fields: 460 px of 0.49, 0.20, 0.10 and 0.05 um."""

MOST_IMAGES = 2_000_000


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

    size: int = 64
    tiles: int = 6
    development_benign: int = 24
    development_malignant: int = 58
    test_benign: int = 50
    test_malignant: int = 50
    seed: int = 0
    fields_um: tuple[float, float, float, float] = DEFAULT_FIELDS_UM
    true_fields: bool = False
    separation: float = 1.0
    factor_noise: float = 0.6
    colour_cast: float = 1.0
    confounding: float = 0.0

    def __post_init__(self) -> None:
        for name, least, most in _WHOLE_NUMBERS:
            self._set(name, _whole_number(name, getattr(self, name), least, most))
        for name, least, most in _NUMBERS:
            self._set(name, _number(name, getattr(self, name), least, most))
        if not isinstance(self.true_fields, bool):
            raise UsageError("Phantom setting true_fields must be true or false", f"Found {self.true_fields!r}")
        self._set("fields_um", _fields(self.fields_um))
        if self.true_fields and self.fields_um != DEFAULT_FIELDS_UM:
            raise UsageError(
                "Phantom settings take either true_fields or fields_um", "Found both", "Leave one of them out"
            )
        if (self.test_benign == 0) != (self.test_malignant == 0):
            expected = "The phantom's test cohort needs cases of both classes, or none at all"
            remedy = "Set test_benign and test_malignant both to 0, or both above 0"
            raise UsageError(expected, f"Found {self.test_benign} benign and {self.test_malignant} malignant", remedy)
        images = self.cases * self.tiles * len(MAGNIFICATIONS)
        if images > MOST_IMAGES:
            raise UsageError(
                f"A phantom may hold {MOST_IMAGES:,} images", f"These settings ask for {images:,}", "Lower tiles"
            )

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the class is frozen; this only normalises what the caller passed

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

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> PhantomSettings:
        """Build settings from a config or from command line options.

        Args:
            options: Field names and values; what is left out keeps its default.

        Raises:
            UsageError: If a name is unknown (the nearest known one is offered) or a value is out of range.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in options:
            if name not in known:
                raise UsageError("Expected a phantom setting", f"Found {name!r}", nearest(str(name), known))
        return cls(**options)


_WHOLE_NUMBERS: tuple[tuple[str, float, float], ...] = (
    ("size", 16, 1024),
    ("tiles", 1, 10_000),
    ("development_benign", 1, 100_000),
    ("development_malignant", 1, 100_000),
    ("test_benign", 0, 100_000),
    ("test_malignant", 0, 100_000),
    ("seed", -(2**63), 2**63),
)
_NUMBERS = (
    ("separation", 0.0, 10.0),
    ("factor_noise", 0.0, 10.0),
    ("colour_cast", 0.0, 3.0),
    ("confounding", 0.0, 1.0),
)


def _whole_number(name: str, value: Any, least: float, most: float) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise UsageError(f"Phantom setting {name} must be a whole number", f"Found {value!r}")
    return int(_within(name, int(value), least, most))


def _number(name: str, value: Any, least: float, most: float) -> float:
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"Phantom setting {name} must be a finite number", f"Found {value!r}")
    return _within(name, number, least, most)


def _within(name: str, value: float, least: float, most: float) -> float:
    if not least <= value <= most:
        raise UsageError(f"Phantom setting {name} must lie in {least} to {most}", f"Found {value}")
    return value


def _fields(value: object) -> tuple[float, ...]:
    if not isinstance(value, list | tuple) or len(value) != len(MAGNIFICATIONS):
        raise UsageError(
            f"Phantom setting fields_um must hold {len(MAGNIFICATIONS)} lengths in micrometres", f"Found {value!r}"
        )
    return tuple(_number("fields_um", side, 4.0, 600.0) for side in value)
