"""What an untrusted SavedModel may hold, checked before TensorFlow opens it.

A SavedModel is a program: its graph can read and write files and call Python, and some of it runs while it is loaded.
Here its protocol buffer is parsed, which runs nothing, and refused unless all of it is known to be harmless. What is
checked and what is not is written in docs/predict.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorflow.core.framework import node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from magsig_tf.errors import DataError

_OPERATIONS = (
    # structure of the graph
    "Assert AssignVariableOp BroadcastArgs BroadcastGradientArgs BroadcastTo Case Cast CheckNumerics ConcatV2",
    "ConcatOffset Const DisableCopyOnRead DynamicPartition DynamicStitch EnsureShape ExpandDims Fill Gather GatherNd",
    "GatherV2 Identity IdentityN If InvertPermutation LinSpace NoOp OneHot OnesLike Pack ParallelConcat",
    "PartitionedCall Pad PadV2 MirrorPad MirrorPadGrad Placeholder PlaceholderWithDefault PreventGradient Range Rank",
    "ReadVariableOp Reshape Reverse ReverseV2 Roll ScatterNd Select SelectV2 Shape ShapeN Size Slice Split SplitV",
    "Squeeze StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile StopGradient StridedSlice",
    "StridedSliceGrad TensorScatterAdd TensorScatterUpdate TensorListElementShape TensorListFromTensor",
    "TensorListGather TensorListGetItem TensorListLength TensorListPopBack TensorListPushBack TensorListReserve",
    "TensorListSetItem TensorListStack Tile Transpose Unpack UnsortedSegmentSum Unique UniqueV2 VarHandleOp Where",
    "While ZerosLike",
    # arithmetic
    "Abs Add AddN AddV2 All Any ArgMax ArgMin BatchMatMul BatchMatMulV2 BatchMatMulV3 Ceil ClipByValue Cos Cosh Cross",
    "Cumprod Cumsum Div DivNoNan Einsum Equal Erf Erfc Erfinv Exp Expm1 Floor FloorDiv FloorMod Greater GreaterEqual",
    "Inv InvGrad InTopKV2 IsFinite IsInf IsNan L2Loss Less LessEqual Log Log1p LogicalAnd LogicalNot LogicalOr MatMul",
    "Max Maximum Mean Min Minimum Mod Mul MulNoNan Neg NotEqual Pow Prod RealDiv Reciprocal ReciprocalGrad Rint Round",
    "Rsqrt RsqrtGrad Sign Sin Sinh Sqrt SqrtGrad Square SquaredDifference Sub Sum Tan Tanh TanhGrad TopKV2 TruncateDiv",
    "Xdivy Xlogy",
    # layers
    "AvgPool AvgPoolGrad BatchToSpaceND BiasAdd BiasAddGrad Conv2D Conv2DBackpropFilter Conv2DBackpropInput",
    "DepthToSpace DepthwiseConv2dNative DepthwiseConv2dNativeBackpropFilter DepthwiseConv2dNativeBackpropInput Elu",
    "EluGrad FusedBatchNorm FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3 FusedBatchNormV2",
    "FusedBatchNormV3 LeakyRelu LeakyReluGrad LogSoftmax MaxPool MaxPoolGrad MaxPoolGradV2 MaxPoolV2 Relu Relu6",
    "Relu6Grad ReluGrad Selu SeluGrad Sigmoid SigmoidGrad Softmax Softplus SoftplusGrad Softsign SoftsignGrad",
    "SpaceToBatchND SpaceToDepth",
    # pictures
    "AdjustContrastv2 AdjustHue AdjustSaturation CropAndResize DecodeAndCropJpeg DecodeBmp DecodeImage DecodeJpeg",
    "DecodePng DecodeRaw DenseToDenseSetOperation EncodePng ExtractImagePatches ExtractJpegShape HSVToRGB",
    "ImageProjectiveTransformV3 ResizeArea ResizeBicubic ResizeBicubicGrad ResizeBilinear ResizeBilinearGrad",
    "ResizeNearestNeighbor ResizeNearestNeighborGrad RGBToHSV ScaleAndTranslate ScaleAndTranslateGrad",
    # texts
    "AsString RegexFullMatch StaticRegexFullMatch StringFormat StringJoin StringLength Substr",
    # data sets in memory
    "BatchDatasetV2 ConcatenateDataset DatasetToSingleElement FilterDataset IgnoreErrorsDataset MapDataset",
    "OptimizeDatasetV2 ParallelMapDatasetV2 PrefetchDataset RangeDataset TakeDataset TensorDataset TensorSliceDataset",
    "ZipDataset",
)
ALLOWED = frozenset(" ".join(_OPERATIONS).split())
"""In every function of a model, called or not."""

OF_SAVERS = frozenset(("MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"))
"""Besides, in the two functions that a SavedModel holds to write and read its own weights, which nothing calls."""

_DANGERS = {
    "can read any file": "ReadFile MatchingFiles RestoreV2 Restore RestoreSlice LookupTableImportV2 TFRecordDataset "
    "TFRecordDatasetV2 TextLineDataset FixedLengthRecordDatasetV2 WholeFileReaderV2 "
    "InitializeTableFromTextFileV2 LoadDataset",
    "can write files": "WriteFile SaveV2 Save SaveSlices PrintV2 Print SaveDataset MergeV2Checkpoints WriteSummary "
    "CreateSummaryFileWriter CacheDatasetV2",
    "calls Python": "PyFunc PyFuncStateless EagerPyFunc",
    "reaches other processes": "RpcCall RpcClient RpcServer RemoteCall DataServiceDatasetV4 _Send _Recv",
}
KNOWN_DANGERS = {operation: words for words, operations in _DANGERS.items() for operation in operations.split()}


def danger(operation: str) -> str:
    """Return in words why an operation is refused."""
    return KNOWN_DANGERS.get(operation, "is none that a network here needs")


GRAPH = "saved_model.pb"
_FILES = re.compile(
    r"saved_model\.pb|fingerprint\.pb|variables/variables\.(index|data-\d{5}-of-\d{5})|assets\.extra/.+"
)
# `saved_model.cpb` and `.pbtxt` would be read in place of the file that was checked
_LARGEST_GRAPH = 2**30
OBJECTS = {"_generic_user_object", "signature_map"} | {
    f"trackable_{kind}_wrapper" for kind in ("list", "dict", "tuple")
}
KINDS = {"user_object", "function", "bare_concrete_function", "variable", "constant", "captured_tensor"}


def check_saved_model(folder: Path) -> None:
    """Refuse a SavedModel that holds more than a network and its numbers.

    Args:
        folder: One version's folder, with `saved_model.pb`.

    Raises:
        DataError: a link, a file or an operation in it is none that a network needs, or it cannot be read.
    """
    try:
        _check_files(folder)
        _check_graph(_read(folder / GRAPH))
    except (ValueError, OSError) as error:
        expected = f"Expected a SavedModel of layers and numbers in {folder}"
        remedy = "Use only models whose origin you know; `magsig export` writes one that passes"
        raise DataError(expected, f"found: {' '.join(str(error).split())}", remedy) from error


def _check_files(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        # a link could lead the weights, or what a server copies, out of the folder
        if path.is_symlink():
            raise ValueError(f"{name} is a link")
        if not path.is_dir() and not (path.is_file() and _FILES.fullmatch(name)):
            raise ValueError(f"{name} is no file of a SavedModel without assets")


def _read(path: Path) -> meta_graph_pb2.MetaGraphDef:
    if path.stat().st_size > _LARGEST_GRAPH:
        raise ValueError(f"a graph of {path.stat().st_size} bytes")
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ValueError(f"{path.name} is no SavedModel") from error
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].HasField("object_graph_def"):
        raise ValueError("it is not of TensorFlow 2, or holds several graphs")
    return model.meta_graphs[0]


def _check_graph(found: meta_graph_pb2.MetaGraphDef) -> None:
    if found.asset_file_def:
        raise ValueError("it names files of its own (assets)")
    _check_objects(found)
    graph, savers = found.graph_def, _saver_functions(found)
    refused = [(node.op, "its graph") for node in graph.node if node.op not in ALLOWED]
    for function in graph.library.function:
        name = function.signature.name
        allowed = ALLOWED | OF_SAVERS if name in savers else ALLOWED
        refused += [(node.op, name) for node in function.node_def if node.op not in allowed]
    if refused:
        # a danger that has a name says more than an unknown operation
        operation, where = min(refused, key=lambda each: each[0] not in KNOWN_DANGERS)
        raise ValueError(f"the operation {operation!r:.60}, which {danger(operation)}, in {where!r:.80}")


def _check_objects(found: meta_graph_pb2.MetaGraphDef) -> None:
    """Refuse objects that TensorFlow would build from classes registered in this process, and those that read files."""
    for node in found.object_graph_def.nodes:
        kind = node.WhichOneof("kind")
        if kind not in KINDS:
            raise ValueError(f"an object of the kind {kind}")
        if kind == "user_object" and node.user_object.identifier not in OBJECTS:
            raise ValueError(f"an object of the class {node.user_object.identifier!r:.60}")
        # Keras's Normalization: TensorFlow reads the value of a constant of the graph, and nothing else
        constant = (kind, node.registered_name) == ("constant", "tf.TrackableConstant")
        if (node.registered_name and not constant) or node.registered_saver:
            raise ValueError(f"an object of the class {node.registered_name or node.registered_saver!r:.60}")


def _saver_functions(found: meta_graph_pb2.MetaGraphDef) -> set[str]:
    """Return the functions that write and read the weights, once it is sure that nothing else can call them."""
    graph, saver = found.graph_def, found.saver_def
    entries = {name.partition(":")[0] for name in (saver.save_tensor_name, saver.restore_op_name) if name}
    savers = {name for node in graph.node if node.name in entries for name in _called((node,))}
    reached = set(_called(node for node in graph.node if node.name not in entries))
    reached |= set(_called(node for function in graph.library.function for node in function.node_def))
    reached |= set(found.object_graph_def.concrete_functions)
    reached |= {name for node in found.object_graph_def.nodes for name in node.function.concrete_functions}
    reached |= {node.bare_concrete_function.concrete_function_name for node in found.object_graph_def.nodes}
    reached |= {name for each in graph.library.gradient for name in (each.function_name, each.gradient_func)}
    outputs = {info.name for signature in found.signature_def.values() for info in signature.outputs.values()}
    # what other nodes than the savers' take their inputs from
    inputs = {name.removeprefix("^") for node in graph.node if node.name not in entries for name in node.input}
    served = {name.partition(":")[0] for name in outputs | inputs}
    return set() if served & entries else savers - reached


def _called(nodes: Iterable[node_def_pb2.NodeDef]) -> Iterator[str]:
    """Yield the names of all functions in the attributes of nodes."""
    for node in nodes:
        for value in node.attr.values():
            yield from (function.name for function in (value.func, *value.list.func) if function.name)
