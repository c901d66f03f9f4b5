"""Where data sets come from, what may be done with them, and a record of which ones were used.

A set is looked for in `$SANDBOX_DATA` (a wrong one is named), the cache, the image's data folder,
then downloaded with its SHA-256 checked (unless `SANDBOX_OFFLINE` is set), where its files lie
somewhere as the loaders read them. Larger ones are fetched on demand (`fetch`) from where they are
published. A set with a stand-in never fails: the stand-in says loudly what it is.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...core import validate
from ...core.errors import DataError
from ...engine.folders import cache_folder as product_cache
from ..files import digest, read_json, write_text

log = logging.getLogger("sandbox.data")
log.addHandler(logging.NullHandler())

_MADE = "made.json"  # in a set's folder: the checksums of what `fetch` made
IMAGE_FOLDER = Path("/opt/sandbox/data")


@dataclass(frozen=True)
class Home:
    """Where the authors of a set publish it: one file, of which ours are made (`homes.UNPACK`).

    Parameters
    ----------
    addresses : tuple of str
        Tried in turn.
    size_bytes : int
        About, for whoever decides whether to fetch it.
    sha256 : str or None
        None where what is made of it is checked by its own sums.
    """

    addresses: tuple[str, ...]
    size_bytes: int
    sha256: str | None = None


@dataclass(frozen=True)
class Source:
    """A data set known to the library.

    Parameters
    ----------
    name : str
        Also its folder's name.
    about, terms : str
        One line each: what it is, what the licence asks for.
    redistributable : bool
        Whether images of the product may carry it.
    files : dict of file name -> SHA-256
        What is looked for.
    mirrors : tuple of str
        Base addresses of these very files, tried in turn.
    home : Home, optional
        Where it is published in another form. `fetch` goes there, loaders do not: it is large.
    """

    name: str
    about: str
    terms: str
    redistributable: bool
    files: Mapping[str, str] = field(default_factory=dict)
    mirrors: tuple[str, ...] = ()
    home: Home | None = None

    @property
    def can_be_fetched(self) -> bool:
        """Whether there is an address."""
        return bool(self.mirrors) or self.home is not None


SOURCES = {
    source.name: source
    for source in (
        Source(
            "mnist",
            "70,000 handwritten digits, 28x28 gray",
            "LeCun, Bottou, Bengio and Haffner 1998; no explicit licence, cite",
            True,
            {
                "train-images-idx3-ubyte.gz": (
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
                ),
                "train-labels-idx1-ubyte.gz": (
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
                ),
                "t10k-images-idx3-ubyte.gz": (
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
                ),
                "t10k-labels-idx1-ubyte.gz": (
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
                ),
            },
            (
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
            ),
        ),
        Source("cifar10", "photos in ten classes, 32x32", "Krizhevsky 2009, cite", True),
        Source(
            "rt_polarity",
            "10,662 film review sentences",
            "Pang and Lee 2005, cite",
            True,
            {
                "rt-polarity.neg": (
                    "2d11cfbc790f1cd96d78339f41ce53ced1efa83cd22d37d6788fa3fe3d17e2fd"
                ),
                "rt-polarity.pos": (
                    "4134882974a28d0c7b5151256f0e33a6169984ee7372c279e673f1114f475d58"
                ),
            },
            home=Home(
                (
                    "https://www.cs.cornell.edu/people/pabo/movie-review-data/"
                    "rt-polaritydata.tar.gz",
                ),
                490_000,
            ),
        ),
        Source(
            "imdb",
            "50,000 film reviews",
            "Maas et al. 2011, cite",
            True,
            {
                "imdb-train.parquet": (
                    "b98b602dbab310dd265d0d5d4aeec372ac3f3b091251e38af70f787088b2e1df"
                ),
                "imdb-test.parquet": (
                    "c288f26a6c9ace38e4b8cc4be5e191157c544732a68bceec18da019e90391d87"
                ),
            },
            home=Home(
                ("https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",),
                84_125_825,
                "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
            ),
        ),
        Source(
            "creditcard",
            "284,807 card payments, 492 frauds",
            "ULB, DbCL 1.0",
            True,
            {
                "creditcard-full-f32.parquet": (
                    "4304b95b9e2e84bbbd0c6adf787e0826df75c9d67881e4a2149c10e736d0bee5"
                ),
            },
            home=Home(
                ("https://storage.googleapis.com/download.tensorflow.org/data/creditcard.csv",),
                150_828_752,
                "76274b691b16a6c49d3f159c883398e03ccd6d1ee12d9d8ee38f4b4b98551a89",
            ),
        ),
        Source("nab", "time series with anomalies", "Numenta, MIT", True),
        Source(
            "adult",
            "census income, 48,842 people",
            "Becker and Kohavi 1996, UCI, CC BY 4.0",
            True,
            {
                "adult.data": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
                "adult.test": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
            },
            ("https://archive.ics.uci.edu/ml/machine-learning-databases/adult/",),
        ),
        Source(
            "movielens",
            "100,836 film ratings of 610 people (ml-latest-small)",
            "Harper and Konstan 2015, GroupLens: research, no commerce, only with its README",
            False,
            {
                "ratings.csv": "aa289ca83157595d0df6aea1be6a4ded676ddc4385472e8313a8ed9805352646",
                "movies.csv": "5a5f32dd9bb3797b8e728a1b98958789d2b13f294a69fdfbc5727f8a9611aa07",
                "README.txt": "63d22ac138e80fae37021797ed8e1b9424b5239dc576a137422adf783ae3f404",
            },
            home=Home(
                ("https://files.grouplens.org/datasets/movielens/ml-latest-small.zip",), 978_202
            ),
        ),
    )
}


@dataclass(frozen=True)
class Provenance:
    """Where loaded data really came from.

    Parameters
    ----------
    name, part : str
        Data set and its part ("train").
    kind : "real" or "stand-in"
    place : str
        Folder, or what made the stand-in.
    rows : int
    terms : str
    redistributable : bool
    note : str
        What the reader must know, empty for real data.
    """

    name: str
    part: str
    kind: str
    place: str
    rows: int
    terms: str
    redistributable: bool
    note: str = ""

    def describe(self) -> str:
        """Return one line for people."""
        mark = "" if self.kind == "real" else "STAND-IN, "
        note = f" {self.note}" if self.note else ""
        return (
            f"{self.name}/{self.part}: {mark}{self.rows} rows from {self.place} "
            f"({self.terms}).{note}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for checkpoints and reports."""
        return asdict(self)


