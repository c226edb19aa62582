-- Prints the result as one line of JSON: wrk's own summary is rounded, in changing units.
-- A body as the argument makes it POST.

function init(args)
  if args[1] then
    wrk.method, wrk.body = "POST", args[1]
    wrk.headers["Content-Type"] = "application/json"
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
