"""The desk: pages at /desk for the people who decide, made of the service's own answers.

It has no rules of its own: what it shows it is told by the service that it is mounted on, through `desk.host`. Nobody
imports it but service.py, which mounts it.

roles.py       what people may do
app.py         the ASGI application: who may come in, what every answer carries
host.py        what the desk asks of the service
guarding.py    forged requests, and the headers against foreign pages and scripts
visit.py       one request at the desk, and how it is answered
rendering.py   templates, and how numbers are written in them
pages/         the pages, a module each, and their list
fields.py      a field of the contract as an input
documents.py   from a form's texts to the application's JSON
ranging.py     what each value of a field would get
jobs/          what takes longer than a request: files that people send
programs/      which open such files, in processes of their own
health.py      the service's metrics as a person reads them
alerts.py      what alerts watch, and how it stands
wording.py     a policy in words
results.py     an answer as a person reads it
archive/       what is asked of the records
acts.py        what was told of a decision as a person reads it
letters.py     the letter to the applicant, from the lender's template
drawing/       what is drawn of it, as SVG
"""

from desk.app import Desk
from desk.letters import LetterError, read_letter

__all__ = ["Desk", "LetterError", "read_letter"]
