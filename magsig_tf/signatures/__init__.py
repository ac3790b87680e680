"""From embeddings to sparse signatures and how stable they are. Reads files only; imports no TensorFlow."""

from magsig_tf.signatures.alignment import (
    linear_cka,
)
from magsig_tf.signatures.cross_validation import (
    CrossValidation,
    cross_validate,
)
from magsig_tf.signatures.matching import (
    Matching,
    match_dimensions,
)
from magsig_tf.signatures.nogueira import (
    Stability,
    nogueira_stability,
    same_stability_p_value,
)
from magsig_tf.signatures.overlap import (
    Overlap,
    chance_of_sharing,
    expected_jaccard,
    fewest_shared,
    measure_overlap,
)
from magsig_tf.signatures.permuted_control import (
    PermutedOverlap,
    permuted,
    permuted_overlap,
    permuted_stability,
)
from magsig_tf.signatures.selection_frequencies import (
    bootstrap_selections,
    half_sample_selections,
)
from magsig_tf.signatures.shah_samworth import (
    FalseSelections,
    bound_false_selections,
)
from magsig_tf.signatures.signature import (
    FittedSignatures,
    Signature,
    fit_signature,
    fit_signatures,
)
from magsig_tf.signatures.sparse_path import (
    SparsePath,
    fit_sparse_path,
    largest_penalty,
    penalty_path,
    solve_at,
)

__all__ = [
    "CrossValidation",
    "FalseSelections",
    "FittedSignatures",
    "Matching",
    "Overlap",
    "PermutedOverlap",
    "Signature",
    "SparsePath",
    "Stability",
    "bootstrap_selections",
    "bound_false_selections",
    "chance_of_sharing",
    "cross_validate",
    "expected_jaccard",
    "fewest_shared",
    "fit_signature",
    "fit_signatures",
    "fit_sparse_path",
    "half_sample_selections",
    "largest_penalty",
    "linear_cka",
    "match_dimensions",
    "measure_overlap",
    "nogueira_stability",
    "penalty_path",
    "permuted",
    "permuted_overlap",
    "permuted_stability",
    "same_stability_p_value",
    "solve_at",
]
