-- The transport inside nginx: a cosocket, which lets the worker serve others
-- while it waits. Plain bytes only; TLS is the core's. Asks for the global
-- `ngx` when it is used, not when it is loaded.
local ngx_transport = {}

local methods = {}
local metatable = { __index = methods, __name = "smtplib.transport.ngx" }

local FOREVER = 2147483 -- seconds: nginx counts milliseconds in 31 bits
local ROOM = 65536 -- bytes for one receive

-- Where nginx lets a handler yield.
local cosocket_phases = {
  server_rewrite = true, rewrite = true, access = true, content = true, timer = true, preread = true,
  ssl_cert = true, ssl_session_fetch = true, ssl_client_hello = true,
}

-- nginx hands out the system's words in lower case; users get its names.
local names = {
  ["timeout"] = "timeout",
  ["closed"] = "closed",
  ["broken pipe"] = "closed",
  ["connection reset by peer"] = "closed",
  ["connection refused"] = "ECONNREFUSED",
  ["connection timed out"] = "ETIMEDOUT",
  ["no route to host"] = "EHOSTUNREACH",
  ["network is unreachable"] = "ENETUNREACH",
  ["no such file or directory"] = "ENOENT",
  ["permission denied"] = "EACCES",
  ["cannot assign requested address"] = "EADDRNOTAVAIL",
}

local function host_ngx()
  return rawget(_G, "ngx")
end

-- Every failure passes here: a stream that failed might still answer an old
-- question to the next reader, so it is closed.
local function fail(self, message, doing)
  self:close()
  message = tostring(message)
  return nil, names[message] or "system", doing .. ": " .. message
end

local function explain_connect(self, host, message)
  message = tostring(message)
  if message:find("no resolver defined", 1, true) then
    self:close()
    return nil, "lookup", "nginx has no 'resolver' directive, so the host name '" .. host
      .. "' cannot be looked up (set one, or use an address)"
  end
  if message:find("could not be resolved", 1, true) then
    self:close()
    return nil, "lookup", message
  end
  return fail(self, message, "cannot connect to " .. host)
end

-- nginx reads no hosts file: the one name that every machine knows is ours to
-- answer (RFC 6761 section 6.3).
local function addresses_of(host)
  local lower = host:lower():gsub("%.$", "")
  if lower == "localhost" or lower:find("%.localhost$") then return { "[::1]", "127.0.0.1" } end
  if host:sub(1, 1) == "/" then return { "unix:" .. host } end
  if host:find(":", 1, true) and not host:find("^unix:") then return { "[" .. host .. "]" } end
  return { host }
end

local function is_loopback_address(address)
  return address == "[::1]" or address:find("^unix:") ~= nil or address:find("^127%.%d+%.%d+%.%d+$") ~= nil
end

local function to_milliseconds(seconds)
  if seconds > FOREVER then seconds = FOREVER end
  return math.max(1, math.ceil(seconds * 1000))
end

local function apply_timeouts(self)
  self.sock:settimeouts(to_milliseconds(self.connect_timeout), to_milliseconds(self.send_timeout),
    to_milliseconds(self.read_timeout))
end

local function take_options(self, options)
  local timeout = options.timeout
  if type(timeout) == "table" then
    self:settimeouts(timeout.connect, timeout.send, timeout.read)
  elseif timeout then
    self:settimeout(timeout)
  end
end

local function connect_one(self, address, port, options)
  local source = options.source_address
  local pool
  if options.pool then pool = { pool = options.pool, pool_size = options.pool_size } end
  self.sock = host_ngx().socket.tcp()
  apply_timeouts(self)
  if source and source[1] and source[1] ~= "" then
    local bound, err = self.sock:bind(source[1])
    if not bound then return nil, err end
  end
  if address:find("^unix:") then return self.sock:connect(address, pool) end
  return self.sock:connect(address, port, pool)
end

---Connect; `options` as for the blocking transport (a source port cannot be
---chosen here), and `pool`, `pool_size` for nginx's connection pools.
---@param host string
---@param port integer
---@param options? table
---@return true|nil, string? name, string? sentence
function methods:connect(host, port, options)
  options = options or {}
  self:close()
  if not host_ngx() then return nil, "system", "this transport works inside nginx only" end
  local phase = host_ngx().get_phase()
  if not cosocket_phases[phase] then
    return nil, "phase", "no connection can be made in nginx's " .. phase
      .. " phase: it has no cosockets (use ngx.timer.at to send from there)"
  end
  take_options(self, options)
  local connected, err
  for _, address in ipairs(addresses_of(host)) do
    connected, err = connect_one(self, address, port, options)
    if connected then
      self.loopback = is_loopback_address(address)
      return true
    end
  end
  return explain_connect(self, host, err)
end

local function not_connected()
  return nil, "closed", "not connected"
end

---Send all of the bytes.
---@param bytes string
---@return true|nil, string? name, string? sentence
function methods:send(bytes)
  if not self.sock then return not_connected() end
  local sent, err = self.sock:send(bytes)
  if not sent then return fail(self, err, "sending") end
  return true
end

---Whatever has arrived, at least one byte.
---@return string|nil, string? name, string? sentence
function methods:receive()
  if not self.sock then return not_connected() end
  local bytes, err = self.sock:receiveany(ROOM)
  if not bytes then return fail(self, err, "receiving") end
  return bytes
end

---Set all three time-outs.
---@param seconds number
function methods:settimeout(seconds)
  self:settimeouts(seconds, seconds, seconds)
end

---Set the time-outs; nil leaves one as it is. `math.huge` becomes the longest
---that nginx knows.
---@param connect? number
---@param send? number
---@param read? number
function methods:settimeouts(connect, send, read)
  self.connect_timeout = connect or self.connect_timeout
  self.send_timeout = send or self.send_timeout
  self.read_timeout = read or self.read_timeout
  if self.sock then apply_timeouts(self) end
end

---Close; a transport can be connected again.
function methods:close()
  local sock = self.sock
  self.sock = nil
  if sock then sock:close() end
  return true
end

---Give the connection back to nginx's pool; this object is then closed.
---@param idle_seconds number
---@param pool_size? integer
---@return true|nil, string? name, string? sentence
function methods:setkeepalive(idle_seconds, pool_size)
  if not self.sock then return not_connected() end
  local sock = self.sock
  local kept, err = sock:setkeepalive(to_milliseconds(idle_seconds), pool_size)
  if not kept then return fail(self, err, "keeping the connection") end
  self.sock = nil
  return true
end

---How often the connection has been taken out of the pool; 0 when it is new.
---@return integer
function methods:getreusedtimes()
  return self.sock and self.sock:getreusedtimes() or 0
end

---@return boolean
function methods:is_open()
  return self.sock ~= nil
end

---True when the peer is on this machine.
---@return boolean
function methods:is_loopback()
  return self.loopback
end

function metatable:__tostring()
  return metatable.__name .. (self.sock and "" or " (closed)")
end

---A transport that is not connected yet.
---@return table
function ngx_transport.new()
  return setmetatable({
    loopback = false,
    connect_timeout = math.huge,
    send_timeout = math.huge,
    read_timeout = math.huge,
  }, metatable)
end

return ngx_transport
