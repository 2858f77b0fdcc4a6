-- Connections by hand, under Python's names.
local core = require "smtplib.core"
local errors = require "smtplib.errors"
local transport = require "smtplib.transport"

local socket = {}

local DEFAULT_TIMEOUT = 60 -- seconds

local function misuse(argument, expected, value)
  error("bad argument '" .. argument .. "' to 'create_connection' (" .. expected .. " expected, got "
    .. (type(value) == "number" and tostring(value) or type(value)) .. ")", 3)
end

local function is_port(value)
  return type(value) == "number" and value >= 0 and value <= 65535 and value % 1 == 0
end

local function is_end(value)
  return type(value) == "table" and type(value[1]) == "string" and is_port(value[2])
end

---Connect to `address = {host, port}`.
---@param address table
---@param timeout? number seconds for each wait, default 60; math.huge waits for ever
---@param source_address? table {host, port} of the near end
---@return table|userdata|nil transport
---@return table? err
function socket.create_connection(address, timeout, source_address)
  if not is_end(address) then misuse("address", "{host, port}", address) end
  if timeout == nil then timeout = DEFAULT_TIMEOUT end
  if type(timeout) ~= "number" or timeout ~= timeout or timeout <= 0 then
    misuse("timeout", "positive number", timeout)
  end
  if source_address ~= nil and not is_end(source_address) then
    misuse("source_address", "{host, port}", source_address)
  end
  if address[1]:find("[%z\1-\31\127]") or address[1] == "" then
    return nil, errors.from_core("argument", "not a host name")
  end
  local stream = transport.choose()
  local connected, name, sentence =
    stream:connect(address[1], address[2], { timeout = timeout, source_address = source_address })
  if not connected then return nil, errors.from_core(name, sentence) end
  return stream
end

---The system's name for itself.
---@return string
function socket.gethostname()
  return core.gethostname()
end

---The host's full name, as far as the system knows it without asking a name
---server: its host name, with or without a domain.
---@return string
function socket.getfqdn()
  return core.gethostname()
end

return socket
