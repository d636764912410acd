"""Known outputs: those whose bytes passed in another tree of the same images and recipe.

Engines write the same bytes. If an output of one has passed, an equal one of another need not be
decoded and compared with its source again.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterator, Set
from itertools import compress

from pixelmill.core.files import modified_ns
from pixelmill.core.root import Root
from pixelmill.dataset.file_names import PASSED
from pixelmill.dataset.paths import finder
from pixelmill.verification.inspector import Finding, read_output
from pixelmill.verification.manifest import Outputs
from pixelmill.verification.passed_cache import PassedOutput, passed_in
from pixelmill.verification.sidecar_check import SUFFIX

#: Flags of an output: it passed elsewhere, and its picture was compared.
_PASSED, _COMPARED = 1, 2


def still_holds(passed: PassedOutput, outputs: Outputs, number: int, sampled: Set[int]) -> bool:
    """Return whether what passed has the bytes and the source of an output.

    Parameters
    ----------
    passed : PassedOutput
    outputs : Outputs
    number : int
        Of the output.
    sampled : set of int
        Outputs whose pictures are to be compared.
    """
    compared = isinstance(passed.similarity_db, float) or passed.incomparable
    return (
        passed.sha256 == outputs.digests[number]
        and (passed.source_bytes, passed.source_mtime_ns) == outputs.source_state(number)
        and (compared or number not in sampled)
    )


class KnownOutputs:
    """What is known of outputs from other trees, in columns, so that a million fit into memory.

    Parameters
    ----------
    outputs : Outputs
    sampled : set of int
        Those whose pictures are compared.
    left_out : bytearray
        Flags of those that are not looked for.
    """

    def __init__(self, outputs: Outputs, sampled: Set[int], left_out: bytearray) -> None:
        self._outputs, self._sampled, self._left_out = outputs, sampled, left_out
        self._flags = bytearray(len(outputs))
        self._similarities = array("d")

    def learn(self, tree: str, rules: str) -> None:
        """Note which outputs passed in another tree, according to these rules."""
        number_of = finder(self._outputs.paths)
        for other in passed_in(os.path.join(tree, PASSED), rules):
            number = number_of(other.output)
            if number is None or self._left_out[number] or not self._outputs.exists[number]:
                continue
            # What could not be compared there, perhaps because its source was away, may be here.
            was_checked = other.sized and (
                number not in self._sampled or isinstance(other.similarity_db, float)
            )
            if was_checked and still_holds(other, self._outputs, number, self._sampled):
                self._note(number, other)

    def _note(self, number: int, other: PassedOutput) -> None:
        self._flags[number] = _PASSED
        if isinstance(other.similarity_db, float):
            if not self._similarities:
                self._similarities.frombytes(bytes(8 * len(self._flags)))
            self._similarities[number] = other.similarity_db
            self._flags[number] |= _COMPARED

    def confirm(self, images: str) -> Iterator[tuple[int, Finding]]:
        """Yield numbers and findings of those whose files have the bytes that passed.

        Parameters
        ----------
        images : str
            Folder of the outputs.
        """
        root = Root(images, follow=False)
        for number in compress(range(len(self._flags)), self._flags):
            output, flags = self._outputs[number], self._flags[number]
            if output.variant.endswith(SUFFIX):  # it describes an image that may differ
                continue
            try:
                state, data = read_output(root.open(output.path))
            except OSError:  # the checks will say so
                continue
            if hashlib.sha256(data).hexdigest() == output.sha256:
                yield (
                    number,
                    Finding(
                        output.path,
                        (),
                        output.sha256,
                        len(data),
                        modified_ns(state),
                        self._similarities[number] if flags & _COMPARED else None,
                        number in self._sampled,
                        True,
                        None,
                        output.source_state,
                    ),
                )
