"""croissant.json: Croissant 1.1 with the responsible-AI vocabulary 1.0, so that ML tools can read the release by themselves.

What works over webdataset tars: a FileObject a tar with its sha256, a FileSet of the pictures in them, and a flat table
of labels that is joined with them by key (JSON inside a tar cannot be reached). Keys begin with a letter, so no reader
takes them for numbers. Sources: docs.mlcommons.org/croissant, format specification 1.1 and RAI specification 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clay_eval.schemas.manifest import LABELS, MANIFEST, label_columns
from clay_eval.schemas.release import DATA, LABELS_TABLE

CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
RECORDS = "samples"
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_MIME = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


def croissant(
    release: Mapping[str, Any],
    manifest: Mapping[str, Any],
    table: Mapping[str, Any],
    extension: str,
    texts: Mapping[str, Any],
) -> dict[str, Any]:
    """The record of croissant.json.

    release: title, name, version, date, licence, authors, url as in release.json. table: bytes and sha256 of
    labels.parquet. extension: of the pictures. texts: description, citation, keywords, and "rai": property -> text(s).
    """
    tars = [entry for entry in manifest["files"] if entry["name"].endswith(".tar")]
    creators = [{"@type": "Person", "name": name} for name in release["authors"]]
    record: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "name": release["name"],
        "alternateName": release["title"],
        "description": texts["description"],
        "citeAs": texts["citation"],
        "creator": creators,
        "datePublished": release["date"],
        "keywords": texts["keywords"],
        "license": release["licence"]["url"],
        "url": release["url"],
        "version": release["version"],
        **{f"rai:{name}": text for name, text in texts["rai"].items()},
        "distribution": [
            *(_file(f"{DATA}/{e['name']}", e, "application/x-tar") for e in tars),
            *(
                _file(f"{DATA}/{LABELS}", e, "text/csv", "labels.csv")
                for e in manifest["files"]
                if e["name"] == LABELS
            ),
            _file(LABELS_TABLE, table, "application/vnd.apache.parquet", "labels.parquet"),
            {
                "@type": "cr:FileSet",
                "@id": "images",
                "name": "images",
                "description": "The pictures in the tars, named by the key of their sample.",
                "containedIn": [{"@id": entry["name"]} for entry in tars],
                "encodingFormat": _MIME[extension],
                "includes": f"*.{extension}",
            },
        ],
        "recordSet": [_records(label_columns(manifest["entities"]), manifest, extension)],
    }
    return {name: value for name, value in record.items() if value not in (None, [])}


def _file(path: str, facts: Mapping[str, Any], mime: str, name: str | None = None) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name or facts["name"],
        "name": name or facts["name"],
        "contentUrl": path,
        "contentSize": f"{facts['bytes']} B",
        "encodingFormat": mime,
        "sha256": facts["sha256"],
    }


def _records(columns: Sequence[str], manifest: Mapping[str, Any], extension: str) -> dict[str, Any]:
    """One record a sample: the row of labels.csv, joined with its picture by key."""
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{RECORDS}/{column}",
            "name": column,
            "description": _described(column, manifest),
            "dataType": "sc:Text",
            "source": {"fileObject": {"@id": "labels.csv"}, "extract": {"column": column}},
        }
        for column in columns
    ]
    picture = {
        "@type": "cr:Field",
        "@id": f"{RECORDS}/image",
        "name": "image",
        "description": "The picture.",
        "dataType": "sc:ImageObject",
        "source": {"fileSet": {"@id": "images"}, "extract": {"fileProperty": "content"}},
    }
    name = {
        "@type": "cr:Field",
        "@id": f"{RECORDS}/image_key",
        "name": "image_key",
        "description": "The key in the picture's file name; equal to the sample's key.",
        "dataType": "sc:Text",
        "source": {
            "fileSet": {"@id": "images"},
            "extract": {"fileProperty": "filename"},
            "transform": {"regex": rf"^(.+?)(?:\.{extension})?$"},
        },
        "references": {"fileObject": {"@id": "labels.csv"}, "extract": {"column": "key"}},
    }
    return {
        "@type": "cr:RecordSet",
        "@id": RECORDS,
        "name": RECORDS,
        "description": "One record a sample: its labels and its picture.",
        "key": {"@id": f"{RECORDS}/key"},
        "field": [*fields, name, picture],
    }


def _described(column: str, manifest: Mapping[str, Any]) -> str:
    fixed = {
        "key": "Name of the sample, the same in every file.",
        "entity": "What kind of thing the picture shows; it decides which attributes there are.",
        "shard": f"The tar in {DATA}/ that holds the sample; {DATA}/{MANIFEST} lists all.",
    }
    if column in fixed:
        return fixed[column]
    core = [name for name, facts in manifest["entities"].items() if column in facts["attributes"]]
    other = [name for name, facts in manifest["entities"].items() if column in facts["diversity"]]
    said = [f"a label of {', '.join(core)}"] if core else []
    said += [f"varied for diversity in {', '.join(other)}"] if other else []
    return f"{column.capitalize()}: {'; '.join(said)}. Empty for other entities."
