-- Where a server is: "host", "host:port", "[::1]:25", "unix:/path", "/path".
local misuse = require "smtplib.misuse"

local endpoint = {}

local function check_port(port, func, level)
  if port == nil then return 0 end
  local number = tonumber(port)
  if type(port) ~= "number" and type(port) ~= "string" or not number or number % 1 ~= 0
    or number < 0 or number > 65535 then
    misuse.argument("port", func, "port number expected, got '" .. tostring(port) .. "'", level)
  end
  return number
end

-- "name:port", where the port was not given otherwise; a bare IPv6 address has
-- more than one colon and no port.
local function split(host)
  local address, rest = host:match("^%[(.-)%](.*)$")
  if address then
    if rest == "" then return address end
    return address, rest:match("^:(.*)$") or rest
  end
  local name, port = host:match("^([^:]*):([^:]*)$")
  if name then return name, port end
  return host
end

---Take a host apart. Raises for a port that is none; host may be nil.
---@param host string
---@param port integer|string|nil
---@param default_port integer
---@param func string  name for errors
---@param level integer extra stack levels
---@return string host   without brackets; "/path" for a Unix socket
---@return integer port  0 for a Unix socket
function endpoint.parse(host, port, default_port, func, level)
  port = check_port(port, func, level + 1)
  local path = host:match("^unix:(.*)$") or host:match("^/.*$")
  if path then return path, 0 end
  local name, inner = split(host)
  if inner and port == 0 then
    if inner == "" then
      misuse.argument("port", func, "port number expected in '" .. host .. "'", level)
    end
    port = check_port(inner, func, level + 1)
  end
  if port == 0 then port = default_port end
  return inner and name or (host:match("^%[.*%]$") and name or host), port
end

---True for the path of a Unix socket.
function endpoint.is_path(host)
  return host:sub(1, 1) == "/"
end

return endpoint
