-- Options of the SMTP classes: positional arguments in Python's order, or one
-- table. Unknown names and wrong types are misuse and raise.
local misuse = require "smtplib.misuse"

local options = {}

local names = {
  host = "string", port = "number|string", local_hostname = "string", source_address = "table",
  timeout = "number|table", tls = "boolean|string", context = "userdata|table", tls_options = "table",
  user = "string", username = "string", password = "string", auth = "table", debuglevel = "number|boolean",
  trace = "function", transport = "table|userdata|function|string", limits = "table", command_timeouts = "table",
  allow_insecure_auth = "boolean", add_missing_headers = "boolean",
}

local auth_names = {
  mechanism = "string", user = "string", username = "string", password = "string",
  token = "string|function", authzid = "string", initial_response_ok = "boolean",
}

local tls_modes = { [false] = true, starttls = true, implicit = true, opportunistic = true }

local function check_seconds(value, what, func)
  if type(value) ~= "number" or value ~= value or value <= 0 then
    misuse.argument(what, func, "a positive number of seconds expected, got " .. tostring(value))
  end
  return value
end

local function check_count(value, what, func)
  if type(value) ~= "number" or value < 1 or value > 0x7fffffff or value % 1 ~= 0 then
    misuse.argument(what, func, "a positive whole number expected, got " .. tostring(value))
  end
end

---`timeout` as {connect=, send=, read=}; 60 seconds where nothing is said.
function options.timeouts(timeout, func)
  if timeout == nil then timeout = 60 end
  if type(timeout) ~= "table" then
    check_seconds(timeout, "timeout", func)
    return { connect = timeout, send = timeout, read = timeout }
  end
  local result = {}
  for name in pairs(timeout) do
    if name ~= "connect" and name ~= "send" and name ~= "read" then
      misuse.raise("unknown option 'timeout." .. tostring(name) .. "'")
    end
  end
  for _, name in ipairs { "connect", "send", "read" } do
    result[name] = check_seconds(timeout[name] or 60, "timeout." .. name, func)
  end
  return result
end

local function check_auth(given, func)
  for name, value in pairs(given) do
    if not auth_names[name] then misuse.raise("unknown option 'auth." .. tostring(name) .. "'") end
    misuse.check(value, auth_names[name], "auth." .. name, func)
  end
  if not (given.mechanism or given.user or given.username or given.token) then
    misuse.argument("auth", func, "a mechanism, a user or a token expected")
  end
end

---Raise unless the value has a transport's methods (API section 8).
function options.check_transport(value, func)
  local kind = type(value)
  for _, name in ipairs { "connect", "send", "receive", "close" } do
    if (kind ~= "table" and kind ~= "userdata") or type(value[name]) ~= "function" then
      misuse.argument("transport", func, "an object with connect, send, receive and close expected")
    end
  end
  return value
end

local function check_table(given, func)
  for name, value in pairs(given) do
    local wanted = names[name]
    if not wanted then misuse.raise("unknown option '" .. tostring(name) .. "'") end
    misuse.check(value, wanted, name, func)
  end
  local transport = given.transport
  if type(transport) == "string" and transport ~= "blocking" and transport ~= "ngx" then
    misuse.argument("transport", func, "'blocking', 'ngx' or an object expected, got '" .. transport .. "'")
  end
  if type(transport) == "table" or type(transport) == "userdata" then options.check_transport(transport, func) end
  if given.auth then check_auth(given.auth, func) end
  for name, value in pairs(given.command_timeouts or {}) do
    misuse.check(name, "string", "command_timeouts", func)
    check_seconds(value, "command_timeouts." .. tostring(name), func)
  end
  for name, value in pairs(given.limits or {}) do
    if name ~= "reply_line" and name ~= "reply_lines" then
      misuse.raise("unknown option 'limits." .. tostring(name) .. "'")
    end
    check_count(value, "limits." .. name, func)
  end
end

---Raise unless it is {host, port} or nil.
function options.check_source(source, func)
  if source == nil then return end
  if type(source) ~= "table" or type(source[1]) ~= "string" or source[1]:find("%z")
    or (source[2] ~= nil and type(source[2]) ~= "number") then
    misuse.argument("source_address", func, "{host, port} expected")
  end
end

local function check_mode(mode, func)
  if mode ~= nil and not tls_modes[mode] then
    misuse.argument("tls", func, "false, 'starttls', 'implicit' or 'opportunistic' expected, got '"
      .. tostring(mode) .. "'")
  end
end

local function check_credentials(result, func)
  if result.user and result.password == nil then
    misuse.argument("password", func, "string expected, got no value")
  end
  if result.password and not result.user then misuse.argument("user", func, "string expected, got no value") end
  if result.user and result.auth then misuse.raise("options 'user' and 'auth' exclude one another") end
end

---@param func string       "SMTP", for errors
---@param positional string[] the names of positional arguments
---@return table            a fresh table of checked options
function options.collect(func, positional, ...)
  local first = ...
  local result = {}
  if type(first) == "table" then
    check_table(first, func)
    for name, value in pairs(first) do result[name] = value end
  else
    local arguments = { n = select("#", ...), ... }
    if arguments.n > #positional then misuse.raise(("too many arguments to '%s'"):format(func)) end
    for i, name in ipairs(positional) do
      if arguments[i] ~= nil then misuse.check(arguments[i], names[name], name, func) end
      result[name] = arguments[i]
    end
  end
  if result.host == "" then result.host = nil end
  if result.user and result.username then misuse.raise("options 'user' and 'username' are the same") end
  result.user = result.user or result.username
  options.check_source(result.source_address, func)
  check_mode(result.tls, func)
  check_credentials(result, func)
  result.timeouts = options.timeouts(result.timeout, func)
  if result.timeout == nil then result.timeout = 60 end
  return result
end

return options
