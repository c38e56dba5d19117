"""Shards as a `webdataset.WebDataset`, to train or to look on: read and decoded as data of strangers is.

>>> from torch.utils.data import DataLoader                                             # doctest: +SKIP
>>> data = open_shards("runs/first").shuffle(1000).to_tuple("image", "labels")          # doctest: +SKIP
>>> for images, labels in DataLoader(data, batch_size=None, num_workers=2): ...         # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clay_eval.schemas.decoding import MAX_BYTES, MAX_PIXELS, decode_image
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.manifest import MANIFEST, SETTINGS, check_record, read_manifest
from clay_eval.schemas.shards import Limits, read_shard

from .folders import shards_folder
from .sources import check_listed
from .tars import other_data, tars_in

if TYPE_CHECKING:
    from webdataset import WebDataset


def open_shards(
    folder: str | Path,
    entity: str | None = None,
    *,
    sha256: bool = False,
    shardshuffle: int = 0,
    seed: int | None = None,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> WebDataset:
    """A `webdataset.WebDataset` of labelled pictures, for loops and for a torch DataLoader.

    Samples are dicts: `__key__`, `__url__` (the tar), `image` (an upright RGB PIL picture) and `labels` (a dict). Workers of
    a DataLoader, and nodes, read tars of their own. Of a sample nothing but its picture and its JSON is read, and no tar's
    name is taken as an URL or a pipe. What follows, such as `.shuffle(1000)`, `.map(...)`, `.batched(...)`, is webdataset's.

    Parameters
    ----------
    folder: a shards folder, or a run or a release that holds one; else tars made elsewhere, whose labels are the object
        "labels" of the JSON, or all of the JSON where there is none.
    entity: the entity whose pictures to read (None: all); for shards made by clay-eval.
    sha256: whether to hash every tar first, and not only to compare its size with the manifest's.
    shardshuffle, seed: how many tars to shuffle at a time (0: none), and with which seed; as in webdataset.
    max_bytes, max_pixels: caps on an encoded and on a decoded picture.

    Raises
    ------
    InputError: no finished shards, no such entity; while reading, a picture over a cap.
    IntegrityError: a tar is not the one in the manifest; while reading, damage of whatever kind.
    """
    from webdataset import WebDataset, split_by_node

    tars, entities = _tars(Path(folder), entity, sha256)
    dataset = WebDataset(
        [str(tar) for tar in tars],
        nodesplitter=split_by_node,
        shardshuffle=shardshuffle or False,
        seed=seed,
        empty_check=False,  # a worker may have no tar
    )
    # Its last three stages open, read and group, and know no limits: tars that are cut are read short, packed ones unpacked.
    del dataset.pipeline[-3:]
    dataset.append(_Reader(entities, max_bytes, max_pixels))
    return dataset


@dataclass(frozen=True)
class _Reader:
    """A stage of the pipeline: tars in, samples out. Picklable, for workers that are spawned.

    entities: what the manifest says of them; None for tars made elsewhere.
    """

    entities: Mapping[str, Any] | None
    max_bytes: int
    max_pixels: int

    def __call__(self, urls: Iterable[Mapping[str, str]]) -> Iterator[dict[str, Any]]:
        limits = Limits(image_bytes=self.max_bytes)
        for url in urls:
            tar = Path(url["url"])
            for sample in read_shard(tar, strict=self.entities is not None, limits=limits):
                where = f"{tar}: {sample.key}"
                if self.entities is not None:
                    check_record(sample.record, sample.key, self.entities, where)
                image = decode_image(
                    sample.image, where, max_bytes=self.max_bytes, max_pixels=self.max_pixels
                )
                labels = sample.record.get("labels")
                yield {
                    "__key__": sample.key,
                    "__url__": str(tar),
                    "image": image,
                    "labels": labels if isinstance(labels, dict) else sample.record,
                }


def _tars(folder: Path, entity: str | None, sha256: bool) -> tuple[Sequence[Path], Mapping[str, Any] | None]:
    """The tars, held against their manifest, and the manifest's entities; None for tars made elsewhere."""
    shards = shards_folder(folder)
    if shards is None:
        return _foreign(folder, entity), None
    manifest = read_manifest(shards)
    entities = manifest["entities"]
    if entity is not None and entity not in entities:
        raise InputError("no such entity", where=shards, expected=f"one of {list(entities)}", found=entity)
    files = [
        file for file in manifest["files"] if file["samples"] is not None and entity in (None, file["entity"])
    ]
    for file in files:
        check_listed(shards / file["name"], file, sha256)
    return [shards / file["name"] for file in files], entities


def _foreign(folder: Path, entity: str | None) -> list[Path]:
    for place in (folder, folder / "shards"):
        if (place / SETTINGS).exists():
            read_manifest(place)  # says that these shards are not finished
    tars = [folder] if folder.suffix == ".tar" and folder.is_file() else tars_in(folder)
    if not tars:
        raise InputError(
            "no shards here",
            where=folder,
            expected=f"{MANIFEST} (finished shards made by clay-eval), or *.tar",
            hint=other_data(folder),
        )
    if entity is not None:
        raise InputError("tars made elsewhere are of no entity", where=folder, found=entity)
    return tars
