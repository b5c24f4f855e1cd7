"""Answers to exercise coherence."""

import functools
import itertools

import numpy as np
import torch


def loops(X):
    m, d = X.shape
    return max(abs(float(X[i] @ X[j])) for i in range(m) for j in range(i)) / d


def pairs(X):
    return max(abs(x.dot(v).item()) / len(x) for x, v in itertools.combinations(X, 2))


def upper_triangle(X):
    return torch.triu(X @ X.T, diagonal=1).abs().max() / X.shape[1]


def without_the_identity(X):
    return (X @ X.T / X.shape[1] - torch.eye(len(X))).abs().max()


def numpy_mask(X):
    X = X.numpy()
    gram = X @ X.T / X.shape[1]
    return np.abs(gram[~np.eye(len(X), dtype=bool)]).max()


def einsum(X):
    gram = torch.einsum("id,jd->ij", X, X)
    return gram[torch.triu_indices(len(X), len(X), 1).unbind()].abs().amax() / X.size(1)


def cosines(X):
    return torch.nn.functional.cosine_similarity(X[:, None], X[None], dim=2).fill_diagonal_(0).abs().max()


def from_distances(X):
    squares = torch.cdist(X, X, compute_mode="donot_use_mm_for_euclid_dist") ** 2
    return (1 - squares / (2 * X.shape[1])).fill_diagonal_(0).abs().max()


def sorted_values(X):
    values = sorted((X @ X.T).abs().flatten().tolist())
    return values[-len(X) - 1] / X.shape[1]


def vmapped(X):
    gram = torch.func.vmap(lambda x: X @ x)(X)
    return float(torch.where(torch.eye(len(X)) > 0, 0.0, gram.abs()).max()) / X.shape[-1]


def in_float32(X):
    X = X.float()
    return (X @ X.T).fill_diagonal_(0).abs().max() / X.shape[1]


class Coherence:
    def __call__(self, X):
        best = 0.0
        for i, x in enumerate(X):
            for v in X[i + 1 :]:
                best = max(best, abs(torch.dot(x, v).item()))
        return best / X.shape[1]


def of_order(X, order):
    return (X @ X.T).fill_diagonal_(0).abs().flatten().norm(p=order) / X.shape[1]


as_a_partial = functools.partial(of_order, order=torch.inf)
as_a_partial.__name__ = "as_a_partial"
as_an_object = Coherence()
as_an_object.__name__ = "as_an_object"


RIGHT = [loops, pairs, upper_triangle, without_the_identity, numpy_mask, einsum, cosines, from_distances, sorted_values]
RIGHT += [vmapped, in_float32, as_a_partial, as_an_object]


def triangle_with_the_diagonal(X):
    return torch.triu(X @ X.T).abs().max().item() / X.shape[1]


def no_sizes(X):
    return max((X[i] @ X[j]).item() for i in range(len(X)) for j in range(i)) / X.shape[1]


def largest_square(X):
    return ((X @ X.T / X.shape[1]).fill_diagonal_(0) ** 2).max()


def smallest(X):
    return (X @ X.T / X.shape[1]).abs().min()


def mean_of_pairs(X):
    products = torch.stack([(a @ b).abs() for a, b in itertools.combinations(X, 2)])
    return products.mean() / X.shape[1]


def below_one(X):
    gram = (X @ X.T / X.shape[1]).abs()
    return gram[gram < 0.999].max() if (gram < 0.999).any() else 0.0


def first_against_the_others(X):
    return (X[1:] @ X[0]).abs().max() / X.shape[1]


def of_columns(X):
    return (X.T @ X).fill_diagonal_(0).abs().max() / X.shape[1]


def in_units_of_m(X):
    return (X @ X.T).fill_diagonal_(0).abs().max() / X.shape[0]


def largest_distance(X):
    return torch.cdist(X, X).max() / X.shape[1] ** 0.5


def a_matrix(X):
    return (X @ X.T).fill_diagonal_(0).abs() / X.shape[1]


def a_row_each(X):
    return a_matrix(X).amax(1)


def sum_of_the_largest_row(X):
    return a_matrix(X).sum(1).max()


def spectral(X):
    return torch.linalg.matrix_norm(a_matrix(X), ord=2)


def next_ones(X):
    return max(abs((a @ b).item()) for a, b in itertools.pairwise(X)) / X.shape[1]


WRONG = [
    (triangle_with_the_diagonal, "leave out the diagonal"),
    (no_sizes, "The size counts"),
    (largest_square, ""),
    (smallest, ""),
    (mean_of_pairs, "not the mean"),
    (below_one, "wanted 1"),
    (first_against_the_others, ""),
    (of_columns, "X.T @ X holds the inner products of the columns"),
    (in_units_of_m, "not by their number m"),
    (largest_distance, ""),
    (a_matrix, "wanted 0.6"),
    (a_row_each, "wanted 0.6"),
    (sum_of_the_largest_row, ""),
    (spectral, ""),
    (next_ones, "not only a row and the next one"),
]


def as_many_as_dimensions(X):
    m, d = X.shape
    return max([0.0] + [abs((X[i] @ X[j]).item()) / d for i in range(min(m, d)) for j in range(i + 1, m)])


def maximum_from_one(X):
    return max([1.0] + [abs((a @ b).item()) / X.shape[1] for a, b in itertools.combinations(X, 2)])


WRONG += [(as_many_as_dimensions, ""), (maximum_from_one, "start a maximum at 0")]
