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

-- When the next message to a host may go, by host and port.
local buckets = {}

---How long a message to `target` has to wait so that no more than `rate` go in a
---second; the moment is then taken.
---@param target table host, port
---@param rate number messages per second
---@param now number
---@return number seconds
function pause.turn(target, rate, now)
  local name = target.host .. ":" .. target.port
  local bucket = buckets[name]
  local burst = math.max(1, math.floor(rate))
  if not bucket then
    bucket = { tokens = burst, at = now }
    buckets[name] = bucket
  end
  bucket.tokens = math.min(burst, bucket.tokens + (now - bucket.at) * rate) - 1
  bucket.at = now
  return bucket.tokens >= 0 and 0 or -bucket.tokens / rate
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
