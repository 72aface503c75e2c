"""What all chains have come to, signed and put where whoever can change the store can't."""

from __future__ import annotations

import argparse
from pathlib import Path

from records.commands.options import Commands, add_trust, show_document, the_ledger


def add(commands: Commands) -> None:
    """Declare the command."""
    checkpoint = commands.add("checkpoint", _run, "sign what all chains have come to, and keep that elsewhere")
    checkpoint.add_argument(
        "--to", metavar="PLACE", required=True, help="a file or URL that it is put behind others at"
    )
    checkpoint.add_argument("--sign-key", metavar="FILE", type=Path, required=True, help="a private key in PEM")
    add_trust(checkpoint, "a public key that has signed earlier ones, where it wasn't this one")


def _run(options: argparse.Namespace) -> int:
    from records.checkpoints.checkpoint import Checkpoint, read_row
    from records.checkpoints.envelopes import read_signing_key, read_trusted_keys
    from records.checkpoints.making import next_checkpoint
    from records.checkpoints.places import place, read_authorization

    key = read_signing_key(options.sign_key)
    keys = read_trusted_keys(options.trusted_key) | key.public
    at = place(options.to, read_authorization(options.authorization))
    made: Checkpoint | None = None

    def make(content: bytes) -> bytes:
        nonlocal made
        made = next_checkpoint(ledger, read_row(content, keys, str(at)))
        return key.sign(made.statement)

    ledger = the_ledger(options)
    at.extend(make)
    assert made is not None
    if options.json:
        document = made.model_dump(mode="json", exclude={"format", "heads"})
        show_document(document | {"digest": made.digest, "signed_by": key.name}, options)
    else:
        print(f"checkpoint {made.number}: {made.entries} entries of {made.writers} writers, root {made.root[:16]}…")
    return 0
