"""Who met what, for recommenders: pairs of users and items, and what was not met, drawn anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import tree, validate
from ...core.errors import DataError
from ...engine import names as _names
from ...engine.oplist import Spec
from ...engine.random import RandomKey, raw_draws
from ..arrays import ArrayDataset
from ..dataset import Dataset, DataSpec, Pair
from ..order import EpochOrder, Share
from ..transforms import into

Ids = NDArray[np.int64]
Inputs = Callable[[Ids, Ids], Any] | None
"""What makes a model's inputs of users and items, if it takes more than these."""


class Interactions:
    """Pairs of a user and an item that met: each once, in the order of users and items.

    Parameters
    ----------
    users, items : (n,) integers >= 0
        Numbers of both; the same pair may come several times.
    n_users, n_items : int > 0, optional
        How many there are; by default up to the largest number.

    Raises
    ------
    DataError : there is no pair, the two differ in length, or a number is out of its range.

    Notes
    -----
    Which items a user has *not* met is found without a list of them: `unmet(users, k)` is the k-th
    one of each user, by one search in an array of all pairs. So a draw is one random number, never
    drawn again, and a pair that was met cannot come out.

    Examples
    --------
    >>> pairs = Interactions([0, 0, 1], [3, 1, 0], n_items=5)
    >>> pairs.of(0), pairs.counts()
    (array([1, 3]), array([1, 1, 0, 1, 0]))
    >>> pairs.unmet([0, 0, 0, 1], [0, 1, 2, 0])  # user 0 has not met 0, 2 and 4
    array([0, 2, 4, 1])
    """

    def __init__(
        self,
        users: ArrayLike,
        items: ArrayLike,
        *,
        n_users: int | None = None,
        n_items: int | None = None,
    ) -> None:
        user, self.n_users = _numbers("users", users, n_users)
        item, self.n_items = _numbers("items", items, n_items)
        if len(user) != len(item):
            raise DataError(
                f"Interactions: `users` and `items` must have the same number of rows; got "
                f"{len(user)} and {len(item)}."
            )
        keys = np.unique(user * self.n_items + item)
        self.users, self.items = np.divmod(keys, self.n_items)
        self.starts = np.searchsorted(self.users, np.arange(self.n_users + 1))
        # Of a user's items s_0 < s_1 < ... the number s_j - j counts what it has not met below s_j.
        self._below = keys - (np.arange(len(keys)) - self.starts[self.users])

    def of(self, user: int) -> Ids:
        """Return the items that a user met, in their order."""
        return self.items[self.starts[user] : self.starts[user + 1]]

    def counts(self, of: str = "items") -> Ids:
        """Return how many users each item met, or with "users" how many items each user."""
        validate.one_of("of", of, ("items", "users"))
        if of == "users":
            return np.diff(self.starts)
        return np.bincount(self.items, minlength=self.n_items)

    def left(self, users: ArrayLike) -> Ids:
        """Return how many items each of these users has not met."""
        users = np.asarray(users)
        left: Ids = self.n_items - (self.starts[users + 1] - self.starts[users])
        return left

    def unmet(self, users: ArrayLike, k: ArrayLike) -> Ids:
        """Return for each user the k-th item it has not met, counted from 0."""
        users, k = np.asarray(users), np.asarray(k)
        met = np.searchsorted(self._below, users * self.n_items + k, side="right")
        return np.asarray(k + met - self.starts[users])

    def turned(self) -> Interactions:
        """Return the same pairs with users and items in each other's place."""
        return Interactions(self.items, self.users, n_users=self.n_items, n_items=self.n_users)

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        return f"Interactions({len(self)} of {self.n_users} users and {self.n_items} items)"


