"""Pictures of the desk, from a service that this starts: each page, at work, in a real browser.

The applications are drawn (`tests/applications.py`), none is of any data. Two people come through a proxy's headers: an
officer who also works on the policy, and a reviewer. `.ci/browser-tools` installs what it needs.

make gallery                                          # docs/desk/*.png
python -m examples.gallery --out /tmp/phone --width 390
"""

from __future__ import annotations

import argparse
import csv
import importlib
import io
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from examples.demo import DemoError, running
from tests.applications import EXAMPLE, portfolio
from tests.lifeline import hold

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "desk"
POLICY = ROOT / "artifacts" / "policy" / "decision_policy.json"
SECRET = secrets.token_hex(32)
"""Of the proxy that this script stands for."""
ANN = ("ann@lender.example", "officer,policy")
BOB = ("bob@lender.example", "reviewer")
PHONE = 390
MOST_BYTES = 150_000
COLOURS = (128, 64, 32, 16)
MOST_PIXELS = 2_400
"""Of a picture's height; what is longer shows its beginning."""
PATIENCE = 120_000
"""Milliseconds for a page or a job: other programs may have the machine."""


def picture(png: bytes) -> bytes:
    """The same with as many colours as `MOST_BYTES` have room for."""
    drawn = Image.open(io.BytesIO(png)).convert("RGB")
    counted, palette = drawn.getcolors(drawn.width * drawn.height), Image.new("P", (1, 1))
    for colours in COLOURS:
        file = io.BytesIO()
        # The page's own colours as they are, and the edges of letters by the nearest of them.
        most = sorted(counted, reverse=True)[:colours]
        palette.putpalette([part for _, colour in most for part in colour])
        few = drawn.quantize(palette=palette, dither=Image.Dither.NONE)
        few.save(file, "PNG", optimize=True)
        if len(file.getvalue()) <= MOST_BYTES:
            return file.getvalue()
    raise DemoError(f"a picture of {drawn.width} by {drawn.height} pixels has more than {MOST_BYTES} bytes")


class Camera:
    """Somebody at the desk, whose screen is kept as pictures."""

    def __init__(self, page: Any, url: str, out: Path) -> None:
        self.page, self._url, self._out = page, url, out
        page.set_default_timeout(PATIENCE)

    def open(self, path: str) -> None:
        """A page of the desk."""
        self.page.goto(f"{self._url}/desk/{path}")

    def keep(self, name: str, *, whole: bool = True) -> None:
        """What is on the screen now; or, where it is longer, the whole page."""
        size = self.page.viewport_size
        height = min(self.page.evaluate("document.documentElement.scrollHeight"), MOST_PIXELS)
        clip = (
            {"clip": {"x": 0, "y": 0, "width": size["width"], "height": max(height, size["height"])}} if whole else {}
        )
        png = self.page.screenshot(full_page=whole, animations="disabled", **clip)
        (self._out / f"{name}.png").write_bytes(picture(png))
        print(f"{name}.png", flush=True)

    def press(self, name: str) -> None:
        """A button that leads to a page."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=name, exact=True).click()

    def fill(self, document: dict[str, Any]) -> None:
        """The application's form."""
        for name, value in document.items():
            control = self.page.locator(f"#application [name={name}]")
            if not control.count():
                continue
            if control.evaluate("control => control.tagName") == "SELECT":
                control.select_option(str(value))
            else:
                control.fill("" if value is None else str(value))

    def send(self, file: Path, button: str, state: str) -> None:
        """A file, until its job is in this state."""
        self.page.set_input_files("#file", file)
        self.page.get_by_role("button", name=button).click()
        self.page.wait_for_selector(f"#job[data-state={state}]")


