-- Debug output (set_debuglevel): lines "connect: …", "send: …", "reply: …" to
-- smtplib.stderr, or nginx's error log at debug level. Secrets never reach it:
-- the core masks them before.
local core = require "smtplib.core"

local log = {}

local escapes = { ["\r"] = "\\r", ["\n"] = "\\n", ["\t"] = "\\t", ["\\"] = "\\\\", ["'"] = "\\'" }

local function quote(bytes)
  return "'" .. bytes:gsub("[%c\\']", function(c)
    return escapes[c] or ("\\x%02x"):format(c:byte())
  end) .. "'"
end

local function stamp()
  local now = core.wall()
  return os.date("%H:%M:%S", math.floor(now)) .. (".%06d "):format(math.floor(now % 1 * 1000000))
end

local function write(line)
  local ngx = rawget(_G, "ngx")
  if type(ngx) == "table" and ngx.log then
    ngx.log(ngx.DEBUG, line)
    return
  end
  local smtplib = package.loaded["smtplib"]
  local out = type(smtplib) == "table" and smtplib.stderr or io.stderr
  out:write(line, "\n")
end

---@param level integer 1, or 2 with the time of day
---@param label string  "connect", "send", "reply"
---@param text string
function log.line(level, label, text)
  write((level > 1 and stamp() or "") .. label .. ": " .. text)
end

---A tracer for the session that writes the dialogue.
---@param level integer
function log.tracer(level)
  return function(direction, bytes)
    log.line(level, direction == ">" and "send" or "reply", quote(bytes))
  end
end

return log