class NegativeSampling(Dataset):
    """Pairs that met as 1, and for each of them so many as 0 that did not, drawn anew each epoch.

    Parameters
    ----------
    pairs : Interactions
        What is learnt.
    negatives : int > 0, default=4
        Items for each pair, drawn evenly from those that its user has not met.
    known : Interactions, optional
        What counts as met; by default `pairs`.
    inputs : function of (users, items), optional
        Makes what the model takes of both; by default it takes (users, items).

    Shapes
    ------
    x : (users, items), each (batch,) int64, or what `inputs` makes of them
    y : (batch, 1) int64, 1 for met; for `criterion.BCEWithLogits`

    Raises
    ------
    DataError : a user has met every item, or `known` is of other users or items.

    Notes
    -----
    Like Analytics Zoo's `getNegativeSamples`: there the negatives are drawn once, by Spark, and
    stay for all epochs. Here whoever trains draws its own, by seed, iteration and position within
    the global batch, so that they do not depend on the number of ranks. A row is a pair that met or
    one of its negatives; the order mixes them all. Read without a random key (validation), the
    draws go by the row's number. Source: He et al. 2017.

    Examples
    --------
    >>> pairs = Interactions([0, 0, 1], [3, 1, 0], n_items=5)
    >>> data = NegativeSampling(pairs, negatives=2)
    >>> len(data)
    9
    >>> (users, items), y = data.rows(0, [0, 1, 2], random=RandomKey(seed=1))
    >>> users, y[:, 0]
    (array([0, 0, 0]), array([1, 0, 0]))
    >>> items[0], set(items[1:]) <= {0, 2, 4}
    (np.int64(1), True)
    """

    def __init__(
        self,
        pairs: Interactions,
        *,
        negatives: int = 4,
        known: Interactions | None = None,
        inputs: Inputs = None,
    ) -> None:
        super().__init__(dtype=None)
        self.pairs = validate.instance("pairs", pairs, Interactions)
        self.known = pairs if known is None else validate.instance("known", known, Interactions)
        self.negatives = validate.positive_int("negatives", negatives)
        self.inputs = _function(inputs)
        if (self.known.n_users, self.known.n_items) != (pairs.n_users, pairs.n_items):
            raise DataError(
                f"NegativeSampling: `known` must be of {pairs.n_users} users and {pairs.n_items} "
                f"items; got {self.known!r}."
            )
        if not self.known.left(pairs.users).all():
            user = int(pairs.users[self.known.left(pairs.users).argmin()])
            raise DataError(
                f"NegativeSampling: each user must have an item it has not met; got user {user} "
                f"with all {pairs.n_items}."
            )

    @property
    def partition_sizes(self) -> tuple[int, ...]:
        """One partition: each pair, followed by its negatives."""
        return (len(self.pairs) * (1 + self.negatives),)

    def load(self, partition: int) -> Pair:
        """Return all rows, with the negatives of rows read without a random key."""
        self._check_partition(partition)
        return self.rows(partition, np.arange(len(self)))

    def stored(self) -> DataSpec:
        """Return shape and dtype of one row."""
        one = self._inputs(np.zeros(1, np.int64), np.zeros(1, np.int64))
        x = tree.map(lambda a: Spec(tuple(a.shape[1:]), a.dtype.name), one)
        return DataSpec(x, Spec((1,), "int64"))

    def rows(
        self, partition: int, indices: ArrayLike, *, out: Pair | None = None, random: Any = None
    ) -> Pair:
        """Return some rows; the negatives among them are drawn here."""
        self._check_partition(partition)
        picked = np.asarray(indices, np.int64)
        self._check_indices(partition, picked, len(self))
        place, turn = np.divmod(picked, 1 + self.negatives)
        users, items = self.pairs.users[place], self.pairs.items[place]
        drawn = np.flatnonzero(turn)
        items[drawn] = self._draw(users, picked, random)[drawn]
        x, y = self._inputs(users, items), (turn == 0).astype(np.int64)[:, None]
        return (x, y) if out is None else tree.map(into, (x, y), out)

    def _draw(self, users: Ids, picked: Ids, random: RandomKey | None) -> Ids:
        if random is None and len(picked):
            low, high = int(picked.min()), int(picked.max()) + 1
            draws = raw_draws((high - low,), "data.negatives", RandomKey(0, 0, low))[picked - low]
        else:
            draws = raw_draws((len(users),), "data.negatives", random or RandomKey(0))
        left = self.known.left(users).astype(np.uint64)
        k = (draws.astype(np.uint64) * left) >> np.uint64(32)  # evenly, but for left / 2^32
        return self.known.unmet(users, k.astype(np.int64))

    def _inputs(self, users: Ids, items: Ids) -> Any:
        return (users, items) if self.inputs is None else self.inputs(users, items)

    def check(self, *, classes: Any = None) -> None:
        """Do nothing: `Interactions` has looked at all numbers."""

    def check_types(self, partition: int) -> None:
        """Do nothing: all numbers are integers as they come."""


def _function(inputs: Inputs) -> Inputs:
    return None if inputs is None else validate.function("inputs", inputs)


def _whose(users: Any) -> NDArray[Any]:
    try:
        who = np.asarray(users)
        np.unique(who[:2])
    except (TypeError, ValueError, IndexError):
        raise validate.refuse("users", "a list of numbers or names", users) from None
    return who


def _numbers(name: str, given: ArrayLike, count: int | None) -> tuple[Ids, int]:
    numbers = validate.array(name, given)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or not len(numbers):
        raise DataError(
            f"Interactions: `{name}` must be at least one whole number in one row; got "
            f"{numbers.dtype} of shape {numbers.shape}."
        )
    size = int(numbers.max()) + 1 if count is None else validate.positive_int(f"n_{name}", count)
    if numbers.min() < 0 or numbers.max() >= size:
        row = int(((numbers < 0) | (numbers >= size)).argmax())
        raise DataError(
            f"Interactions: `{name}` must be in [0, {size}); got {numbers[row]} in row {row}."
        )
    return numbers.astype(np.int64), size


