"""Registry of codecs: families, found by looking at files, and codec ids, the files of config/codecs.

A *family* is one decoder: the package ``ffnerv``, or a child of ``baselines`` (a module, or a package with a
module ``codec``). A *codec id* is a family with settings, under the name that is printed in tables:
``x264-medium`` and ``x264-veryslow`` are two ids of the family ``ffmpeg``.

A family is imported when it is loaded. pydantic, which takes 0.1 s, is imported when a codec id is read: a
decoder needs none, and the time of decoding includes its imports.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base.errors import BenchError
from bench.base.names import NAME, unknown_name
from bench.base.paths import CODECS_DIR
from bench.base.strict_yaml import parse_table, read_text
from bench.codec.contract import Codec

if TYPE_CHECKING:
    from bench.codec.codec_config import CodecConfig
    from bench.codec.settings import Settings

PACKAGES = ("ffnerv", "baselines")

_CODEC_LINE = re.compile(r"^CODEC\b", re.MULTILINE)


def families() -> dict[str, str]:
    """Name of every installed family -> path of the module that has its `CODEC`."""
    return dict(_scan(PACKAGES))


@functools.cache
def _scan(packages: tuple[str, ...]) -> dict[str, str]:
    modules: dict[str, str] = {}
    for package in packages:
        spec = importlib.util.find_spec(package)
        for folder in spec.submodule_search_locations or () if spec else ():
            for name, module in _families_in(package, Path(folder)):
                if modules.setdefault(name, module) != module:
                    raise BenchError(
                        module, f"family {name!r} is also {modules[name]}", "rename one of the two"
                    )
    return dict(sorted(modules.items()))


def load_family(family: str) -> Codec:
    """The codec object of a family.

    Raises:
        BenchError: an unknown family, or a package that it needs is not installed.
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
    """Every codec id -> its configuration."""
    folder = CODECS_DIR if config_dir is None else Path(config_dir)
    return {path.stem: _read_config(path) for path in sorted(folder.glob("*.yaml"))}


def codec_config(codec_id: str, config_dir: str | Path | None = None) -> CodecConfig:
    """The configuration of one codec id.

    Raises:
        BenchError: an unknown id (with close matches), or its file is invalid.
    """
    folder = CODECS_DIR if config_dir is None else Path(config_dir)
    path = folder / f"{codec_id}.yaml"
    if not NAME.fullmatch(codec_id) or not path.is_file():
        raise unknown_name("codec", codec_id, (path.stem for path in folder.glob("*.yaml")))
    return _read_config(path)


def settings_model(family: str) -> type[Settings]:
    """The settings of a family: their types, ranges and default values.

    Raises:
        BenchError: see `load_family`.
    """
    from bench.codec import settings

    return settings.settings_model(type(load_family(family)))


def resolve_settings(
    config: CodecConfig, condition_overrides: Mapping[str, Any], point_settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The settings of one encode: defaults, then the codec's, the condition's, the point's.

    Raises:
        BenchError: a setting is unknown, has the wrong type or range, or has no value.
    """
    from bench.codec.settings import check_settings

    model = settings_model(config.family)
    check_settings(model, condition_overrides, where=f"condition of {config.id}")
    check_settings(model, point_settings, where=f"point of {config.id}")
    settings = model.merged(model.default_values(), config.settings, condition_overrides, point_settings)
    if missing := [name for name, value in settings.items() if value is ...]:
        remedy = "give it in a point or with --set"
        raise BenchError(config.id, f"the setting {missing[0]!r} is not given", remedy)
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


def _read_config(path: Path) -> CodecConfig:
    return _parse_config(path, read_text(path))


@functools.lru_cache(maxsize=1024)
def _parse_config(path: Path, text: str) -> CodecConfig:
    """The configuration in a file with this text. A plan needs it once for each of its points."""
    from bench.codec.codec_config import CodecConfig

    return CodecConfig.of_values(parse_table(text, where=path), path)
