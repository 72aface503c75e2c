#!/bin/sh
# One curl line for each route: URL=http://127.0.0.1:3000 sh examples/curl.sh
set -eu
cd "$(dirname "$0")"
URL="${URL:-http://127.0.0.1:3000}"
JSON='Content-Type: application/json'

curl -sS --fail-with-body -w '\n' "$URL/predict" -H "$JSON" -H 'X-Request-ID: example-1' -d @application.json
curl -sS --fail-with-body -w '\n' "$URL/predict/batch" -H "$JSON" -d "[$(cat application.json)]"
curl -sS --fail-with-body -w '\n' "$URL/predict/batch?partial=true" -H "$JSON" -d "[$(cat application.json), {}]"
curl -sS --fail-with-body -w '\n' "$URL/predict/explain" -H "$JSON" -d @application.json
curl -sS --fail-with-body -w '\n' "$URL/health"
curl -sS --fail-with-body -w '\n' "$URL/version"
curl -sS --fail-with-body -o /dev/null -w 'livez %{http_code}\n' "$URL/livez"
curl -sS --fail-with-body -o /dev/null -w 'healthz %{http_code}\n' "$URL/healthz"
curl -sS --fail-with-body -o /dev/null -w 'readyz %{http_code}\n' "$URL/readyz"
curl -sS --fail-with-body -o /dev/null -w 'metrics %{http_code}\n' "$URL/metrics"
curl -sS --fail-with-body -o /dev/null -w 'docs %{http_code}\n' "$URL/docs"
