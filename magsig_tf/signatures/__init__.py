"""From embeddings to sparse signatures and how stable they are. Reads files only; imports no TensorFlow."""

from magsig_tf.linear_models.sparse_path import (
    CrossValidation,
    SparsePath,
    cross_validate,
    fit_sparse_path,
    largest_penalty,
    penalty_path,
    solve_at,
)
from magsig_tf.signatures.alignment import Matching, debiased_cka, linear_cka, match_dimensions, matched_correlations
from magsig_tf.signatures.overlap import (
    Overlap,
    PermutedOverlap,
    chance_of_sharing,
    expected_jaccard,
    fewest_shared,
    measure_overlap,
    permuted_overlap,
)
from magsig_tf.signatures.signature import FittedSignatures, Signature, fit_signature, fit_signatures
from magsig_tf.signatures.stability import (
    FalseSelections,
    Stability,
    bound_false_selections,
    nogueira_stability,
    permuted,
    permuted_stability,
    same_stability_p_value,
)
from magsig_tf.signatures.within_fold import bootstrap_selections, half_sample_selections

__all__ = ["CrossValidation", "SparsePath", "cross_validate", "fit_sparse_path", "largest_penalty", "penalty_path"]
__all__ += ["FittedSignatures", "Signature", "fit_signature", "fit_signatures", "solve_at"]
__all__ += ["Overlap", "chance_of_sharing", "expected_jaccard", "fewest_shared", "measure_overlap"]
__all__ += ["Matching", "debiased_cka", "linear_cka", "match_dimensions", "matched_correlations"]
__all__ += ["PermutedOverlap", "permuted", "permuted_overlap"]
__all__ += ["Stability", "nogueira_stability", "permuted_stability", "same_stability_p_value"]
__all__ += ["FalseSelections", "bootstrap_selections", "bound_false_selections", "half_sample_selections"]
