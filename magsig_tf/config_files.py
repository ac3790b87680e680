"""Where a config comes from: defaults, then a shipped or own YAML file, then options and `--set key=value`."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from magsig_tf.config import FOR_EMBEDDINGS, LISTS, NAME_KEYS, RECIPE_KEYS, Config, MethodOptions, Settings, Strict
from magsig_tf.errors import UsageError, in_one_line, nearest
from magsig_tf.registry import PluginError, registry
from magsig_tf.statistics_rule import FROZEN, OLD_KEY, REESTIMATED

_TAG = "tag:yaml.org,2002:"
_PLAIN = ("null", "bool", "int", "float", "str", "seq", "map")


class _Loader(yaml.SafeLoader):
    """The safe loader without aliases (a few lines of them unpack to gigabytes), repeated keys, bytes and sets.

    Args:
        text: The document.
        key: The config key whose value the whole document is; empty where it holds keys itself.
    """

    def __init__(self, text: str, key: str = ""):
        super().__init__(text)
        self._key = key

    yaml_constructors = {  # noqa: RUF012
        None: yaml.SafeLoader.yaml_constructors[None],  # refuses every other tag
        f"{_TAG}timestamp": yaml.SafeLoader.construct_yaml_str,  # a data set may be called 2026-11-23
        **{f"{_TAG}{name}": yaml.SafeLoader.yaml_constructors[f"{_TAG}{name}"] for name in _PLAIN},
    }

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "an alias (*name); write the value out", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key twice", node.start_mark)
        return mapping

    def get_single_data(self) -> Any:
        """Return the value of the document, its names as they are written."""
        key = self._key
        node = self.get_single_node()
        if node is None:
            return None
        if key in NAME_KEYS:
            return self.names(node, key)
        pairs = node.value if isinstance(node, yaml.MappingNode) and not key else []
        names = {name.value: self.names(value, name.value) for name, value in pairs if name.value in NAME_KEYS}
        value = self.construct_document(node)
        return value | names if names else value

    def names(self, node: yaml.Node, key: str) -> Any:
        """Return a value that is a name, or a list of names: numbers as they are written.

        Raises:
            UsageError: YAML takes the text for something else, such as 16 for 0x10.
        """
        if isinstance(node, yaml.SequenceNode):
            return [self.names(item, key) for item in node.value]
        is_number = node.tag in (f"{_TAG}int", f"{_TAG}float")
        if is_number and _PLAIN_NUMBER.fullmatch(node.value):
            return node.value
        # what YAML makes of a whole number is only told here, not refused as `construct_whole_number` does
        if isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}int":
            value: object = self.construct_yaml_int(node)
        else:
            value = self.construct_object(node)
        if value is None or isinstance(value, str) or isinstance(node, yaml.MappingNode):
            return value
        found = f"found {node.value[:100]}, which YAML reads as {value}"
        raise UsageError(f"Expected a name as {key}", found, f"Quote it: {key}: '{node.value[:100]}'")

    def construct_whole_number(self, node: yaml.ScalarNode) -> int:
        """Return a whole number, refused where YAML counts it in eights or sixties: 010 would be 8, 1:30 90."""
        value = self.construct_yaml_int(node)
        if re.fullmatch(r"[-+]?0[0-7_]+|.*:.*", node.value):
            found = f"found {node.value[:100]}, which YAML reads as {value}"
            raise UsageError(
                "Expected a number without leading zeros or colons", found, "Write the number that you mean"
            )
        return value


_PLAIN_NUMBER = re.compile(r"(0|[1-9]\d*)(\.\d+)?")
_SHORT_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
"""1e-4 is a number to YAML 1.2 and to everybody, but a text to the parser, which follows YAML 1.1."""

_Loader.yaml_constructors[f"{_TAG}int"] = _Loader.construct_whole_number
_Loader.add_implicit_resolver(f"{_TAG}float", _SHORT_FLOAT, list("-+.0123456789"))


class _Dumper(yaml.SafeDumper):
    """The safe dumper, which quotes the texts that `_Loader` would take for numbers."""


_Dumper.add_implicit_resolver(f"{_TAG}float", _SHORT_FLOAT, list("-+.0123456789"))


def dump_yaml(values: Mapping[str, Any]) -> str:
    """Return a flat mapping as YAML that `parse_yaml` reads as the same."""
    return yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False)


def parse_yaml(text: str, expected: str, remedy: str, key: str = "") -> object:
    """Return the value of a YAML text.

    Args:
        text: The text.
        expected: What it should have been, for the message, as `MagsigError` takes it.
        remedy: What to do where it is not.
        key: The config key whose value it is; empty for a whole document.

    Raises:
        UsageError: the text is no YAML, has tags, aliases or a key twice, or is nested beyond reason.
    """
    try:
        return yaml.load(text, Loader=partial(_Loader, key=key))  # type: ignore[arg-type]  # any callable will do
    # the parser recurses: ten thousand brackets end in RecursionError; dates and long numbers in ValueError
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UsageError(expected, f"found {in_one_line(error)[:200]}", remedy) from error


def method_options() -> dict[str, type[MethodOptions]]:
    """Return the `Options` class of every usable method by name.

    A plugin that cannot be imported is left out here (`magsig plugins` reports it), so that it does not break others.

    Raises:
        PluginError: a method's option has the name of a general setting.
    """
    found: dict[str, type[MethodOptions]] = {}
    methods = registry("methods")
    for name in methods.names():
        try:
            methods.load(name)
        except PluginError:
            continue
        found[name] = _options_of(name, methods.find(name).source)
    return found


def embedding_defaults() -> dict[str, Any]:
    """Return the defaults of config keys for a data set of embeddings, where they are other than for images."""
    found = dict(FOR_EMBEDDINGS)
    for options in method_options().values():
        found.update(options.FOR_EMBEDDINGS)
    return found


def _options_of(name: str, source: str) -> type[MethodOptions]:
    """Return the `Options` of one method, registered or named by import path; `source` says whose it is."""
    options = getattr(registry("methods").load(name), "Options", None)
    if not (isinstance(options, type) and issubclass(options, MethodOptions)):
        raise UsageError(f"Expected a method class at {name}", "found none with `Options`", "Derive it from Method")
    clash = set(options.model_fields) & set(Settings.model_fields)
    if clash:
        expected = f"Expected options of the method {name!r} to have names of their own"
        raise PluginError(expected, f"found {min(clash)!r}, which is a general setting", f"Rename it in {source}")
    _check_embedding_defaults(options, name, source)
    return options


def _check_embedding_defaults(options: type[MethodOptions], name: str, source: str) -> None:
    """Refuse defaults for embeddings that the fields of a method cannot have."""
    expected, defaults = f"Expected defaults for embeddings that the method {name!r} can have", options.FOR_EMBEDDINGS
    if not isinstance(defaults, Mapping):
        raise PluginError(expected, f"found {type(defaults).__name__}", f"Make FOR_EMBEDDINGS a mapping in {source}")
    try:
        options(**defaults)
    except ValidationError as error:
        wrong = [each for each in error.errors() if each["type"] != "missing"]  # a field without default: given later
        if wrong:
            found = f"found {wrong[0]['loc'][0]}: {wrong[0]['msg']}"
            raise PluginError(expected, found, f"Mend {source}") from error


def build_config(raw: Mapping[str, Any]) -> Config:
    """Validate a flat mapping.

    Args:
        raw: Keys of `Settings` and of the options of any registered method.

    Returns:
        The config. Keys of registered methods that the mapping does not name are allowed and ignored, so that one file
        serves `--method baseline` and `--method grl`.

    Raises:
        UsageError: a key is unknown (the nearest is offered), or a value is out of range.
    """
    if OLD_KEY in raw:
        expected = "Expected the key batch_statistics in the place of freeze_batch_statistics"
        remedy = f"Write batch_statistics: {FROZEN if raw[OLD_KEY] is True else REESTIMATED}"
        raise UsageError(expected, f"found {OLD_KEY}: {raw[OLD_KEY]}", remedy)
    settings = _validated(Settings, raw)
    classes = method_options()
    for name in settings.method:
        registry("methods").load(name)  # says why where a method is unknown, taken twice or broken
        if name not in classes:
            classes[name] = _options_of(name, name)
    known = {key for options in classes.values() for key in options.model_fields} | set(Settings.model_fields)
    for key in raw:
        if key not in known:
            raise UsageError("Expected a config key", f"found {key!r}", nearest(key, known))
    options = {name: _validated(classes[name], raw) for name in settings.method}
    return Config(settings, options)


def _validated(model: type[Strict], raw: Mapping[str, Any]) -> Any:
    try:
        return model(**{key: raw[key] for key in model.model_fields if key in raw})
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "config"
        found = f"found {repr(first['input'])[:100]}: {first['msg']}"
        raise UsageError(f"Expected a valid value of {key}", found, "`magsig train --help` lists every key") from error


def shipped_configs() -> list[str]:
    """Return the names of the configs that come with magsig, sorted."""
    names = (entry.name for entry in files("magsig_tf.configs").iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def shipped_config_text(name: str) -> str:
    """Return the YAML text of a config that comes with magsig, its comments included."""
    return files("magsig_tf.configs").joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def read_config_file(name: str) -> dict[str, Any]:
    """Read a shipped config by name or a YAML file by path.

    Returns:
        The flat mapping, not yet validated.

    Raises:
        UsageError: there is no such config, or it is not a flat YAML mapping.
    """
    if name in shipped_configs():
        text = shipped_config_text(name)
    elif Path(name).is_file():
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            expected, found = f"Expected a readable text file {Path(name)}", f"found {in_one_line(error)[:200]}"
            raise UsageError(expected, found, "Check the path") from error
    else:
        remedy = nearest(name, shipped_configs())
        raise UsageError("Expected a shipped config or a YAML file", f"found {name!r}", remedy)
    values = parse_yaml(text, f"Expected YAML in {name}", "Mend the file")
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UsageError(f"Expected `key: value` lines in {name}", f"found a {type(values).__name__}", "Mend the file")
    return values


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Parse `--set` arguments.

    Args:
        assignments: Texts `key=value`, each value read as YAML (`0.5`, `true`, `[]`, `{a: 1}`).

    Raises:
        UsageError: an assignment has no `=`, or its value is not YAML.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            remedy = "Write for example --set lambda_max=0.3"
            raise UsageError("Expected --set key=value", f"found {assignment!r}", remedy)
        key = key.strip().replace("-", "_")
        expected = f"Expected a YAML value for {key}"
        value = parse_yaml(text, expected, "Quote it", key)
        if key in LISTS and isinstance(value, str) and "," in value:  # as the option of that key takes several
            value = [parse_yaml(item, expected, "Quote it", key) for item in value.split(",") if item.strip()]
        values[key] = value
    return values


def load_config(name: str | None = None, *overrides: Mapping[str, Any]) -> Config:
    """Return the validated config of defaults < file < overrides, later ones winning.

    Args:
        name: A shipped config or a path; None for the defaults alone.
        overrides: Flat mappings, for example from options and from `--set`. Where one names a recipe, what the file
            says of the keys that a recipe sets does not count.
    """
    raw = read_config_file(name) if name else {}
    if any("recipe" in override for override in overrides):
        raw = {key: value for key, value in raw.items() if key not in RECIPE_KEYS}
    for override in overrides:
        raw.update(override)
    return build_config(raw)