_used: dict[tuple[str, str, str], Provenance] = {}
_announced: set[str] = set()
_unreachable: set[str] = set()  # mirrors that failed; not tried again in this process
_lock = threading.Lock()


def used() -> list[Provenance]:
    """Return the provenance of all data loaded in this process, in the order of loading."""
    return list(_used.values())


def report() -> str:
    """Return which data were used in this process, one line each.

    Examples
    --------
    >>> print(report())  # doctest: +SKIP
    data used:
      mnist/test: 10000 rows from /opt/sandbox/data/mnist (LeCun, ... cite).
    """
    lines = [f"  {provenance.describe()}" for provenance in used()]
    return "\n".join(["data used:", *(lines or ["  none"])])


def record(provenance: Provenance) -> Provenance:
    """Note that data were used; the first use of a stand-in is announced on stderr."""
    validate.instance("provenance", provenance, Provenance)
    with _lock:
        _used[provenance.name, provenance.part, provenance.place] = provenance
        first = provenance.kind != "real" and provenance.name not in _announced
        if first:
            _announced.add(provenance.name)
        fault = own_folder_fault()
        new_fault = fault not in _announced
        _announced.add(fault)
    if first:
        bar = "!" * 88
        cure = f"Put the real set into $SANDBOX_DATA/{provenance.name}"
        if fault:
            cure = f"{fault}\nCorrect it"
        known = SOURCES.get(provenance.name)
        if known is not None and known.mirrors:
            cure += ", or allow the download (unset SANDBOX_OFFLINE)"
        elif known is not None and known.home is not None:
            size = (
                f"{known.home.size_bytes / 1e6:,.0f} MB"
                if known.home.size_bytes > 1e6
                else "0.5 MB"
            )
            cure += f", or fetch it once ({size}): sandbox data --fetch {known.name}"
        text = f"{bar}\nNOT THE REAL DATA. {provenance.describe()}\n{cure}.\n{bar}\n"
        sys.stderr.write(text)
        sys.stderr.flush()
        log.warning("stand-in data: %s", provenance.describe())
    elif fault and new_fault:  # found elsewhere: in the cache, in the image
        sys.stderr.write(f"{fault} Using {provenance.place}.\n")
    return provenance


def cache_folder() -> Path:
    """Return the folder for downloads, in the user's cache of this product."""
    return product_cache() / "data"


def offline() -> bool:
    """Return whether `SANDBOX_OFFLINE` forbids downloads."""
    return os.environ.get("SANDBOX_OFFLINE", "").lower() not in ("", "0", "no", "false")


def folders(name: str) -> list[Path]:
    """Return the folders in which a set is looked for, in order."""
    validate.text("name", name)
    own = own_folder()
    places = [] if own is None else [own]
    return [place / name for place in (*places, cache_folder(), IMAGE_FOLDER)]


def own_folder() -> Path | None:
    """Return the folder that `SANDBOX_DATA` names, `~` resolved; None if it is not set."""
    given = os.environ.get("SANDBOX_DATA")
    return Path(os.path.expanduser(given)) if given else None


