-- Arguments after "--": close (ask the server to close), post N (POST N octets), accept CODING
-- (ask for that Content-Encoding), cycle PATH,PATH,... (ask for these in turn).
-- Prints one line of JSON after what wrk prints. Requests are formatted once;
-- without cycle they are the same each time and no Lua runs while the load does.
function init(args)
  local i = 1
  while args[i] do
    if args[i] == "close" then
      wrk.headers["Connection"] = "close"
    elseif args[i] == "accept" then
      i = i + 1
      wrk.headers["Accept-Encoding"] = args[i]
    elseif args[i] == "post" then
      i = i + 1
      wrk.method = "POST"
      wrk.body = string.rep("0123456789abcdef", tonumber(args[i]) / 16)
      wrk.headers["Content-Type"] = "application/octet-stream"
    elseif args[i] == "cycle" then
      i = i + 1
      cycle(args[i])
    end
    i = i + 1
  end
end

function cycle(list)
  local requests, at = {}, 0
  for path in string.gmatch(list, "[^,]+") do
    requests[#requests + 1] = wrk.format("GET", path)
  end
  request = function()
    at = at % #requests + 1
    return requests[at]
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\nJSON {"requests": %d, "bytes": %d, "duration_us": %d, "connect": %d, "read": %d, "write": %d, '
      .. '"status": %d, "timeout": %d, "p50_us": %d, "p99_us": %d, "max_us": %d}\n',
    summary.requests, summary.bytes, summary.duration, e.connect, e.read, e.write,
    e.status, e.timeout, latency:percentile(50), latency:percentile(99), latency.max))
end
