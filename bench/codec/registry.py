"""Which codecs there are: families by looking at files, codec ids by reading `config/codecs`.

A *family* is one decoder: the package ``ffnerv``, or a child of ``baselines`` (a module, or a
package with a module ``codec``). A *codec id* is a family with settings, under a name that stands
in tables: ``x264-medium`` and ``x264-veryslow`` are two ids of the family ``ffmpeg``.
Nothing is imported until a family is loaded.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from bench.base.errors import BenchError
from bench.base.names import NAME, check_names, unknown_name
from bench.base.paths import CODECS_DIR
from bench.base.strict_yaml import read_yaml
from bench.codec.contract import Codec, Kind

PACKAGES = ("ffnerv", "baselines")

_CODEC_LINE = re.compile(r"^CODEC\b", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    """One file of `config/codecs`; `id` is the file's name.

    Attributes:
        family: the decoder; kind: one of `bench.codec.contract.Kind`; label: what figures and tables print.
        settings: laid over the family's defaults; points: name of a rate point -> its settings,
            used where a condition gives none of its own.
        threads: CPU threads of an encode, fixed because encoders change their output with it.
        test: laid over everything by the contract tests, so that a tiny clip takes seconds.
        size: the settings that `bench size` changes to reach a rate, with their values: the width
            first, {from, to, step}, then those whose first value is the proportion to keep.
        citation, license: of the method and its implementation; note: anything a reader must know.
        footnote: what every figure that shows the codec has to say of it.
    """

    id: str
    family: str
    label: str
    kind: Kind
    citation: str
    license: str
    settings: dict[str, Any] = field(default_factory=dict)
    points: dict[str, dict[str, Any]] = field(default_factory=dict)
    threads: int = 1
    note: str = ""
    footnote: str = ""
    test: dict[str, Any] = field(default_factory=dict)
    size: dict[str, Any] = field(default_factory=dict)
    path: Path = field(default=Path(), compare=False)


def families() -> dict[str, str]:
    """Name of every installed family -> path of the module that has its `CODEC`."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for folder in spec.submodule_search_locations or () if spec else ():
            for name, module in _families_in(package, Path(folder)):
                if found.setdefault(name, module) != module:
                    raise BenchError(
                        module, f"family {name!r} is also {found[name]}", "rename one of the two"
                    )
    return dict(sorted(found.items()))


def load_family(family: str) -> Codec:
    """The codec object of a family.

    Raises:
        BenchError: no such family, or a package that it needs is not installed.
    """
    known = families()
    if family not in known:
        raise BenchError(f"codec family {family!r}", "is not installed", f"known: {', '.join(known)}")
    try:
        codec = importlib.import_module(known[family]).CODEC
    except ModuleNotFoundError as error:
        remedy = "install the packages of requirements.lock"
        raise BenchError(known[family], f"needs the package {error.name}", remedy) from error
    except AttributeError as error:
        raise BenchError(
            known[family], f"cannot be loaded ({error})", "give it the attribute CODEC"
        ) from error
    return codec()


def codec_configs(config_dir: str | Path | None = None) -> dict[str, CodecConfig]:
    """Every codec id -> its configuration, validated (settings are validated by `resolve_settings`)."""
    folder = CODECS_DIR if config_dir is None else Path(config_dir)
    return {path.stem: _read_config(path) for path in sorted(folder.glob("*.yaml"))}


def codec_config(codec_id: str, config_dir: str | Path | None = None) -> CodecConfig:
    """The configuration of one codec id.

    Raises:
        BenchError: there is no such id (close matches are named), or its file is wrong.
    """
    folder = CODECS_DIR if config_dir is None else Path(config_dir)
    path = folder / f"{codec_id}.yaml"
    if not NAME.fullmatch(codec_id) or not path.is_file():
        raise unknown_name("codec", codec_id, (path.stem for path in folder.glob("*.yaml")))
    return _read_config(path)


