"""Columns of metrics for tests of findings: whatever a test says, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ArrayColumns:
    """Columns from arrays; those that are not given are missing for all images."""

    sources: Sequence[str]
    values: Mapping[str, NDArray[Any]]
    perceptual: Mapping[str, tuple[NDArray[np.uint64], NDArray[np.bool_]]] = field(
        default_factory=dict
    )

    def __len__(self):
        return len(self.sources)

    def numbers(self, name):
        return np.asarray(self.values.get(name, np.full(len(self), np.nan)), np.float64)

    def texts(self, name):
        return np.asarray(self.values.get(name, np.full(len(self), "", object)), object)

    def hashes(self, name):
        nothing = np.zeros(len(self), np.uint64), np.zeros(len(self), bool)
        return self.perceptual.get(name, nothing)
