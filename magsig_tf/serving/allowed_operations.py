"""The TensorFlow operations that a served network may hold: arithmetic, layers, decoding of what a client sends.

None of them takes the name of a file, starts a program, calls Python or reaches another machine. TensorFlow has about
1,500 operations; what is not listed is refused, so that a new one is refused until somebody has looked at it.
"""

from __future__ import annotations

_STRUCTURE = """
    Assert AssignVariableOp BroadcastArgs BroadcastGradientArgs BroadcastTo Case Cast CheckNumerics ConcatV2
    ConcatOffset Const DisableCopyOnRead DynamicPartition DynamicStitch EnsureShape ExpandDims Fill Gather GatherNd
    GatherV2 Identity IdentityN If InvertPermutation LinSpace NoOp OneHot OnesLike Pack ParallelConcat PartitionedCall
    Pad PadV2 MirrorPad MirrorPadGrad Placeholder PlaceholderWithDefault PreventGradient Range Rank ReadVariableOp
    Reshape Reverse ReverseV2 Roll ScatterNd Select SelectV2 Shape ShapeN Size Slice Split SplitV Squeeze
    StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile StopGradient StridedSlice StridedSliceGrad
    TensorScatterAdd TensorScatterUpdate TensorListElementShape TensorListFromTensor TensorListGather
    TensorListGetItem TensorListLength TensorListPopBack TensorListPushBack TensorListReserve TensorListSetItem
    TensorListStack Tile Transpose Unpack UnsortedSegmentSum Unique UniqueV2 VarHandleOp Where While ZerosLike
"""
_ARITHMETIC = """
    Abs Add AddN AddV2 All Any ArgMax ArgMin BatchMatMul BatchMatMulV2 BatchMatMulV3 Ceil ClipByValue Cos Cosh Cross
    Cumprod Cumsum Div DivNoNan Einsum Equal Erf Erfc Erfinv Exp Expm1 Floor FloorDiv FloorMod Greater GreaterEqual
    Inv InvGrad InTopKV2 IsFinite IsInf IsNan L2Loss Less LessEqual Log Log1p LogicalAnd LogicalNot LogicalOr MatMul Max
    Maximum Mean Min Minimum Mod Mul MulNoNan Neg NotEqual Pow Prod RealDiv Reciprocal ReciprocalGrad Rint Round Rsqrt
    RsqrtGrad Sign Sin Sinh Sqrt SqrtGrad Square SquaredDifference Sub Sum Tan Tanh TanhGrad TopKV2 TruncateDiv Xdivy
    Xlogy
"""
_LAYERS = """
    AvgPool AvgPoolGrad BatchToSpaceND BiasAdd BiasAddGrad Conv2D Conv2DBackpropFilter Conv2DBackpropInput DepthToSpace
    DepthwiseConv2dNative DepthwiseConv2dNativeBackpropFilter DepthwiseConv2dNativeBackpropInput Elu EluGrad
    FusedBatchNorm FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3 FusedBatchNormV2 FusedBatchNormV3
    LeakyRelu LeakyReluGrad LogSoftmax MaxPool MaxPoolGrad MaxPoolGradV2 MaxPoolV2 Relu Relu6 Relu6Grad ReluGrad Selu
    SeluGrad Sigmoid SigmoidGrad Softmax Softplus SoftplusGrad Softsign SoftsignGrad SpaceToBatchND SpaceToDepth
"""
_PICTURES = """
    AdjustContrastv2 AdjustHue AdjustSaturation CropAndResize DecodeAndCropJpeg DecodeBmp DecodeImage DecodeJpeg
    DecodePng DenseToDenseSetOperation EncodePng ExtractImagePatches ExtractJpegShape HSVToRGB
    ImageProjectiveTransformV3
    ResizeArea ResizeBicubic ResizeBicubicGrad ResizeBilinear ResizeBilinearGrad ResizeNearestNeighbor
    ResizeNearestNeighborGrad RGBToHSV ScaleAndTranslate ScaleAndTranslateGrad
"""
_STRINGS = "AsString RegexFullMatch StaticRegexFullMatch StringFormat StringJoin StringLength Substr"
_DATASETS_IN_MEMORY = """
    BatchDatasetV2 ConcatenateDataset DatasetToSingleElement FilterDataset IgnoreErrorsDataset
    MapDataset OptimizeDatasetV2 ParallelMapDatasetV2 PrefetchDataset RangeDataset TakeDataset TensorDataset
    TensorSliceDataset ZipDataset
"""

ALLOWED = frozenset(" ".join((_STRUCTURE, _ARITHMETIC, _LAYERS, _PICTURES, _STRINGS, _DATASETS_IN_MEMORY)).split())
"""In every function of a model, called or not."""

OF_SAVERS = frozenset(("MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"))
"""Besides, in the two functions that a SavedModel holds to write and read its own weights, which nothing calls."""

KNOWN_DANGERS = {
    **dict.fromkeys(
        ("ReadFile", "MatchingFiles", "RestoreV2", "Restore", "RestoreSlice", "LookupTableImportV2"), "reads"
    ),
    **dict.fromkeys(("TFRecordDataset", "TFRecordDatasetV2", "TextLineDataset", "FixedLengthRecordDatasetV2"), "reads"),
    **dict.fromkeys(("WholeFileReaderV2", "InitializeTableFromTextFileV2", "LoadDataset"), "reads"),
    **dict.fromkeys(("WriteFile", "SaveV2", "Save", "SaveSlices", "PrintV2", "Print", "SaveDataset"), "writes"),
    **dict.fromkeys(("MergeV2Checkpoints", "WriteSummary", "CreateSummaryFileWriter", "CacheDatasetV2"), "writes"),
    **dict.fromkeys(("PyFunc", "PyFuncStateless", "EagerPyFunc"), "python"),
    **dict.fromkeys(
        ("RpcCall", "RpcClient", "RpcServer", "RemoteCall", "DataServiceDatasetV4", "_Send", "_Recv"), "network"
    ),
}
_WORDS = {
    "reads": "can read any file",
    "writes": "can write files",
    "python": "calls Python",
    "network": "reaches other processes",
}


def danger(operation: str) -> str:
    """Return in words why an operation is refused."""
    return _WORDS.get(KNOWN_DANGERS.get(operation, ""), "is none that a network here needs")