def resolve_settings(
    config: CodecConfig, condition_overrides: Mapping[str, Any], point_settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The settings of one encode: defaults, then the codec's, the condition's, the point's.

    Raises:
        BenchError: a key that the family does not know, a value of another type than its default,
            or a setting without default that nothing gives.
    """
    settings = dict(load_family(config.family).defaults)
    layers = {"settings": config.settings, "condition": condition_overrides, "point": point_settings}
    for layer, values in layers.items():
        where = config.path if layer == "settings" else f"{layer} of {config.id}"
        for key, value in values.items():
            if key not in settings:
                raise unknown_name(f"setting of {config.id}", key, settings, where=where)
            _check_type(where, key, value, settings[key])
            settings[key] = value
    if missing := [key for key, value in settings.items() if value is ...]:
        raise BenchError(
            config.id, f"the setting {missing[0]!r} is not given", "give it in a point or with --set"
        )
    return settings


def _families_in(package: str, folder: Path) -> Iterable[tuple[str, str]]:
    if _has_codec(folder / "codec.py"):
        yield package, f"{package}.codec"
        return
    for child in sorted(folder.iterdir()):
        if child.name.startswith("_") or not child.stem.isidentifier():
            continue
        if child.suffix == ".py" and _has_codec(child):
            yield child.stem, f"{package}.{child.stem}"
        elif _has_codec(child / "codec.py"):
            yield child.name, f"{package}.{child.name}.codec"


def _has_codec(path: Path) -> bool:
    return path.is_file() and _CODEC_LINE.search(path.read_text("utf-8")) is not None


@functools.lru_cache(maxsize=256)
def _field_names() -> tuple[frozenset[str], frozenset[str]]:
    keys = {f.name for f in fields(CodecConfig)} - {"id", "path"}
    return frozenset(keys), frozenset({"family", "label", "kind", "citation", "license"})


def _read_config(path: Path) -> CodecConfig:
    values = read_yaml(path)
    keys, required = _field_names()
    for key in values:
        if key not in keys:
            raise unknown_name("key", str(key), keys, where=path)
    if missing := sorted(required - set(values)):
        raise BenchError(path, f"key {missing[0]!r} is missing", "add it")
    config = CodecConfig(id=path.stem, path=path, **values)
    _validate(config)
    return config


def _validate(config: CodecConfig) -> None:
    path = config.path
    for key in ("family", "label", "citation", "license", "note", "footnote"):
        if not isinstance(getattr(config, key), str):
            raise BenchError(path, f"{key}: {getattr(config, key)!r} is no text", "write text")
    for key in ("settings", "points", "test", "size"):
        if not isinstance(getattr(config, key), dict):
            raise BenchError(path, f"{key}: is not a table of names and values", "write `name: value` lines")
    if config.kind not in get_args(Kind):
        raise BenchError(path, f"kind: {config.kind!r} is unknown", f"use one of {', '.join(get_args(Kind))}")
    if type(config.threads) is not int or config.threads < 1:
        raise BenchError(path, f"threads: {config.threads!r} is no number from 1", "write a fixed number")
    if config.family not in families():
        raise unknown_name("family", config.family, families(), where=path)
    check_names(path, "points", config.points)
    for name, settings in config.points.items():
        if not isinstance(settings, dict):
            raise BenchError(
                path, f"points: {name}: is not a table of settings", "write {} where it has none"
            )


def _check_type(where: str | Path, key: str, value: Any, default: Any) -> None:
    """Settings come from YAML and command lines: a text where a number belongs is a slip."""
    if value is None or default is None or default is ...:
        return
    groups = (bool, (int, float), str, (list, tuple), dict)
    for group in groups:
        if isinstance(default, group):
            good = isinstance(value, group) and (group is bool or not isinstance(value, bool))
            if not good:
                problem = f"{key}: {value!r} is not like its default {default!r}"
                raise BenchError(where, problem, f"give a {type(default).__name__}")
            return