def own_folder_fault() -> str:
    """Say what is wrong with `SANDBOX_DATA`; empty if it is a folder that can be read, or not set.

    Examples
    --------
    >>> own_folder_fault()  # doctest: +SKIP
    'SANDBOX_DATA=~/date must be a folder with data sets; got /home/me/date, which is not there.'
    """
    own = own_folder()
    if own is None or (os.path.isdir(own) and os.access(own, os.R_OK | os.X_OK)):
        return ""
    state = "is not there"
    if os.path.isdir(own):
        state = "cannot be read"
    elif os.path.lexists(own):
        state = "is no folder"
    return (
        f"SANDBOX_DATA={os.environ['SANDBOX_DATA']} must be a folder with data sets; "
        f"got {os.path.abspath(own)}, which {state}."
    )


def find(name: str, files: list[str]) -> Path | None:
    """Return the first folder that holds all these files (with or without `.gz`), or None."""
    files = validate.several("files", files, "a list of files' names")
    for folder in folders(name):
        if all(in_folder(folder, file) is not None for file in files):
            return folder
    return None


def in_folder(folder: Path, file: str) -> Path | None:
    """Return the path of a file or of its unpacked twin in a folder, or None."""
    folder = Path(validate.path_like("folder", folder))
    validate.text("file", file)
    for candidate in (folder / file, folder / file.removesuffix(".gz")):
        if os.path.isfile(candidate):  # False, too, where a folder on the way cannot be read
            return candidate
    return None


def download(source: Source, files: list[str]) -> Path | None:
    """Fetch files into the cache, checking SHA-256; return the folder, or None if no mirror helps.

    Raises
    ------
    DataError : the set has no address of these very files.
    """
    validate.instance("source", source, Source)
    files = validate.several("files", files, "a list of files' names")
    if not source.mirrors:
        cure = "Set SANDBOX_DATA to the folder that holds it."
        if source.home is not None:
            cure = f"Fetch it: sandbox data --fetch {source.name}."
        raise DataError(
            f"{source.name}: the data set must be in one of "
            f"{', '.join(map(str, folders(source.name)))}; got none, and loaders have no address "
            f"to fetch it from. {cure}"
        )
    if offline():
        return None
    folder = cache_folder() / source.name
    try:
        for file in files:
            _fetch(source, file, folder)
    except DataError as error:
        log.warning("%s: %s", source.name, str(error)[:300])
        _unreachable.update(source.mirrors)
        return None
    return folder


def fetch(name: str) -> Path:
    """Fetch a whole set into the cache, from where it is published; return its folder.

    Shows on stderr how far it is. What has come when it breaks off is kept for the next call.

    Parameters
    ----------
    name : str
        A key of `SOURCES`.

    Raises
    ------
    DataError : the set has no address, none answers, what came has another checksum, or
        `SANDBOX_OFFLINE` is set.
    """
    from . import homes
    from .fetch import fetch_file, shown

    source = SOURCES[validate.one_of("name", name, SOURCES)]
    if not source.can_be_fetched:
        raise DataError(
            f"{name} has no address to fetch it from. Put it into $SANDBOX_DATA/{name}."
        )
    if offline():
        raise DataError(f"{name} must be fetched; SANDBOX_OFFLINE forbids it. Unset it.")
    folder = cache_folder() / name
    if source.home is None:
        for file in source.files:
            _fetch(source, file, folder, asked=True)
        return folder
    published = folder / source.home.addresses[0].rpartition("/")[2]
    with shown(name, sys.stderr) as progress:
        fetch_file(source.home.addresses, published, sha256=source.home.sha256, progress=progress)
    sys.stderr.write(f"{name}: unpacking\n")
    homes.UNPACK[name](published, folder)
    if source.home.sha256 is None and set(verify(name, folder).values()) != {"ok"}:
        for file in (*source.files, published.name):
            (folder / file).unlink(missing_ok=True)
        raise DataError(
            f"{name}: what {source.home.addresses[0]} gave is another edition; got files with "
            f"other checksums. Put the known one into $SANDBOX_DATA/{name}."
        )
    made = {file: digest(folder / file) for file in source.files}
    write_text(folder / _MADE, json.dumps(made, indent=1))
    published.unlink()
    return folder


def _fetch(source: Source, file: str, folder: Path, *, asked: bool = False) -> None:
    from .fetch import fetch_file, shown

    mirrors = [mirror for mirror in source.mirrors if mirror not in _unreachable or asked]
    seen = asked or sys.stderr.isatty()
    with shown(file, sys.stderr) if seen else contextlib.nullcontext() as progress:
        fetch_file(
            [mirror + file for mirror in mirrors],
            folder / file,
            sha256=source.files[file],
            progress=progress,
        )


def verify(name: str, folder: Path) -> dict[str, str]:
    """Compare a folder with the known checksums: file name -> "ok", "missing" or "differs".

    What `fetch` made of a published file is compared with what it was when it was made.
    """
    validate.one_of("name", name, SOURCES)
    folder = Path(validate.path_like("folder", folder))
    made = read_json(folder / _MADE, "what fetch wrote") if (folder / _MADE).is_file() else {}
    states = {}
    for file, known in SOURCES[name].files.items():
        path = folder / file
        if not path.is_file():
            states[file] = "missing"
            continue
        states[file] = "ok" if digest(path) in (known, made.get(file)) else "differs"
    return states
