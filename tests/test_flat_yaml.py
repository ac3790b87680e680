"""Configs hold plain values; what only a slip or an attack would write is refused before it costs anything."""

import pytest

from magsig_tf.config_files import parse_yaml
from magsig_tf.errors import UsageError


def parsed(text: str):
    return parse_yaml(text, "Expected YAML", "Mend it")


def test_plain_values_are_what_they_look_like():
    text = "a: 1\nb: [0.5, true, null, x]\nc: {d: {e: 2e-3}}\nf: 2026-11-23\ng: 'no'\n"
    assert parsed(text) == {"a": 1, "b": [0.5, True, None, "x"], "c": {"d": {"e": 0.002}}, "f": "2026-11-23", "g": "no"}
    assert parsed("") is None


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS, "an alias"),
        ("a: &a [*a]", "an alias"),
        ("epochs: 3\nseed: 1\nepochs: 4\n", "a key twice"),
        ("a: !!binary aGVsbG8=", "binary"),
        ("a: !!set {b}", "set"),
        ("!!python/object/apply:os.system ['true']", "python/object"),
        ("[" * 20_000, "recursion"),
        ("a: " + "9" * 5000, "4300 digits"),
        ("a: [", "line 1"),
        ("\ta: 1", "line 1"),
        ("a: \x07", "special characters"),
    ],
)
def test_what_is_no_plain_value_is_refused_in_one_line(text, said):
    with pytest.raises(UsageError, match=said) as caught:
        parsed(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
