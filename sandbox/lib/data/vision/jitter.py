"""Several changes of colours by chance."""

from __future__ import annotations

from ...core import validate
from .base import ImageTransform
from .color import Brightness, ChannelShuffle, Contrast, Hue, Saturation
from .draws import Draws
from .picture import Picture
from .pipeline import Pipeline, RandomApply, RandomOrder

__all__ = ["ColorJitter"]


class ColorJitter(Pipeline):
    """Change brightness, contrast, saturation and hue, each with some probability.

    Parameters
    ----------
    brightness : float >= 0
        Pixels get up to so much more or less.
    contrast, saturation : (low, high)
        Range of the factor.
    hue : float >= 0
        Colours turn by up to so many degrees.
    p : float in [0, 1], or four of them
        Probability of each change: brightness, contrast, saturation, hue.
    channels_p : float in [0, 1]
        Probability that channels are shuffled at the end.
    shuffle : bool
        Whether the changes come in random order; else brightness, then contrast and saturation
        and hue or, as often, saturation and hue and contrast.

    Raises
    ------
    DataError : a picture is not uint8 with 3 channels.

    Notes
    -----
    Same as BigDL `ColorJitter`, whose hue of 18 are 36 degrees. Source: the photometric distortions
    of Howard 2013 in the order of Liu et al. 2016 (SSD).

    Examples
    --------
    >>> import numpy as np
    >>> ColorJitter()(np.array([[[1, 2, 3]]], "u1")).ravel().tolist()
    [1, 2, 3]
    """

    def __init__(
        self,
        brightness: float = 32.0,
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: float = 36.0,
        *,
        p: float | tuple[float, ...] = 0.5,
        channels_p: float = 0.0,
        shuffle: bool = False,
    ) -> None:
        brightness = validate.non_negative("brightness", brightness)
        hue = validate.non_negative("hue", hue)
        for name, pair in (("contrast", contrast), ("saturation", saturation)):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                cure = "0.2 of others is (0.8, 1.2) here."
                raise validate.refuse(name, "a pair (low, high)", pair, cure)
        chances = tuple(p) if isinstance(p, tuple | list) else (p,) * 4
        if len(chances) != 4:
            raise validate.refuse("p", "a number, or one for each of the four changes", p)
        brighter, contrasting, saturated, turned = (
            RandomApply(one, chance)
            for one, chance in zip(
                (
                    Brightness(-brightness, brightness),
                    Contrast(*contrast),
                    Saturation(*saturation),
                    Hue(-hue, hue),
                ),
                chances,
                strict=True,
            )
        )
        channels = RandomApply(ChannelShuffle(), channels_p)
        self._said = (
            f"ColorJitter({brightness:g}, {tuple(contrast)}, {tuple(saturation)}, {hue:g}, "
            f"p={p}, channels_p={channels_p:g}, shuffle={shuffle})"
        )
        if validate.boolean("shuffle", shuffle):
            changes = RandomOrder(brighter, contrasting, saturated, turned)
            super().__init__(changes, channels)
        else:
            later = _EarlyOrLate(contrasting, Pipeline(saturated, turned))
            super().__init__(brighter, later, channels)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the same shape."""
        return shape

    def __repr__(self) -> str:
        return self._said


class _EarlyOrLate(Pipeline):
    """One transform in front of others or behind them, as often."""

    def __init__(self, one: ImageTransform, others: ImageTransform) -> None:
        super().__init__(one, others)
        self.words += 1

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        late = draws.chance(0.5)
        own = [(one, draws.take(one.words)) for one in self.transforms]
        for one, words in reversed(own) if late else own:
            picture = one.apply(picture, words)
        return picture