def leave_last_out(users: ArrayLike, times: ArrayLike) -> tuple[Ids, Ids]:
    """Return the rows of all but each user's last interaction, and those of the last ones.

    Parameters
    ----------
    users : (n,) numbers or names
        Whose each row is.
    times : (n,) numbers
        Of equal times the later row is the last one.

    Returns
    -------
    earlier, last : rows in their order; the last ones in the order of users

    Notes
    -----
    A user with one row gives it to the test. Source: the leave-one-out of He et al. 2017.

    Examples
    --------
    >>> leave_last_out([7, 3, 7, 3], [10, 40, 20, 30])
    (array([0, 3]), array([1, 2]))
    """
    when = validate.array("times", times)
    who = _whose(users)
    if who.shape != when.shape or who.ndim != 1:
        raise DataError(
            f"leave_last_out: `users` and `times` must be one row of numbers each; got shapes "
            f"{who.shape} and {when.shape}."
        )
    order = np.lexsort((np.arange(len(who)), when, who))
    ends = np.append(who[order][1:] != who[order][:-1], True)[: len(who)]
    return np.sort(order[~ends]), order[ends]


class RankingLists(ArrayDataset):
    """Lists to rank: items that a user has not met, and at the end the one that is wanted.

    For `metrics.HitRatio(10, negatives=99)` and `metrics.NDCG(10, negatives=99)`.

    Parameters
    ----------
    users, items : (n,) integers
        What is wanted by whom.
    known : Interactions
        What users have met, in all parts; it is not drawn.
    negatives : int > 0, default=99
        Others in each list, all different.
    seed : int >= 0
        Same seed, same lists.
    inputs : function of (users, items), optional
        As of `NegativeSampling`.

    Raises
    ------
    DataError : a user has met so much that too few are left.

    Notes
    -----
    Lists stay whole: batches and ranks take some lists or others, never parts of one. The wanted
    item stands last, since of equal scores the first counts as higher: a model that says the same
    of all items finds none.

    Examples
    --------
    >>> known = Interactions([0, 0, 1], [3, 1, 0], n_items=5)
    >>> lists = RankingLists([0, 1], [3, 0], known, negatives=2)
    >>> lists.items[:, -1], lists.y[:, 0]
    (array([3, 0]), array([0, 0, 1, 0, 0, 1]))
    """

    def __init__(
        self,
        users: ArrayLike,
        items: ArrayLike,
        known: Interactions,
        *,
        negatives: int = 99,
        seed: int = 0,
        inputs: Inputs = None,
    ) -> None:
        validate.instance("known", known, Interactions)
        who, _ = _numbers("users", users, known.n_users)
        wanted, _ = _numbers("items", items, known.n_items)
        if len(who) != len(wanted):
            raise DataError(
                f"RankingLists: `users` and `items` must have the same number of rows; got "
                f"{len(who)} and {len(wanted)}."
            )
        inputs = _function(inputs)
        negatives = validate.positive_int("negatives", negatives)
        left = known.left(who)
        if left.min() < negatives:
            row = int(left.argmin())
            raise DataError(
                f"RankingLists: each user must have {negatives} items it has not met; got "
                f"{left[row]} for user {who[row]}. Use fewer negatives."
            )
        key = [validate.non_negative_int("seed", seed), negatives]
        rng = np.random.Generator(np.random.PCG64(key))
        drawn = [rng.choice(n, negatives, replace=False) for n in left]
        self.users = np.repeat(who[:, None], 1 + negatives, axis=1)
        others = known.unmet(self.users[:, :-1], np.array(drawn).reshape(-1, negatives))
        self.items = np.column_stack((others, wanted))
        wants = np.zeros((len(who), 1 + negatives), np.int64)
        wants[:, -1] = 1
        pair = self.users.ravel(), self.items.ravel()
        x = pair if inputs is None else inputs(*pair)
        super().__init__(x, wants.reshape(-1, 1), dtype=None)

    def order(self, batch_size: int, *, seed: int, shuffle: bool = True) -> ListOrder:
        """Return an order of whole lists."""
        lists, length = self.items.shape
        return ListOrder(lists, length, batch_size, seed=seed, shuffle=shuffle)


class ListOrder(EpochOrder):
    """An order of lists, each of so many rows that stay together.

    Parameters
    ----------
    lists, length : int > 0
        How many, and rows of each.
    batch_size : int > 0
        Rows of a global batch; as many whole lists as go into it, at least one.
    seed, shuffle
        See `EpochOrder`.

    Examples
    --------
    >>> order = ListOrder(3, 2, 5, seed=0, shuffle=False)
    >>> order.steps_per_epoch, order.batch(0, 0), order.share(0, 0, 1, 2)
    (2, [(0, array([0, 1, 2, 3]))], [(0, array([2, 3]))])
    """

    def __init__(
        self, lists: int, length: int, batch_size: int, *, seed: int, shuffle: bool = True
    ) -> None:
        self.length = validate.positive_int("length", length)
        at_once = max(1, validate.positive_int("batch_size", batch_size) // self.length)
        super().__init__(
            [validate.positive_int("lists", lists)], at_once, seed=seed, shuffle=shuffle
        )

    def _share(self, *place: Any) -> Share:
        lists = super()._share(*place)
        numbers = np.asarray(lists.numbers)[:, None] * self.length + np.arange(self.length)
        starts = self._starts * self.length
        return Share.of_numbers(numbers.ravel(), starts, lists.sample_index * self.length)


_names.suggest(__name__)
