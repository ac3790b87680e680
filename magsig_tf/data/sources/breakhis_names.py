"""The naming grammar of BreaKHis, and what the whole data set is known to hold."""

from __future__ import annotations

import importlib.resources
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SUBTYPES = {
    "A": "adenosis",
    "F": "fibroadenoma",
    "PT": "phyllodes_tumor",
    "TA": "tubular_adenoma",
    "DC": "ductal_carcinoma",
    "LC": "lobular_carcinoma",
    "MC": "mucinous_carcinoma",
    "PC": "papillary_carcinoma",
}

# the section letters after the accession are part of the slide: without them 2,117 images would not match
_NAME = re.compile(
    r"(?P<slide>(SOB|CNB)_(?P<label>[BM])_(?P<subtype>[A-Z]{1,4})-(?P<case>\d{2}-\d{1,9})[A-Za-z]{0,8})"
    r"-(?P<magnification>\d{1,5})-(?P<sequence>\d{1,9})\.(?i:png)",
    re.ASCII,
)


@dataclass(frozen=True)
class BreakhisName:
    """What a BreaKHis file name says.

    Args:
        label: "benign" or "malignant".
        subtype: Name of the subtype such as "adenosis", or its letters where they are unknown.
        magnification: Such as "40X".
        case: Accession, `YY-digits`: the patient.
        slide: Accession with prefix and section letters, such as "SOB_B_A-14-22549AB".
        sequence: Number within slide and magnification, as written.
    """

    label: str
    subtype: str
    magnification: str
    case: str
    slide: str
    sequence: str


def parse_name(file_name: str) -> BreakhisName | None:
    """Read a file name of the form `{SOB|CNB}_{B|M}_{subtype}-{YY}-{digits}{letters?}-{magnification}-{seq}.png`.

    Args:
        file_name: The name without its folder.

    Returns:
        What it says, or None for a name that does not follow the pattern.
    """
    found = _NAME.fullmatch(file_name)
    if found is None:
        return None
    return BreakhisName(
        label="benign" if found["label"] == "B" else "malignant",
        subtype=SUBTYPES.get(found["subtype"], found["subtype"]),
        magnification=f"{int(found['magnification'])}X",
        case=found["case"],
        slide=found["slide"],
        sequence=found["sequence"],
    )


def known_breakhis_counts() -> pd.DataFrame:
    """Return how many images each slide has at each magnification in the whole data set.

    Returns:
        DataFrame with one row a (slide, magnification): `slide`, `case`, `label`, `subtype`, `magnification`, `images`;
        7,909 images in all.
    """
    import pandas as pd  # here, because the grammar alone must stay quick to import

    with (importlib.resources.files("magsig_tf.data") / "facts" / "breakhis_slides.csv").open(encoding="utf-8") as text:
        wide = pd.read_csv(text, comment="#")
    return wide.melt(id_vars=["slide", "case", "label", "subtype"], var_name="magnification", value_name="images")


def is_whole_breakhis(manifest: pd.DataFrame) -> bool:
    """Tell whether there are as many images as BreaKHis has, of each slide of each case at each magnification.

    Args:
        manifest: DataFrame with a row an image: `slide`, `case`, `magnification`.
    """
    axes = ["slide", "case", "magnification"]
    # a CSV manifest may name slides as folders do, with `_` where files have `-`
    known = known_breakhis_counts().assign(slide=lambda frame: frame["slide"].str.replace("-", "_"))
    images = known[known["images"] > 0].set_index(axes)["images"]
    found = manifest.assign(slide=manifest["slide"].astype(str).str.replace("-", "_")).groupby(axes).size()
    return len(found) == len(images) and bool(found.reindex(images.index).eq(images).all())
