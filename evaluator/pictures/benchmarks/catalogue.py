"""All benchmarks that can be read: what is in them, under which terms, where to get them, how they must lie."""

from __future__ import annotations

from collections.abc import Mapping

from . import clevr4, fine_grained, genecis, oxford_pets, ppmi, stanford40
from .benchmark import Benchmark
from .naming import HUGGING_FACE

ASK = "see the provider"
_ARCHIVE = "https://www.robots.ox.ac.uk/~vgg/data"

BENCHMARKS: Mapping[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            name="stanford40",
            title="Stanford 40 Actions",
            conditions={
                stanford40.ENTITY: {"action": 40},
                stanford40.CONTEXT: {"location": None, "mood": None},
            },
            pictures={stanford40.ENTITY: 9532, stanford40.CONTEXT: None},
            licence=ASK,
            download=(
                (
                    "the archives JPEGImages and ImageSplits",
                    "http://vision.stanford.edu/Datasets/40actions.html",
                ),
            ),
            layout=("JPEGImages/<action>_<number>.jpg", "ImageSplits/<action>_{train,test}.txt"),
            read=stanford40.read,
            inside=("Stanford40", "stanford40", "Stanford_40", "stanford-40-actions"),
            tags=("train", "test"),
            notes=f"Locations and moods stand in no file of the data set: put a {stanford40.CSV} with the columns file, "
            "location, mood into the folder. Their texts are made of its values by --template.",
        ),
        Benchmark(
            name="clevr4",
            title="Clevr-4",
            conditions={"clevr4": dict.fromkeys(clevr4.CONDITIONS, 10)},
            pictures={"clevr4": None},
            licence=ASK,
            download=(("clevr_4_10k_v1.zip", f"{_ARCHIVE}/clevr4/"),),
            layout=("images/<name>.png", clevr4.ANNOTATIONS),
            read=clevr4.read,
            inside=("clevr_4_10k_v1", "clevr_4_100k_v1"),
            tags=("train", "val"),
        ),
        Benchmark(
            name="oxford-pets",
            title="Oxford-IIIT Pet",
            conditions={oxford_pets.CATS: {"breed": 12}, oxford_pets.DOGS: {"breed": 25}},
            pictures={oxford_pets.CATS: 2371, oxford_pets.DOGS: 4978},
            licence=f"CC BY-SA 4.0 by the data set's card on the Hugging Face Hub; {ASK}",
            download=(("images.tar.gz and annotations.tar.gz", f"{_ARCHIVE}/pets/"),),
            layout=("images/<Breed>_<number>.jpg", "annotations/list.txt"),
            read=oxford_pets.read,
            inside=("oxford-iiit-pet",),
            tags=("trainval", "test"),
            notes="The archive holds pictures that are in no list; they are left out.",
        ),
        Benchmark(
            name="ppmi",
            title="People Playing Musical Instruments (PPMI)",
            conditions={"ppmi": {"instrument": 12}},
            pictures={"ppmi": None},
            licence=ASK,
            download=(
                ("norm_ppmi_12class.zip", "http://vision.stanford.edu/Datasets/norm_ppmi_12class.zip"),
            ),
            layout=("norm_image/{play_instrument,with_instrument}/<instrument>/{train,test}/*.jpg",),
            read=ppmi.read,
            inside=("norm_ppmi_12class", "ppmi"),
            tags=("play", "with", "train", "test"),
        ),
        Benchmark(
            name="flowers102",
            title="Oxford 102 Flowers",
            conditions={"flowers102": {"flower": 102}},
            pictures={"flowers102": 8189},
            licence=ASK,
            download=(("102flowers.tgz, imagelabels.mat and setid.mat", f"{_ARCHIVE}/flowers/102/"),),
            layout=("jpg/image_<number>.jpg", "imagelabels.mat", "setid.mat"),
            read=fine_grained.read_flowers,
            inside=("flowers-102",),
            tags=("train", "val", "test"),
        ),
        Benchmark(
            name="stanford-cars",
            title="Stanford Cars",
            conditions={"stanford-cars": {"car": 196}},
            pictures={"stanford-cars": 16185},
            licence=ASK,
            download=(
                (
                    "cars_train, cars_test, the devkit and cars_test_annos_withlabels.mat",
                    "whoever has them: https://ai.stanford.edu/~jkrause/cars/car_dataset.html no longer serves them",
                ),
            ),
            layout=(
                *("cars_train/", "cars_test/", "devkit/cars_meta.mat", "devkit/cars_train_annos.mat"),
                "cars_test_annos_withlabels.mat",
            ),
            read=fine_grained.read_cars,
            inside=("stanford_cars",),
            tags=("train", "test"),
        ),
        Benchmark(
            name="fgvc-aircraft",
            title="FGVC-Aircraft",
            conditions={"fgvc-aircraft": {"aircraft": 100}},
            pictures={"fgvc-aircraft": 10000},
            licence=ASK,
            download=(("fgvc-aircraft-2013b.tar.gz", f"{_ARCHIVE}/fgvc-aircraft/"),),
            layout=(
                "data/images/<number>.jpg",
                "data/variants.txt",
                "data/images_variant_{trainval,test}.txt",
            ),
            read=fine_grained.read_aircraft,
            inside=("fgvc-aircraft-2013b",),
            tags=("trainval", "test"),
        ),
        Benchmark(
            name="food101",
            title="Food-101",
            conditions={"food101": {"food": 101}},
            pictures={"food101": 101000},
            licence="pictures from Foodspotting, not the provider's property: scientific fair use; see its licence file",
            download=(("food-101.tar.gz", "https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/"),),
            layout=("images/<food>/<number>.jpg", "meta/train.json", "meta/test.json"),
            read=fine_grained.read_food,
            inside=("food-101",),
            tags=("train", "test"),
        ),
        Benchmark(
            name="genecis",
            title="GeneCIS, focus on an attribute",
            conditions={genecis.ENTITY: {}},
            pictures={genecis.ENTITY: None},
            licence=ASK,
            download=(
                (genecis.FILE, "https://github.com/facebookresearch/genecis"),
                ("the pictures of Visual Genome 1.2", "http://visualgenome.org"),
            ),
            layout=(
                genecis.FILE,
                "VG_100K/<image_id>.jpg and VG_100K_2/<image_id>.jpg (or VG_All/, or images/)",
            ),
            read=genecis.read,
            notes="Queries with a condition each and a small gallery, no labels: for clay-eval galleries and reproduce. "
            "--galleries FILE writes the queries.",
        ),
    )
}
"""Name -> benchmark."""


PAPER_SETS: Mapping[str, Mapping[str, str]] = {"clay-object": {"subcategory": "category"}, "clay-human": {}}
"""CLAY-EVAL's own data sets, for who has the paper's pictures, with a labels.csv or as webdataset -> parents."""


def data_names() -> list[str]:
    """All names that stand before a colon in --data."""
    return [*BENCHMARKS, *PAPER_SETS, HUGGING_FACE]
