-- Asks for cutouts at positions drawn evenly from a rectangle, so that no answer is asked for twice.
-- Arguments: path x_min x_max y_min y_max unit "rest of the query" seed

local path, unit, rest
local x_min, x_max, y_min, y_max

function init(args)
  path, unit, rest = args[1], args[6], args[7]
  x_min, x_max, y_min, y_max = tonumber(args[2]), tonumber(args[3]), tonumber(args[4]), tonumber(args[5])
  math.randomseed(tonumber(args[8]))
end

function request()
  local x = x_min + math.random() * (x_max - x_min)
  local y = y_min + math.random() * (y_max - y_min)
  return wrk.format("GET", string.format("%s?center=%.7f,%.7f%s&%s", path, x, y, unit, rest))
end

function done(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("RESULT %d %d %d %d\n", summary.requests, summary.duration, summary.bytes, failed))
end
