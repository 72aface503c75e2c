"""Every mutant of the code under mutation, and samples of them; cosmic-ray makes them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from random import Random
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

from tests.mutation.config import CONFIG, SURVIVORS, source


@dataclass(frozen=True)
class Mutant:
    """One change of one module.

    Attributes:
        module: its path from the root.
        operator: of cosmic-ray, without its provider.
        occurrence: in the module.
        line: where, from 1 on.
    """

    module: str
    operator: str
    occurrence: int
    line: int

    @property
    def code(self) -> str:
        """The module with the change."""
        code = mutate_code(source(self.module), _made(self.operator), self.occurrence)
        assert code is not None
        return code

    @property
    def was(self) -> str:
        """The line that is changed."""
        return source(self.module).splitlines()[self.line - 1].strip()

    @property
    def now(self) -> str:
        """The line after it; nothing where it is gone."""
        before, after = source(self.module).splitlines(), self.code.splitlines()
        return after[self.line - 1].strip() if len(before) == len(after) else ""


def mutants(module: str) -> Iterator[Mutant]:
    """All of a module's, without those that no rule of the configuration calls behaviour."""
    nodes = list(ast_nodes(get_ast(source(module))))
    typed = _annotations(source(module))
    for operator in CONFIG["operators"]:
        positions = (at for node in nodes for at in _made(operator).mutation_positions(node))
        for occurrence, ((line, column), _) in enumerate(positions):
            if "BitOr" in operator and any(begin <= (line, column) < end for begin, end in typed):
                continue
            mutant = Mutant(module, operator, occurrence, line)
            if not _is_no_behaviour(mutant):
                yield mutant


def sample(by_module: dict[str, list[Mutant]], size: int, seed: int) -> list[Mutant]:
    """Of each module as many as its share of all, at least one, drawn by the seed; their beginning is a sample too."""
    total = sum(map(len, by_module.values()))
    drawn: list[Mutant] = []
    for module, all_ in by_module.items():
        if all_:
            count = min(len(all_), max(1, round(size * len(all_) / total)))
            drawn += Random(f"{seed} {module}").sample(all_, count)
    return Random(seed).sample(drawn, len(drawn))


def reason(mutant: Mutant) -> str | None:
    """Why a mutant may survive, where somebody has said so."""
    for known in SURVIVORS:
        if (known["module"], known["was"]) == (mutant.module, mutant.was) and known["is"] == mutant.now:
            return known["why"]
    return None


def _made(operator: str) -> Any:
    return get_operator(f"core/{operator}")()


def _is_no_behaviour(mutant: Mutant) -> bool:
    rules = (rule for rule in CONFIG["no_behaviour"] if fnmatch(mutant.operator, rule["operator"]))
    return any(re.search(rule["was"], mutant.was) and re.search(rule.get("is", ""), mutant.now) for rule in rules)


def _annotations(code: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where types are written that nothing runs: their `|` is no operator of the program."""
    found = []
    for node in ast.walk(ast.parse(code)):
        for name in ("annotation", "returns"):
            at = getattr(node, name, None)
            if isinstance(at, ast.expr):
                found.append(((at.lineno, at.col_offset), (at.end_lineno or 0, at.end_col_offset or 0)))
    return found
