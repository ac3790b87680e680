"""YAML as configs hold it: plain values. What only a slip or an attack would write is refused."""

from __future__ import annotations

import yaml

from magsig_tf.errors import UsageError

_TAG = "tag:yaml.org,2002:"
_PLAIN = ("null", "bool", "int", "float", "str", "seq", "map")


class _Loader(yaml.SafeLoader):
    """The safe loader without aliases (a few lines of them unpack to gigabytes), repeated keys, bytes and sets."""

    yaml_constructors = {  # noqa: RUF012
        None: yaml.SafeLoader.yaml_constructors[None],  # refuses every other tag
        f"{_TAG}timestamp": yaml.SafeLoader.construct_yaml_str,  # a data set may be called 2026-11-23
        **{f"{_TAG}{name}": yaml.SafeLoader.yaml_constructors[f"{_TAG}{name}"] for name in _PLAIN},
    }

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(
                None, None, "an alias (*name); write the value out", self.peek_event().start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key twice", node.start_mark)
        return mapping


def parse_yaml(text: str, expected: str, remedy: str) -> object:
    """Return the value of a YAML text.

    Args:
        text: The text.
        expected: What it should have been, for the message, as `MagsigError` takes it.
        remedy: What to do where it is not.

    Raises:
        UsageError: the text is no YAML, has tags, aliases or a key twice, or is nested beyond reason.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    # the parser recurses: ten thousand brackets end in RecursionError; dates and long numbers in ValueError
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UsageError(expected, f"found {' '.join(str(error).split())[:200]}", remedy) from error
