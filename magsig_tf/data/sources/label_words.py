"""Which words of a source stand for benign and which for malignant: the usual ones, and those of `--labels`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from magsig_tf.data.columns import LABELS
from magsig_tf.data.identity import plain_name
from magsig_tf.data.plain_text import printable
from magsig_tf.errors import DataError, UsageError

_NUMBERS = {"0": "benign", "1": "malignant"}
_SHOWN = 12
# decides only which of a source's own words an example puts on which side
_OFTEN_MALIGNANT = re.compile(r"malig|tumou?r|cancer|carcin|sarcom|lymphom|melanom|metast|invasive|positive|dcis|idc")


def parse_pairs(text: str | Mapping[str, object], known: Sequence[str], option: str) -> dict[str, str]:
    """Return what `OURS=THEIRS,OURS=THEIRS` says; theirs may hold commas.

    Args:
        text: What the user wrote, or the pairs themselves.
        known: What may stand on the left.
        option: Name of the option, for messages.

    Raises:
        UsageError: there is no pair, or one is given twice.
    """
    if not isinstance(text, str):
        return {str(ours): str(theirs) for ours, theirs in text.items()}
    pairs: dict[str, str] = {}
    for part in re.split(rf",(?=\s*(?:{'|'.join(known)})\s*=)", text):
        ours, separator, theirs = (piece.strip() for piece in part.partition("="))
        if not separator or not ours or not theirs:
            example = f"Write for example {option} {known[0]}=THEIRS,{known[1]}=THEIRS"
            raise UsageError(f"Expected {option} OURS=THEIRS", f"found {part!r}", example)
        if ours in pairs and option == "--labels":
            theirs = f"{pairs[ours]}|{theirs}"
        elif ours in pairs:
            raise UsageError(
                f"Expected each name once on the left of {option}", f"found {ours!r} twice", "Name it once"
            )
        pairs[ours] = theirs
    return pairs


class LabelWords:
    """The words for each of the two classes.

    Args:
        chosen: What `--labels` says, such as "benign=normal|adenosis,malignant=tumor"; None for the usual words:
            benign and malignant, or 0 and 1 in any spelling of these numbers.

    Raises:
        UsageError: another class than the two, or a word in both.
    """

    def __init__(self, chosen: str | Mapping[str, object] | None = None):
        self.classes = {label: label for label in LABELS}
        self.words: dict[str, list[str]] = {}
        if chosen is None:
            self.classes |= _NUMBERS
            return
        for label, words in parse_pairs(chosen, LABELS, "--labels").items():
            if label not in LABELS:
                expected = "Expected benign or malignant on the left of --labels"
                raise UsageError(
                    expected, f"found {label!r}", "Write for example --labels benign=normal,malignant=tumor"
                )
            self.words[label] = [word for word in map(str.strip, words.split("|")) if word]
        said = Counter(_compared(word) for words in self.words.values() for word in {*map(_compared, words)})
        if twice := [word for word, count in said.items() if count > 1]:
            raise UsageError(
                "Expected each word of --labels for one class", f"found {twice[0]!r} for both", "Choose one"
            )
        self.classes |= {_compared(word): label for label, words in self.words.items() for word in words}

    def request(self) -> dict[str, list[str]]:
        """Return what `--labels` says, as plain values that do not depend on how it was written."""
        return {label: sorted(self.words[label]) for label in LABELS if label in self.words}

    def read(self, given: Sequence[str], where: Callable[[int], str], source: str) -> list[str]:
        """Return "benign" or "malignant" for each label of a source.

        Args:
            given: The labels as they are written.
            where: Says where the label of a row (from 0) stands.
            source: What they come from, for messages.

        Raises:
            DataError: a label is neither; the message lists all labels with their counts.
        """
        classes = {label: self.classes.get(_compared(label)) for label in set(given)}
        for row, label in enumerate(given):
            if classes[label] is None:
                raise self._unknown(given, label, where(row), source)
        return [classes[label] or "" for label in given]

    def word(self, text: str) -> str | None:
        """Return a text as the words are compared where it is one of them, else None."""
        return compared if (compared := _compared(text)) in self.classes else None

    def unused(self, given: Sequence[str]) -> list[str]:
        """Return words of `--labels` that no image carries."""
        present = {_compared(label) for label in given}
        return [word for words in self.words.values() for word in words if _compared(word) not in present]

    def _unknown(self, given: Sequence[str], label: str, place: str, source: str) -> DataError:
        return self.refusal(Counter(given), source, label, f" in {place}")

    def refusal(self, counts: Counter[str], source: str, label: str | None = None, place: str = "") -> DataError:
        """Return the refusal of labels that are not known, which lists all of them with an example of `--labels`.

        Args:
            counts: How many images have each label.
            source: What they come from, for messages.
            label: The first that is not known; left out where none stands out.
            place: Where it stands.
        """
        shown = ", ".join(f"{printable(word)[:60] or 'none'} ({count:,})" for word, count in counts.most_common(_SHOWN))
        more = f" and {len(counts) - _SHOWN:,} more" if len(counts) > _SHOWN else ""
        expected = f"Expected the labels benign and malignant (or 0 and 1) in {source}"
        if self.words:
            expected = f"Expected the labels that --labels names in {source}"
        all_of_them = f"{len(counts):,} label{'' if len(counts) == 1 else 's'} {shown}{more}"
        found = f"found the {all_of_them}"
        if label is not None:
            found = f"found {printable(label)[:60]!r}{place}" + f", among the {all_of_them}" * (len(counts) > 1)
        return DataError(expected, found, self._remedy(list(counts)))

    def _remedy(self, labels: list[str]) -> str:
        if not all(labels):
            return "Fill in the column label"
        unknown = [label for label in labels if _compared(label) not in self.classes]
        sides: dict[str, list[str]] = {label: list(self.words.get(label, ())) for label in LABELS}
        for label in unknown:
            sides[LABELS[bool(_OFTEN_MALIGNANT.search(_compared(label)))]].append(printable(label))
        if not all(sides.values()) or len(labels) > _SHOWN:
            sides = {"benign": ["WORD", "WORD"], "malignant": ["WORD"]}
        example = ",".join(f"{label}={'|'.join(words)}" for label, words in sides.items())
        many = "magsig tells two classes apart, so group them" if len(labels) > 2 else "Say which is which"
        return f"{many}, for example with --labels {_quoted(example)}; or correct the label"


def _quoted(text: str) -> str:
    return f'"{text}"' if re.search(r"[^\w=,.-]", text) else text


def _compared(label: str) -> str:
    """Return a label as labels are compared: without case, invisible characters and how a whole number is written."""
    text = plain_name(label).casefold()
    found = re.fullmatch(r"([01])[.,]0+", text, re.ASCII)
    return found[1] if found else text
