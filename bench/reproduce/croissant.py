"""Croissant metadata (MLCommons, version 1.0) of the table of points: its file and its columns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

import bench
from bench.analysis.rd_points import TEXT_COLUMNS
from bench.base.csv_files import read_table
from bench.base.files import sha256_file, write_json
from bench.scoring.metrics import metric_of

#: The context that the specification prescribes.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
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


def write_croissant(out: Path, points_csv: Path, name: str, description: str, license_url: str) -> None:
    """Write the metadata of an rd_points.csv.

    Args:
        name, description, license_url: of the data set.
    """
    table = read_table(points_csv, text=TEXT_COLUMNS, remedy="collect the records")
    file = {
        "@type": "cr:FileObject",
        "@id": points_csv.name,
        "name": points_csv.name,
        "contentUrl": points_csv.name,
        "encodingFormat": "text/csv",
        "sha256": sha256_file(points_csv),
    }
    fields = [_field(points_csv.name, str(column), table[column]) for column in table]
    published = max((str(date)[:10] for date in table.get("date_utc", [])), default="1970-01-01")
    write_json(
        out,
        {
            "@context": _CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "name": re.sub(r"[^A-Za-z0-9_ .-]", "-", name),
            "description": description,
            "license": license_url,
            "version": bench.__version__,
            "datePublished": published,
            "citeAs": "See `python -m bench cite`",
            "distribution": [file],
            "recordSet": [
                {
                    "@type": "cr:RecordSet",
                    "@id": "points",
                    "name": "points",
                    "description": "One row for each measured stream",
                    "field": fields,
                }
            ],
        },
    )


def _field(file: str, column: str, values: pd.Series) -> dict[str, Any]:
    metric = metric_of(column)
    described = column.replace("_", " ")
    return {
        "@type": "cr:Field",
        "@id": f"points/{column}",
        "name": column,
        "description": f"{metric.label}, {metric.unit}".rstrip(", ") if metric else described,
        "dataType": _data_type(values),
        "source": {"fileObject": {"@id": file}, "extract": {"column": column}},
    }


def _data_type(values: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(values):
        return "sc:Boolean"
    if pd.api.types.is_integer_dtype(values):
        return "sc:Integer"
    return "sc:Float" if pd.api.types.is_float_dtype(values) else "sc:Text"
