#!/bin/sh
# One curl line for each route: URL=http://127.0.0.1:3000 sh examples/curl.sh
set -eu
cd "$(dirname "$0")"
URL="${URL:-http://127.0.0.1:3000}"
JSON='Content-Type: application/json'
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# curl by itself repeats what the service asks for, and waits as long as Retry-After says. What it can't do: repeat after
# a lost connection without repeating a wrong request as well (--retry-all-errors), and print the last answer only.
# Scoring changes nothing, so any of these requests may be sent again.
call() {
    id=example-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n') # the same for all tries; it stands in the service's log
    try=1
    while
        code=0
        : >"$answer"
        curl -sS --fail-with-body --retry 3 --retry-max-time 30 --max-time 30 -o "$answer" -H "X-Request-ID: $id" "$@" ||
            code=$?
        case "$code:$try" in
        0:*) cat "$answer" && echo && return ;;
        7:[123] | 18:[123] | 52:[123] | 55:[123] | 56:[123]) ;; # refused, half an answer, none, sending or receiving failed
        *) cat "$answer" >&2 && echo " request id $id" >&2 && return "$code" ;;
        esac
    do
        sleep "$try.$(od -An -N1 -tu1 /dev/urandom | tr -d ' ')" # longer each time, and not the same for everyone
        try=$((try + 1))
    done
}

call "$URL/predict" -H "$JSON" -d @application.json
call "$URL/predict/batch" -H "$JSON" -d "[$(cat application.json)]"
call "$URL/predict/batch?partial=true" -H "$JSON" -d "[$(cat application.json), {}]"
call "$URL/predict/explain" -H "$JSON" -d @application.json
call "$URL/health"
call "$URL/version"
curl -sS --fail-with-body -o /dev/null -w 'livez %{http_code}\n' "$URL/livez"
curl -sS --fail-with-body -o /dev/null -w 'healthz %{http_code}\n' "$URL/healthz"
curl -sS --fail-with-body -o /dev/null -w 'readyz %{http_code}\n' "$URL/readyz"
curl -sS --fail-with-body -o /dev/null -w 'metrics %{http_code}\n' "$URL/metrics"
curl -sS --fail-with-body -o /dev/null -w 'docs %{http_code}\n' "$URL/docs"
