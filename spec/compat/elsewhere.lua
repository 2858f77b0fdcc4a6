-- A server that is not on this machine, as far as the library can tell: what makes
-- transports makes ones that are not loopback, whatever they are connected to.
local transports = require "smtplib.transport"

local elsewhere = {}

local function transport()
  local stream = transports.blocking.new()
  local self = {}
  for _, name in ipairs { "connect", "send", "receive", "settimeout", "settimeouts", "close" } do
    self[name] = function(_, ...) return stream[name](stream, ...) end
  end
  function self.is_loopback() return false end
  return self
end

---Call a function while all new connections seem to lead elsewhere.
function elsewhere.call(f, ...)
  local choose = transports.choose
  transports.choose = transport
  local results = { pcall(f, ...) }
  transports.choose = choose
  if not results[1] then error(results[2], 0) end
  return results[2], results[3], results[4]
end

return elsewhere
