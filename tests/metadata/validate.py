"""Validate the RO-Crate and the Croissant metadata of a folder of results with their own validators.

    python tests/metadata/validate.py DIR

`make test-metadata` runs it on tracked results, in an environment of its own: roc-validator pins versions of
rich and click that differ from those of the suite. It needs rocrate, roc-validator, mlcroissant, and the
internet, from which roc-validator takes the JSON-LD contexts.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mlcroissant
from rocrate.rocrate import ROCrate
from rocrate_validator import models, services

PROFILES = ("ro-crate-1.1", "process-run-crate-0.5", "workflow-run-crate-0.5", "workflow-ro-crate-1.0")


def main(folder: str) -> int:
    """Print one line for each check; return 1 if one failed."""
    failed = False
    crate = ROCrate(folder)
    actions = [one for one in crate.get_entities() if one.type == "CreateAction"]
    _print(f"rocrate: {len(list(crate.get_entities()))} entities, {len(actions)} actions")
    for profile in PROFILES:
        settings = services.ValidationSettings(
            rocrate_uri=folder,
            profile_identifier=profile,
            requirement_severity=models.Severity.REQUIRED,
        )
        issues = services.validate(settings).get_issues()
        failed |= bool(issues)
        _print(f"{profile}: {'valid' if not issues else f'{len(issues)} issues'}")
        for issue in issues[:10]:
            _print(f"  {issue.message}")
    data = mlcroissant.Dataset(str(Path(folder, "croissant.json")))
    rows = list(data.records("points"))
    failed |= bool(data.metadata.ctx.issues.errors) or not rows
    _print(f"croissant: {len(rows)} rows; {data.metadata.ctx.issues.report() or 'valid'}")
    return int(failed)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
