"""A set of 64-bit transaction ids, in blocks of compressed bitmaps that change one by one."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap, FrozenBitMap

Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]

BLOCK_BITS = 16  # a block is at most 8 KB on the wire, a run of xids a few bytes
_LOW = (1 << BLOCK_BITS) - 1
_FEW = 256  # ids that are quicker one by one


class Block:
    """65,536 neighbouring ids; never changed, so that its bytes are made once."""

    def __init__(self, low: FrozenBitMap) -> None:
        self.low = low

    @cached_property
    def serialised(self) -> bytes:
        """The block in roaring's portable format."""
        return bytes(self.low.serialize())


class XidSet:
    """A set of xid8 that is never changed: operations give a new set that shares its blocks."""

    __slots__ = ("_blocks",)

    def __init__(self, blocks: Mapping[int, Block] | None = None) -> None:
        self._blocks: Mapping[int, Block] = blocks or {}

    @classmethod
    def of(cls, xids: Iterable[int] | Int64s) -> "XidSet":
        """A set of these ids."""
        if not isinstance(xids, np.ndarray):
            xids = list(xids)
        if len(xids) <= _FEW:
            return cls._of_few(xids if isinstance(xids, list) else xids.tolist())
        values = np.unique(np.asarray(xids, np.int64))
        blocks: dict[int, Block] = {}
        numbers = values >> BLOCK_BITS
        starts = np.flatnonzero(np.diff(numbers, prepend=-1))
        for start, end in pairwise([*starts.tolist(), len(values)] if len(values) else []):
            low = BitMap((values[start:end] & _LOW).astype(np.uint32))
            blocks[int(numbers[start])] = Block(_packed(low))
        return cls(blocks)

    @classmethod
    def _of_few(cls, xids: list[int]) -> "XidSet":
        low: dict[int, list[int]] = {}
        for xid in xids:
            low.setdefault(xid >> BLOCK_BITS, []).append(xid & _LOW)
        return cls({number: Block(_packed(BitMap(ids))) for number, ids in low.items()})

    @classmethod
    def from_blocks(cls, blocks: Mapping[int, bytes]) -> "XidSet":
        """The set that serialised() took apart."""
        return cls(
            {number: Block(FrozenBitMap.deserialize(data)) for number, data in blocks.items()}
        )

    def serialised(self) -> dict[int, bytes]:
        """Block number → bytes; blocks shared with another set give the same objects."""
        return {number: block.serialised for number, block in self._blocks.items()}

    def __contains__(self, xid: int) -> bool:
        block = self._blocks.get(xid >> BLOCK_BITS)
        return block is not None and (xid & _LOW) in block.low

    def __len__(self) -> int:
        return sum(len(block.low) for block in self._blocks.values())

    def __iter__(self) -> Iterator[int]:
        for number in sorted(self._blocks):
            for low in self._blocks[number].low:
                yield (number << BLOCK_BITS) + low

    @property
    def first(self) -> int:
        """The least id; 0 in an empty set."""
        number = min(self._blocks, default=-1)
        return 0 if number < 0 else (number << BLOCK_BITS) + self._blocks[number].low.min()

    @property
    def last(self) -> int:
        """The greatest id; 0 in an empty set."""
        number = max(self._blocks, default=-1)
        return 0 if number < 0 else (number << BLOCK_BITS) + self._blocks[number].low.max()

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, XidSet) and self.serialised() == other.serialised()

    def __hash__(self) -> int:
        return hash(frozenset(self.serialised().items()))

    def __repr__(self) -> str:
        return f"XidSet({len(self)} ids)"

    def __or__(self, other: "XidSet") -> "XidSet":
        if not other:
            return self
        blocks = dict(self._blocks)
        for number, block in other._blocks.items():
            mine = blocks.get(number)
            if mine is None:
                blocks[number] = block
            elif not block.low.issubset(mine.low):
                blocks[number] = Block(_packed(BitMap(mine.low | block.low)))
        return XidSet(blocks)

    def at_least(self, least: int) -> "XidSet":
        """The ids that are not below `least`."""
        if not self:
            return self
        edge = least >> BLOCK_BITS
        blocks = {number: block for number, block in self._blocks.items() if number >= edge}
        block = blocks.get(edge)
        if block is not None and block.low.min() < (least & _LOW):
            low = BitMap(block.low)
            low.remove_range(0, least & _LOW)
            del blocks[edge]
            if low:
                blocks[edge] = Block(_packed(low))
        return XidSet(blocks)

    def holds(self, xids: Int64s) -> Bools:
        """Which of the ids are in the set."""
        if not self._blocks:
            return np.zeros(len(xids), np.bool_)
        if len(xids) <= _FEW:
            return np.fromiter((xid in self for xid in xids.tolist()), np.bool_, len(xids))
        unique, inverse = np.unique(xids, return_inverse=True)
        found = np.fromiter((xid in self for xid in unique.tolist()), np.bool_, len(unique))
        return np.asarray(found[inverse], np.bool_)


def _packed(low: BitMap) -> FrozenBitMap:
    low.run_optimize()
    return FrozenBitMap(low)


NONE = XidSet()
