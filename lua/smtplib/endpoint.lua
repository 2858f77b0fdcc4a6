-- Where a server is: "host", "host:port", "[::1]:25", "unix:/path", "/path".
local misuse = require "smtplib.misuse"

local endpoint = {}

local function check_port(port, func)
  if port == nil then return 0 end
  local number = port
  if type(port) == "string" then number = port:find("^%d+$") and tonumber(port) end
  if type(number) ~= "number" or number % 1 ~= 0 or number < 0 or number > 65535 then
    misuse.argument("port", func, "port number expected, got '" .. tostring(port) .. "'")
  end
  return number
end

-- "name:port", where the port was not given otherwise; a bare IPv6 address has
-- more than one colon and no port.
local function split(host)
  local address, rest = host:match("^%[(.-)%](.*)$")
  if address then
    if rest == "" then return address end
    return address, rest:match("^:(.*)$") or "none"
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
---@return string host   without brackets; "/path" for a Unix socket
---@return integer port  0 for a Unix socket
function endpoint.parse(host, port, default_port, func)
  port = check_port(port, func)
  local path = host:match("^unix:(.*)$") or host:match("^/.*$")
  if path then return path, 0 end
  local name, inner = split(host)
  if inner then
    inner = check_port(inner, func)
    if port == 0 then port = inner end
  end
  if port == 0 then port = default_port end
  return inner and name or (host:match("^%[.*%]$") and name or host), port
end

---True for the path of a Unix socket.
function endpoint.is_path(host)
  return host:sub(1, 1) == "/"
end

return endpoint
