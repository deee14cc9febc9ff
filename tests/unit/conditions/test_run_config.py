"""config.yaml."""

from __future__ import annotations

from typing import Any

import pytest

from bench.base.errors import BenchError
from bench.conditions.run_config import check_config, default_condition

GOOD = {"condition": "demo-v1", "figures": ["rd", "strip"], "my_curves": None}


def test_the_configuration_is_read() -> None:
    config = check_config(GOOD)
    assert (config.condition, config.figures, config.my_curves) == ("demo-v1", ("rd", "strip"), None)
    assert default_condition() == "demo-v2"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"figuers": ["rd"]}, "unknown key 'figuers'; try figures"),
        ({"figures": ["rd", "pie"]}, "figures: 1: unknown value 'pie'; try "),
        ({"figures": ["rd", "rd"]}, "figures: 'rd' is listed twice; "),
        ({"figures": "rd"}, "figures: 'rd' must be a list; write "),
        ({"condition": "../demo"}, "condition: '../demo' cannot be the name of a folder; use "),
        ({"condition": 1}, "condition: 1 must be a name; rename a condition whose name is a number"),
        ({"my_curves": True}, "my_curves: True must be text; put it in quotes"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError) as error:
        check_config(GOOD | changes, where="config.yaml")
    assert str(error.value).startswith(f"config.yaml: {message}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["condition", "figures"])
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(BenchError, match=f"key '{key}' is missing; add it"):
        check_config({name: value for name, value in GOOD.items() if name != key})
