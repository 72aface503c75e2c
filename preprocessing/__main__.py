"""`python -m preprocessing`: what a loan book's contract asks of whoever sends applications."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from preprocessing.contract import CONTRACT_FILE, Contract, InvalidContractError, read_contract_file
from preprocessing.table import BEGIN, END, markdown

EXIT_CODES = "exit code: 0 done, 1 refused, with a line on standard error for each fault, 2 wrong arguments"


class PageError(ValueError):
    """A page that the table can't be written into."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 when done, 1 with what is wrong on standard error."""
    parser = argparse.ArgumentParser(prog="python -m preprocessing", description=__doc__, epilog=EXIT_CODES)
    commands = parser.add_subparsers(dest="command", required=True)
    table = commands.add_parser("table", help="print the fields as a table in Markdown", epilog=EXIT_CODES)
    table.add_argument("folder", type=Path, help="of the loan book")
    table.add_argument("--into", type=Path, metavar="PAGE", help="write it between the page's marks instead")
    example = commands.add_parser("example", help="print an application of the fields' examples", epilog=EXIT_CODES)
    example.add_argument("folder", type=Path, help="of the loan book")
    options = parser.parse_args(arguments)
    try:
        contract = read_contract_file(options.folder / CONTRACT_FILE)
        if options.command == "example":
            print(json.dumps(dict(contract.example), indent=2, ensure_ascii=False))
        elif options.into is None:
            print(markdown(contract), end="")
        else:
            write_into(options.into, options.folder, contract)
    except OSError as exc:
        print(f"{exc.filename}: can't be read or written ({exc.strerror}); name a file that can", file=sys.stderr)
        return 1
    except (InvalidContractError, PageError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def write_into(page: Path, folder: Path, contract: Contract) -> None:
    """Replace the table in a page.

    Raises:
        PageError: the page has no place for it.
    """
    text = page.read_text(encoding="utf-8")
    begin = BEGIN.format(folder.as_posix())
    before, _, rest = text.partition(begin)
    _, end, after = rest.partition(END)
    if not end:
        raise PageError(f"{page}: has no line {begin.strip()} with a line {END.strip()} below it; add both")
    page.write_text(f"{before}{begin}\n{markdown(contract)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
