"""The pages of the desk, a module each.

Whoever adds one writes its module with a `PAGE`, its templates, and lists it here: navigation, roles, tokens, problems
and headers come with that. What several templates show alike is in `macros.html`; a page's own style stands at the end
of `desk.css`, and what its script does in a file of its own, which only its template loads, in the block `scripts`.

batch.py      a file of applications decided
deciding.py   an application's form, its decision, and what if
health.py     how the model does
looking_up.py  decisions on record, and one of them as it was decided
reviewing.py  decisions that wait for somebody, and what is done about one
letter.py     the letter of one decision
on_record.py  what these three share
page.py       what a page is
policy.py     the policy in force, and drafts
"""

from desk.pages import batch, deciding, health, letter, looking_up, policy, reviewing
from desk.pages.page import Page

PAGES: tuple[Page, ...] = (
    deciding.PAGE,
    batch.PAGE,
    looking_up.PAGE,
    reviewing.PAGE,
    letter.PAGE,
    policy.PAGE,
    health.PAGE,
)
"""In the order of the navigation; the first is what /desk/ shows."""
