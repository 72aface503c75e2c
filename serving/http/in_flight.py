"""How many bytes all requests of a process may hold at once, whatever each of them may hold by itself."""

from __future__ import annotations


class BytesInFlight:
    """Counts what arrives until it is let go of.

    Args:
        most: bytes of all requests.
        per_caller: bytes of one caller's requests.
    """

    def __init__(self, most: int, per_caller: int) -> None:
        self._most = most
        self._per_caller = per_caller
        self._of_callers: dict[str, int] = {}
        self.held = 0

    def room(self, caller: str) -> int:
        """Bytes that this caller may still add."""
        return min(self._most - self.held, self._per_caller - self._of_callers.get(caller, 0))

    def take(self, caller: str, number: int) -> bool:
        """Hold so many more, if there is room for them."""
        if number > self.room(caller):
            return False
        self.add(caller, number)
        return True

    def add(self, caller: str, number: int) -> None:
        """Hold so many more, room or not: what is there already, such as an answer that nobody reads."""
        self.held += number
        self._of_callers[caller] = self._of_callers.get(caller, 0) + number

    def give_back(self, caller: str, number: int) -> None:
        """Let go of so many."""
        self.held -= number
        left = self._of_callers.get(caller, 0) - number
        if left:
            self._of_callers[caller] = left
        else:
            self._of_callers.pop(caller, None)
