"""One hash of many: the Merkle tree of RFC 9162, 2.1.1 (in RFC 6962 the same)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256


def root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of leaves in their order.

    What stands before a leaf is another byte than before a node, or a node could pass for a leaf.
    """
    if not leaves:
        return sha256().digest()
    level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    # Pair by pair, the odd one taken along: the same tree as by splitting at the largest power of two.
    while len(level) > 1:
        pairs = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]
