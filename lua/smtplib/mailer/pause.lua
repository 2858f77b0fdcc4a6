-- Waiting: for the next moment that a rate allows, and between attempts. In nginx
-- it is the request that waits, not the worker.
local core = require "smtplib.core"

local pause = {}

---@param seconds number
function pause.sleep(seconds)
  if seconds <= 0 then return end
  local ngx = rawget(_G, "ngx")
  if ngx and ngx.sleep then
    ngx.sleep(seconds)
  else
    core.sleep(seconds)
  end
end

-- When the next message to a host may go, by host and port: of all Mailers here.
local moments = {}

-- What has passed holds nobody back.
local function forget_past(now)
  for name, at in pairs(moments) do
    if at <= now then moments[name] = nil end
  end
end

---How long a message to `target` has to wait so that no more than `rate` go in a
---second, evenly; the moment is then taken.
---@param target table name: host and port
---@param rate number messages per second
---@param now number
---@return number seconds
function pause.turn(target, rate, now)
  local at = moments[target.name]
  if not at or at <= now then
    forget_past(now)
    at = now
  end
  moments[target.name] = at + 1 / rate
  return at - now
end

---How long to wait before the n-th further attempt: twice as long each time, with
---some chance in it, so that many who failed together do not come back together.
---@param backoff number|function
---@param n integer
---@return number seconds
function pause.before_retry(backoff, n)
  if type(backoff) == "function" then return tonumber((backoff(n))) or 0 end
  return math.min(backoff * 2 ^ (n - 1), 300) * (0.75 + math.random() / 2)
end

return pause
