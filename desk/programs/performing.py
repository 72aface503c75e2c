"""A program that holds what models said against what became of the loans, month by month, of all decisions on record.

`python -m desk.programs.performing FOLDER` opens the store that the service's settings name, tells decisions as
they are gone through, then the tables, and leaves the page with its plots in FOLDER/performance.html.
"""

from __future__ import annotations

import os
from pathlib import Path

from desk.programs.limits import run, tell

PAGE = "performance.html"
RECORDS, KEY_FILE = "CREDIT_RISK_RECORDS", "CREDIT_RISK_RECORDS_KEY_FILE"


def main(folder: Path, _: list[str]) -> None:
    """Go through them."""
    from records.keyring import read_keyring  # noqa: PLC0415  # only the program opens a store of its own
    from records.performance.cohorts import cohorts, trained_on  # noqa: PLC0415
    from records.performance.measuring import measured  # noqa: PLC0415
    from records.performance.page import page  # noqa: PLC0415
    from records.performance.report import (  # noqa: PLC0415
        COUNTS,
        QUALITY,
        RATES,
        SELECTED,
        counts,
        notes,
        quality,
        rates,
        title,
    )
    from records.reading import Archive  # noqa: PLC0415
    from records.stores.opening import open_ledger  # noqa: PLC0415

    ledger, ring = open_ledger(os.environ[RECORDS]), read_keyring(Path(os.environ[KEY_FILE]))
    tell(total=ledger.count())
    found = cohorts(ledger, ring, Archive(ledger, ring).all(0, None), lambda more: tell(done=more))
    performances = [measured(model, months, trained_on(ledger, model)) for model, months in found.items()]
    ledger.close()
    if performances:
        (folder / PAGE).write_text(page(performances), encoding="utf-8")
    tell(
        selected=SELECTED,
        models=[
            {
                "title": title(each),
                "outcomes": each.total.outcomes,
                "notes": list(notes(each)),
                "tables": [
                    {"title": "Defaults, expected and observed", "head": RATES, "rows": rates(each)},
                    {"title": "How well the model tells defaults", "head": QUALITY, "rows": quality(each)},
                    {"title": "Decisions behind these figures", "head": COUNTS, "rows": counts(each)},
                ],
            }
            for each in performances
        ],
    )


if __name__ == "__main__":
    run(main)
