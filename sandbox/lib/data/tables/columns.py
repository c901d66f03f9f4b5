"""Kinds of features that columns of a table become: numbers, buckets, categories and crosses.

What a kind has to know of the training part (a mean, the words of a column) is either given or
measured by `FeatureColumns.fit`. Kinds are data: they compare, and go to JSON and back.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core import validate
from ...core.errors import ArgumentError, DataError
from ...engine import names as _names

__all__ = ["Buckets", "Category", "Column", "Cross", "Number", "from_config"]

Ids = NDArray[np.int64]
MISSING, OTHER = 0, 1
"""Ids that a category has before its words: nothing there, and any word that is not known."""
_MISSING = ("error", "mean")


@dataclass(frozen=True)
class Column:
    """What all kinds have in common; see `Number`, `Buckets`, `Category`, `Cross`."""

    kind: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """How a cross calls it, and errors."""
        raise NotImplementedError

    @property
    def fitted(self) -> bool:
        """Whether all is known that it needs of the training part."""
        return True

    def config(self) -> dict[str, Any]:
        """Return it as JSON-able data, see `from_config`."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class Number(Column):
    """A number of the row, at mean 0 and deviation 1.

    y = (s(x) - mean) / std, s(x) = sign(x) · log(1 + |x|) with `log`, else x

    Parameters
    ----------
    column : str
        Name in the table.
    log : bool
        For amounts, which span orders of magnitude.
    missing : "error" or "mean"
        Where the table has no number: refuse the row by its number, or take the mean.
    mean, std : float, optional
        After the logarithm; measured if not given. std > 0.

    Raises
    ------
    ArgumentError : an argument is outside of what it may be.

    Notes
    -----
    Like BigDL `ColumnFeatureInfo` (Analytics Zoo), whose `continuous_cols` are taken as they are.

    Examples
    --------
    >>> Number("gain", log=True)
    Number(column='gain', log=True, missing='error', mean=None, std=None)
    """

    kind: ClassVar[str] = "number"
    column: str
    _: KW_ONLY
    log: bool = False
    missing: str = "error"
    mean: float | None = None
    std: float | None = None

    def __post_init__(self) -> None:
        validate.text("column", self.column)
        validate.boolean("log", self.log)
        validate.one_of("missing", self.missing, _MISSING)
        if (self.mean is None) != (self.std is None):
            raise ArgumentError(
                f"Number {self.column!r}: `mean` and `std` must be given both or not at all; got "
                f"mean={self.mean}, std={self.std}."
            )
        if self.mean is not None and self.std is not None:
            validate.finite("mean", self.mean)
            validate.positive("std", self.std)

    @property
    def name(self) -> str:
        """How errors call it."""
        return self.column

    @property
    def fitted(self) -> bool:
        """Whether mean and deviation are known."""
        return self.mean is not None

    def scaled(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return numbers on the scale of the feature; NaN becomes 0, the mean."""
        value = np.sign(x) * np.log1p(np.abs(x)) if self.log else x
        return np.nan_to_num((value - (self.mean or 0.0)) / (self.std or 1.0), nan=0.0)


@dataclass(frozen=True)
class Buckets(Column):
    """A number as a category: the bucket it falls into.

    id = 1 + how many boundaries are <= x; 0 where there is no number

    Parameters
    ----------
    column : str
        Name in the table.
    count : int > 1
        Buckets of about equal numbers of rows; fewer where a value fills several.
    boundaries : list of float, optional
        In rising order; measured if not given.
    deep : bool
        Whether the feature is embedded for the deep part, beside its weight in the wide part.

    Raises
    ------
    ArgumentError : `boundaries` do not rise, or `count` is less than 2.

    Notes
    -----
    Like BigDL `get_boundaries` (Analytics Zoo), which takes boundaries only. For a column that is
    mostly one value (no gain, no loss) give boundaries: its quantiles are all the same.

    Examples
    --------
    >>> Buckets("age", boundaries=[18, 65]).ids(np.array([17, 18, np.nan, 80]))
    array([1, 2, 0, 3])
    """

    kind: ClassVar[str] = "buckets"
    column: str
    count: int = 10
    _: KW_ONLY
    boundaries: tuple[float, ...] | None = None
    deep: bool = True

    def __post_init__(self) -> None:
        validate.text("column", self.column)
        validate.in_range("count", validate.positive_int("count", self.count), 2, 1 << 20)
        validate.boolean("deep", self.deep)
        if self.boundaries is not None:
            given = validate.several("boundaries", self.boundaries, "numbers in rising order")
            found = tuple(validate.finite("boundaries", one) for one in given)
            if not found or any(b <= a for a, b in itertools.pairwise(found)):
                raise ArgumentError(
                    f"Buckets {self.column!r}: `boundaries` must be numbers in rising order; got "
                    f"{list(found)}."
                )
            object.__setattr__(self, "boundaries", found)

    @property
    def name(self) -> str:
        """How a cross calls it."""
        return self.column

    @property
    def fitted(self) -> bool:
        """Whether the boundaries are known."""
        return self.boundaries is not None

    @property
    def size(self) -> int:
        """How many ids there are."""
        return len(self.boundaries or ()) + 2

    def ids(self, x: NDArray[Any]) -> Ids:
        """Return the bucket of each number; 0 for NaN."""
        found = np.searchsorted(np.asarray(self.boundaries), x, side="right") + 1
        return np.where(np.isnan(x), MISSING, found)


@dataclass(frozen=True)
class Category(Column):
    """A word of the row, or a whole number that only names something.

    id = 0 where nothing is there, 1 for words that are not known, 2 ... for the known ones by
    falling frequency; with `buckets` 1 + hash of the word, and nothing has to be known

    Parameters
    ----------
    column : str
        Name in the table: strings, integers, booleans or dates.
    min_count : int > 0
        A word that came less often is one of the others.
    max_size : int > 0
        Most words that are known.
    buckets : int > 0, optional
        Hash the words into so many ids: for columns with too many words to know. Words share ids.
    vocabulary : list of str, optional
        The known words; measured if not given.
    deep : bool
        Whether the feature is embedded for the deep part, beside its weight in the wide part.

    Raises
    ------
    ArgumentError : a size is not positive, words come twice, or both `buckets` and `vocabulary`.

    Notes
    -----
    Like BigDL `categorical_from_vocab_list` and `hash_bucket` (Analytics Zoo). The hash is CRC-32
    of the word in UTF-8: the same on every machine.

    Examples
    --------
    >>> import pyarrow as pa
    >>> words = pa.array(["a", None, "spam", "b"])
    >>> Category("letter", vocabulary=["b", "a"]).ids(words)
    array([3, 0, 1, 2])
    >>> Category("letter", buckets=4).ids(words)
    array([4, 0, 2, 2])
    """

    kind: ClassVar[str] = "category"
    column: str
    _: KW_ONLY
    min_count: int = 1
    max_size: int = 10_000
    buckets: int | None = None
    vocabulary: tuple[str, ...] | None = None
    deep: bool = True

    def __post_init__(self) -> None:
        validate.text("column", self.column)
        validate.positive_int("min_count", self.min_count)
        validate.positive_int("max_size", self.max_size)
        validate.boolean("deep", self.deep)
        if self.buckets is not None:
            validate.positive_int("buckets", self.buckets)
        if self.vocabulary is None:
            return
        words = tuple(validate.several("vocabulary", self.vocabulary, "a list of different words"))
        for word in words:
            validate.text("vocabulary", word)
        if self.buckets is not None or len(set(words)) < len(words):
            raise ArgumentError(
                f"Category {self.column!r}: `vocabulary` must be different words, without "
                f"`buckets`; got {list(words)[:6]}, buckets={self.buckets}."
            )
        object.__setattr__(self, "vocabulary", words)

    @property
    def name(self) -> str:
        """How a cross calls it."""
        return self.column

    @property
    def fitted(self) -> bool:
        """Whether the words are known, or need not be."""
        return self.buckets is not None or self.vocabulary is not None

    @property
    def size(self) -> int:
        """How many ids there are."""
        return self.buckets + 1 if self.buckets is not None else len(self.vocabulary or ()) + 2

    def ids(self, words: Any) -> Ids:
        """Return the id of each word of an Arrow array of strings."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.buckets is None:
            known = pa.array(self.vocabulary, pa.string())
            places = pc.index_in(words, value_set=known)
            found = np.asarray(pc.fill_null(places, -1)).astype(np.int64) + OTHER + 1
        else:
            coded = words.dictionary_encode()
            hashes = [zlib.crc32(word.encode()) for word in coded.dictionary.to_pylist()]
            table = np.array([*hashes, 0], np.int64) % self.buckets + 1
            found = table[np.asarray(pc.fill_null(coded.indices, len(hashes)))]
        return np.where(np.asarray(words.is_null()), MISSING, found)


@dataclass(frozen=True)
class Cross(Column):
    """What two or more features are together: a category for each combination.

    Parameters
    ----------
    columns : list of str
        Names of two or more buckets or categories of the same `FeatureColumns`.
    buckets : int > 0, optional
        Hash the combinations into so many ids, which they then share; else each has its own.
    deep : bool, default=False
        Whether the feature is embedded for the deep part, too. A network finds combinations by
        itself; what it cannot know are rare ones, which the wide part learns by heart.

    Raises
    ------
    ArgumentError : fewer than two names, or a name twice.

    Notes
    -----
    Like BigDL `wide_cross_cols` (Analytics Zoo), whose crosses are always hashed.

    Examples
    --------
    >>> Cross(["sex", "job"]).ids([np.array([0, 2]), np.array([4, 1])], [3, 5])
    array([ 4, 11])
    """

    kind: ClassVar[str] = "cross"
    columns: tuple[str, ...]
    _: KW_ONLY
    buckets: int | None = None
    deep: bool = False

    def __post_init__(self) -> None:
        found = tuple(validate.several("columns", self.columns, "names of two or more features"))
        for one in found:
            validate.text("columns", one)
        if len(found) < 2 or len(set(found)) < len(found):
            raise ArgumentError(
                f"Cross: `columns` must be two or more different names; got {list(found)}."
            )
        object.__setattr__(self, "columns", found)
        if self.buckets is not None:
            validate.positive_int("buckets", self.buckets)
        validate.boolean("deep", self.deep)

    @property
    def name(self) -> str:
        """The names of its parts."""
        return " x ".join(self.columns)

    def size_of(self, sizes: Sequence[int]) -> int:
        """Return how many ids there are, by the sizes of the parts."""
        return self.buckets if self.buckets is not None else int(np.prod(sizes, dtype=object))

    def ids(self, parts: Sequence[Ids], sizes: Sequence[int]) -> Ids:
        """Return the id of each combination."""
        found = np.zeros(len(parts[0]), np.uint64)
        for ids, size in zip(parts, sizes, strict=True):
            found = found * np.uint64(size) + ids.astype(np.uint64)
        if self.buckets is not None:
            found = _mixed(found) % np.uint64(self.buckets)
        return found.astype(np.int64)


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return numbers as if drawn at random (SplitMix64's last step, Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


KINDS: dict[str, type[Column]] = {kind.kind: kind for kind in (Number, Buckets, Category, Cross)}


def from_config(config: Mapping[str, Any]) -> Column:
    """Return the column that `config` described.

    Raises
    ------
    DataError : it describes none.

    Examples
    --------
    >>> from_config(Buckets("age", 5).config()) == Buckets("age", 5)
    True
    """
    found = dict(validate.instance("config", config, Mapping))
    kind = KINDS.get(found.pop("kind", ""))
    try:
        if kind is None:
            raise TypeError(f"`kind` must be one of {', '.join(KINDS)}")
        return kind(**found)
    except (TypeError, ValueError) as error:
        raise DataError(f"a feature's settings must be those of a column; {error}.") from None


def learned(column: Column, found: Any) -> Column:
    """Return a column with what was measured for it: (mean, std), boundaries or words."""
    if isinstance(column, Number):
        return replace(column, mean=float(found[0]), std=float(found[1]))
    if isinstance(column, Buckets):
        return replace(column, boundaries=tuple(float(one) for one in found))
    if isinstance(column, Category):
        return replace(column, vocabulary=tuple(found))
    return column


_names.suggest(__name__)