def decide(ann: Camera) -> None:
    """The form: empty, wrong, decided, and played with."""
    ann.open("")
    ann.keep("decide-empty")
    ann.fill(EXAMPLE | {"person_income": "0", "loan_amnt": "a lot"})
    ann.press("Decide")
    ann.keep("decide-wrong")
    ann.fill(EXAMPLE)
    ann.press("Decide")
    ann.keep("decide")
    slider = ann.page.get_by_label("Amount asked for, slider")
    with ann.page.expect_response("**/what-if"):
        slider.evaluate("slider => { slider.value = 9000; slider.dispatchEvent(new Event('input', {bubbles: true})); }")
    ann.page.locator(".tag").wait_for()
    ann.page.wait_for_load_state("networkidle")
    ann.keep("what-if")


def review(ann: Camera, bob: Camera, refused: str) -> None:
    """A refusal: looked up, its letter, and an override by two people."""
    ann.open("records")
    ann.keep("look-up")
    ann.open(f"records/{refused}")
    ann.keep("record")
    ann.open(f"records/{refused}/letter")
    ann.keep("letter")
    ann.open(f"records/{refused}")
    ann.press("Make it again")
    ann.page.get_by_label("Instead").select_option("CONDITIONAL_APPROVAL")
    ann.page.get_by_label("Reason", exact=True).select_option("DOCUMENTS_SEEN")
    ann.page.get_by_label("Why, in words").fill("Payslips of twelve months show a higher income than was stated.")
    ann.press("Propose the override")
    bob.open("reviews")
    bob.keep("reviews")
    bob.open(f"records/{refused}")
    bob.keep("record-proposed")
    bob.press("Confirm")
    bob.keep("record-overridden")


def send_files(ann: Camera, folder: Path) -> None:
    """A batch; a draft of the policy, compared."""
    documents = portfolio(400, seed=17)
    documents[3] = documents[3] | {"loan_grade": "Z"}
    documents[8] = documents[8] | {"person_income": -5}
    file = folder / "applications.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(dict.fromkeys(name for each in documents for name in each)))
        writer.writeheader()
        writer.writerows(documents)
    ann.open("batch")
    ann.keep("batch")
    ann.send(file, "Send the file", "waiting")
    ann.keep("batch-fits")
    ann.page.get_by_role("button", name="Decide 400 applications").click()
    ann.page.wait_for_selector("#job[data-state=done]")
    ann.keep("batch-done")

    ann.open("policy")
    ann.keep("policy")
    draft = json.loads(POLICY.read_text(encoding="utf-8")) | {"version": "1.2.0"}
    ann.page.fill("#draft", json.dumps(draft | {"thresholds": {"approve_below": 0.9, "reject_from": 0.25}}, indent=2))
    ann.press("Check the draft")
    ann.page.locator("#problem").scroll_into_view_if_needed()
    ann.keep("draft-wrong", whole=False)
    draft["thresholds"] = draft["thresholds"] | {"approve_below": 0.09}
    for example in draft["examples"]:
        if example["probability_of_default"] in (0.0999, 0.1):
            example["probability_of_default"] = round(example["probability_of_default"] - 0.01, 4)
    ann.page.fill("#draft", json.dumps(draft))
    ann.press("Check the draft")
    ann.send(file, "Compare", "done")
    ann.keep("draft-compared")


def look_after(ann: Camera) -> None:
    """How the model fares; and a page that there is none of."""
    ann.open("health")
    ann.keep("health")
    ann.open("nothing")
    ann.keep("no-such-page")


def on_the_phone(ann: Camera, refused: str) -> None:
    """The two pages that are looked at on the way."""
    ann.open("")
    ann.fill(EXAMPLE)
    ann.press("Decide")
    ann.keep("phone-decide")
    ann.open(f"records/{refused}")
    ann.keep("phone-record")


