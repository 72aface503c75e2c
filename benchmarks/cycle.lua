-- Sends the bodies of a file, one a line, in turn, with headers: the file's name, then names and values by turns.
-- Prints one JSON line when done.
local bodies, at = {}, 0

function init(arguments)
  local headers = { ["Content-Type"] = "application/json" }
  for i = 2, #arguments, 2 do
    headers[arguments[i]] = arguments[i + 1]
  end
  for line in io.lines(arguments[1]) do
    bodies[#bodies + 1] = wrk.format("POST", nil, headers, line)
  end
end

function request()
  at = at % #bodies + 1
  return bodies[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "refused": %d, "broken": %d, "p50": %f, "p99": %f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
