"""A vision transformer in a folder as Hugging Face lays it out: what its files say, and nothing in them runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from magsig_tf.data.embedded.safetensors_arrays import SafetensorsError, as_float32, read_header
from magsig_tf.data.plain_text import printable
from magsig_tf.errors import DataError, UsageError, in_one_line, reading_remedy
from magsig_tf.registry import ENCODER_FILES

CONFIG, PREPROCESSING, WEIGHTS = ENCODER_FILES
_LONGEST = 2**20
_UNUSED = ("pooler.", "classifier.", "embeddings.mask_token")

Number = Annotated[int, Field(gt=0, le=100_000)]
Colours = tuple[float, float, float]
_Model = TypeVar("_Model", bound=BaseModel)


class TransformerConfig(BaseModel):
    """What config.json says of the network, under the names of transformers."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())

    model_type: Literal["vit", "dinov2", "dinov2_with_registers"]
    hidden_size: Number
    num_hidden_layers: Number
    num_attention_heads: Number
    layer_norm_eps: Annotated[float, Field(gt=0, lt=1)]
    image_size: Number
    patch_size: Number
    hidden_act: Literal["gelu"]
    num_channels: Literal[3] = 3
    qkv_bias: bool = True
    intermediate_size: Number | None = None
    mlp_ratio: Annotated[float, Field(gt=0, le=100)] = 4
    use_swiglu_ffn: bool = False
    num_register_tokens: Annotated[int, Field(ge=0, le=100)] = 4

    @property
    def inner_size(self) -> int:
        """Width inside the blocks' two dense layers; with SwiGLU two thirds of it, in steps of 8."""
        width = self.intermediate_size if self.model_type == "vit" else None
        width = width or int(self.hidden_size * self.mlp_ratio)
        return (int(width * 2 / 3) + 7) // 8 * 8 if self.swiglu else width

    @property
    def swiglu(self) -> bool:
        """Whether the blocks have a gate (Shazeer 2020) in place of GELU."""
        return self.model_type != "vit" and self.use_swiglu_ffn

    @property
    def registers(self) -> int:
        """Number of register tokens."""
        return self.num_register_tokens if self.model_type == "dinov2_with_registers" else 0


class PreprocessorConfig(BaseModel):
    """What preprocessor_config.json says of colours; the images' size is that of the prepared data."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    image_mean: Colours
    image_std: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
    rescale_factor: Annotated[float, Field(gt=0)] = 1 / 255
    do_rescale: Literal[True] = True
    do_normalize: Literal[True] = True


@dataclass(frozen=True)
class HuggingFaceFolder:
    """A folder with config.json, preprocessor_config.json and model.safetensors.

    Args:
        path: The folder.
    """

    path: Path

    def config(self) -> TransformerConfig:
        """Return the network's configuration.

        Raises:
            UsageError: the folder or the file is missing.
            DataError: it describes another network than a ViT, DINOv2 or DINOv2 with registers.
        """
        said = self._json(CONFIG)
        if "architecture" in said and "model_type" not in said:
            raise DataError(
                f"Expected a config of transformers in {self.path / CONFIG}",
                f"found one of timm ({printable(str(said['architecture']))[:60]})",
                "Calculate the embeddings with timm and prepare their file with magsig prepare --source",
            )
        config = self._checked(TransformerConfig, said, CONFIG)
        if config.hidden_size % config.num_attention_heads or config.image_size % config.patch_size:
            heads = f"{config.hidden_size} in {config.num_attention_heads}"
            found = f"found {heads}, {config.image_size} in {config.patch_size}"
            expected = f"Expected whole heads and patches in {self.path / CONFIG}"
            raise DataError(expected, found, "Use the published file")
        return config

    def preprocessing(self) -> PreprocessorConfig:
        """Return mean and SD of the colours.

        Raises:
            UsageError: the file is missing.
            DataError: it says no mean and SD, or that pixels are not scaled by them.
        """
        return self._checked(PreprocessorConfig, self._json(PREPROCESSING), PREPROCESSING)

    def weights(self) -> dict[str, np.ndarray]:
        """Return name -> float32 array, without the prefix that a label head gives the names.

        Raises:
            UsageError: the file is missing.
            DataError: it is damaged, or holds numbers of another kind.
        """
        path = self._file(WEIGHTS)
        try:
            tensors = {_bare(name): tensor for name, tensor in read_header(path)[0].items()}
            return {name: as_float32(path, tensor) for name, tensor in tensors.items() if not name.startswith(_UNUSED)}
        except (SafetensorsError, OSError) as error:
            remedy = reading_remedy(error, "Fetch the file again")
            raise DataError(f"Expected to read {path}", f"found: {in_one_line(error)[:200]}", remedy) from error

    def _file(self, name: str) -> Path:
        path = self.path / name
        if path.is_file():
            return path
        there = [each for each in ("pytorch_model.bin", "model.safetensors.index.json") if (self.path / each).is_file()]
        found = "found no such folder" if not self.path.is_dir() else f"found {there[0]}" if there else "found none"
        remedy = f"Put {CONFIG}, {PREPROCESSING} and {WEIGHTS} of the model into that folder"
        if name == WEIGHTS and there:
            remedy = (
                "magsig unpickles nothing and reads one file: where transformers is installed, "
                "AutoModel.from_pretrained(FOLDER).save_pretrained(FOLDER, max_shard_size='100GB')"
            )
        raise UsageError(f"Expected the file {path}", found, remedy)

    def _json(self, name: str) -> dict:
        path = self._file(name)
        try:
            text = path.read_text(encoding="utf-8") if path.stat().st_size <= _LONGEST else ""
            said = json.loads(text)
        except (OSError, ValueError, RecursionError) as error:
            remedy = reading_remedy(error, "Fetch the file again")
            raise DataError(f"Expected JSON in {path}", f"found: {in_one_line(error)[:200]}", remedy) from error
        if not isinstance(said, dict):
            raise DataError(f"Expected a JSON object in {path}", f"found {type(said).__name__}", "Fetch the file again")
        return said

    def _checked(self, model: type[_Model], said: dict, name: str) -> _Model:
        try:
            return model.model_validate(said)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            found = f"found {printable(repr(said.get(str(first['loc'][0]))))[:60]}"
            expected = f"Expected {key} in {self.path / name} ({first['msg']})"
            raise DataError(expected, found, "magsig reads ViT, DINOv2 and DINOv2 with registers") from error


def _bare(name: str) -> str:
    for prefix in ("vit.", "dinov2.", "dinov2_with_registers."):
        name = name.removeprefix(prefix)
    return name