@contextmanager
def served(port: int) -> Iterator[str]:
    """A service with records, behind a proxy's headers; with some hundred decisions."""
    with tempfile.TemporaryDirectory(prefix="credit-risk-gallery-") as name:
        home = Path(name)
        (home / "secret").write_text(SECRET, encoding="utf-8")
        settings = {
            "BENTOML_HOME": str(home),
            "BENTOML_DO_NOT_TRACK": "True",
            "TMPDIR": str(home),
            "CREDIT_RISK_RECORDS": f"sqlite:{home / 'records'}",
            "CREDIT_RISK_RECORDS_KEY_FILE": str(home / "keys.json"),
            "CREDIT_RISK_DESK_PROXIES": "127.0.0.1",
            "CREDIT_RISK_DESK_SECRET_FILE": str(home / "secret"),
        }
        environment = {n: v for n, v in os.environ.items() if not n.startswith(("CREDIT_RISK_", "BENTOML_"))} | settings
        python, url = sys.executable, f"http://127.0.0.1:{port}"
        for command in (["import_model.py"], ["-m", "records", "key", settings["CREDIT_RISK_RECORDS_KEY_FILE"]]):
            subprocess.run(  # noqa: S603  # its own commands
                [python, *command], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
            )
        serve = [python, "-m", "bentoml", "serve", "service:CreditRisk", "--host", "127.0.0.1", "--port", str(port)]
        with running("the service", serve, f"{url}/readyz", home / "service.log", environment):
            yield url


def take(out: Path, port: int, width: int | None) -> None:
    """All pictures, into a folder."""
    program = shutil.which("chromium")
    try:
        playwright = importlib.import_module("playwright.sync_api")
    except ModuleNotFoundError:
        raise DemoError("no Playwright: .ci/browser-tools installs it") from None
    if program is None:
        raise DemoError("no Chromium: .ci/browser-tools installs it on Debian")
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        url = stack.enter_context(served(port))
        with httpx.Client(base_url=url, timeout=PATIENCE / 1000) as client:
            sent = [{**each, "reference": f"2026-{n:04}"} for n, each in enumerate(portfolio(120, seed=5), 101)]
            answers = [client.post("/predict/explain", json=each).raise_for_status().json() for each in sent]
        refused = [each["decision_id"] for each in answers if each["decision"] == "REJECT"]
        running_one = stack.enter_context(playwright.sync_playwright())
        browser = running_one.chromium.launch(executable_path=program, args=["--no-sandbox"])
        stack.callback(browser.close)

        def person(who: tuple[str, str], across: int) -> Camera:
            name, roles = who
            groups = ",".join(f"desk-{role}" for role in roles.split(","))
            headers = {"X-Desk-Secret": SECRET, "X-Forwarded-Email": name, "X-Forwarded-Groups": groups}
            context = browser.new_context(
                viewport={"width": across, "height": 800},
                locale="en-GB",
                timezone_id="Europe/London",
                reduced_motion="reduce",
                extra_http_headers=headers,
            )
            stack.callback(context.close)
            return Camera(context.new_page(), url, out)

        ann, bob = person(ANN, width or 1280), person(BOB, width or 1280)
        steps: list[Callable[[], None]] = [
            lambda: decide(ann),
            lambda: review(ann, bob, refused[-1]),
            lambda: send_files(ann, Path(stack.enter_context(tempfile.TemporaryDirectory()))),
            lambda: look_after(ann),
        ]
        if width is None:
            steps.append(lambda: on_the_phone(person(ANN, PHONE), refused[-1]))
        for step in steps:
            step()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.gallery",
        description="Take pictures of the desk's pages, of a service that this starts and ends.",
        epilog="exit code: 0 all are taken, 1 something is missing or did not start, 2 wrong arguments",
    )
    parser.add_argument("--out", type=Path, default=PICTURES, help="folder of the pictures (default: docs/desk)")
    parser.add_argument("--port", type=int, default=3100, help="of the service")
    parser.add_argument(
        "--width", type=int, help="of every picture, in pixels (default: 1280, and some of a phone's 390)"
    )
    arguments = parser.parse_args()
    hold()
    try:
        take(arguments.out, arguments.port, arguments.width)
    except (DemoError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
