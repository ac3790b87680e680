"""A split held against the rules of one that does not leak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from magsig_tf.data.audit.findings import Audited, Finding, counts_of, findings_of
from magsig_tf.data.audit.listing import read_split
from magsig_tf.data.audit.pictures import picture_findings
from magsig_tf.runs.result_files import write_frame
from magsig_tf.workflows.finished_runs import Progress, silent


def audit(
    split: Path,
    *,
    images: Path | None = None,
    columns: str | Mapping[str, object] | None = None,
    case_from: str | None = None,
    sheet: str | None = None,
    no_pictures: bool = False,
    workers: int | None = None,
    csv: Path | None = None,
    progress: Progress = silent,
) -> Audited:
    """Look for what leaks in a split.

    Args:
        split: A table with the part or fold of each path or case, a list such as BreaKHis' `dsfold1.txt`, a folder with
            a folder for each part, or `predictions.parquet` of a run.
        images: Folder that the paths of a table are relative to; that of the table if not given.
        columns: Our name of a column and the table's, as a mapping or as `OURS=THEIRS,OURS=THEIRS`.
        case_from: Regular expression whose group is the case in a path.
        sheet: Sheet of a workbook.
        no_pictures: Leave the pictures unread.
        workers: Processes that read images; all cores if not given.
        csv: Also write the findings here.
        progress: Told how many pictures are read, and of how many.

    Raises:
        UsageError: there is no such file or folder.
        DataError: the split cannot be read, a part is not known, or an image's case cannot be told.
        MagsigError: the CSV cannot be written.
    """
    listing = read_split(split, images=images, columns=columns, case_from=case_from, sheet=sheet)
    findings = findings_of(listing.rows)
    if no_pictures:
        findings.append(Finding("copies", "unchecked", "pictures were not compared: --no-pictures"))
    else:
        with progress("reading pictures") as told:
            findings += picture_findings(listing, search=images is not None, workers=workers, progress=told)
    audited = Audited(Path(split), listing, findings, counts_of(listing.rows))
    if csv is not None:
        rows = [asdict(each) | {"examples": "; ".join(each.examples)} for each in findings]
        write_frame(pd.DataFrame(rows), csv.parent, "", csv)
    return audited
