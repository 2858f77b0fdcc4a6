-- The transport inside nginx: a cosocket, which lets the worker serve others
-- while it waits. Plain bytes only; TLS is the core's. Asks for the global
-- `ngx` when it is used, not when it is loaded.
local core = require "smtplib.core"

local ngx_transport = {}

local methods = {}
local metatable = { __index = methods, __name = "smtplib.transport.ngx" }

local FOREVER = 2147483 -- seconds: nginx counts milliseconds in 31 bits
local ROOM = 65536 -- bytes for one receive
local MOST_ASIDE = 65536 -- taken in while the peer takes nothing from us
local AHEAD = 16384 -- bytes that any kernel takes although the peer does not read

-- Where nginx has no cosockets. A phase that is not known here is one if Lua may
-- yield in it.
local phases_without = {
  init = true, init_worker = true, exit_worker = true, set = true, header_filter = true, body_filter = true,
  log = true, balancer = true, ssl_session_store = true,
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

---The error's name for what nginx says.
---@param message string
---@return string
function ngx_transport.name_of(message)
  return names[message] or "system"
end

local function host_ngx()
  return rawget(_G, "ngx")
end

-- The request (or timer) that is running.
local function current_request()
  local base = package.loaded["resty.core.base"]
  return base and base.get_request and base.get_request()
end

-- Why nothing can be sent from here, or nil. Where nginx would raise an error, or
-- LuaJIT "attempt to yield across C-call boundary", a failure is returned.
local function misplaced(self)
  local phase = host_ngx().get_phase()
  if phases_without[phase] then
    return "phase", "mail cannot be sent in nginx's " .. phase
      .. " phase, which has no cosockets: send it from a timer (ngx.timer.at)"
  end
  if not core.is_yieldable() then
    return "phase", "nginx cannot wait here, inside a function of C (require, table.sort, string.gsub, …): "
      .. "send from the handler itself, or from a timer (ngx.timer.at)"
  end
  -- Where that request is over, its connections are closed, which says enough.
  if self.sock and self.request ~= current_request() and self.sock:getreusedtimes() then
    return "state", "the connection belongs to another request: make one in each, or use a smtplib.Mailer"
  end
end

-- Every failure passes here: a stream that failed might still answer an old
-- question to the next reader, so it is closed.
local function fail(self, message, doing)
  self:close()
  message = tostring(message)
  return nil, ngx_transport.name_of(message), doing .. ": " .. message
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
  self.sock, self.request, self.ahead = host_ngx().socket.tcp(), current_request(), 0
  apply_timeouts(self)
  if source and source[1] and source[1] ~= "" then
    local bound, err = self.sock:bind(source[1])
    if not bound then return nil, err end
  end
  if address:find("^unix:") then return self.sock:connect(address, pool) end
  local connected, err = self.sock:connect(address, port, pool)
  -- The last bytes of a message do not wait for the acknowledgement of those before.
  if connected and self.sock.setoption and self.sock:getreusedtimes() == 0 then
    self.sock:setoption("tcp-nodelay", true)
  end
  return connected, err
end

local function is_name(address)
  return not address:find("^unix:") and not address:find(":", 1, true) and address:find("%a") ~= nil
end

-- What another address of the same host need not answer, and how often to hope for
-- that: it costs nothing where this machine has no way there (an IPv6 address).
local other_draws = { ENETUNREACH = 20, EADDRNOTAVAIL = 20, EHOSTUNREACH = 5, ECONNREFUSED = 2 }

-- nginx takes one of the addresses of a name by lot, and does not try the others.
local function connect_by_lot(self, address, port, options)
  local connected, err = connect_one(self, address, port, options)
  local draws = 0
  while not connected and is_name(address) and draws < (other_draws[names[err]] or 0) do
    draws = draws + 1
    connected, err = connect_one(self, address, port, options)
  end
  return connected, err
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
  local trouble, sentence = misplaced(self)
  if trouble then return nil, trouble, sentence end
  take_options(self, options)
  local connected, err
  for _, address in ipairs(addresses_of(host)) do
    connected, err = connect_by_lot(self, address, port, options)
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

---Why nothing can be sent from here, although the connection stands: another
---phase, another request.
---@return string? name, string? sentence
function methods:elsewhere()
  return misplaced(self)
end

---Send all of the bytes.
---@param bytes string
---@return true|nil, string? name, string? sentence
function methods:send(bytes)
  if not self.sock then return not_connected() end
  local trouble, sentence = misplaced(self)
  if trouble then return nil, trouble, sentence end
  local sent, err = self.sock:send(bytes)
  if not sent then return fail(self, err, "sending") end
  return true
end

-- A light thread that reads while another one writes. It cannot be stopped without
-- closing the socket, so it stays until something has come.
local function read_ahead(half, sock)
  half.bytes, half.err = sock:receiveany(ROOM)
  half.is_done = true
end

local function write_all(half, sock, bytes)
  half.sent, half.err = sock:send(bytes)
  half.is_done = true
end

local function start(f, ...)
  local half = {}
  half.thread = host_ngx().thread.spawn(f, half, ...)
  return half
end

-- A light thread that has ended is kept until it is waited for.
local function reap(half)
  if coroutine.status(half.thread) == "zombie" then host_ngx().thread.wait(half.thread) end
end

---Whatever has arrived, at least one byte.
---@return string|nil, string? name, string? sentence
function methods:receive()
  if not self.sock then return not_connected() end
  local trouble, sentence = misplaced(self)
  if trouble then return nil, trouble, sentence end
  local reader, bytes, err = self.reader, nil, "timeout"
  if reader then
    if not reader.is_done then host_ngx().thread.wait(reader.thread) end
    reap(reader)
    self.reader, bytes, err = nil, reader.bytes, reader.err
    if not self.sock then return not_connected() end
  end
  -- The time of the one that began earlier is not ours.
  if not bytes and err == "timeout" then bytes, err = self.sock:receiveany(ROOM) end
  if not bytes then return fail(self, err, "receiving") end
  self.ahead = 0
  return bytes
end

-- What was read while sending goes to the engine; true when the peer has gone.
local function take_ahead(self, engine)
  local reader = self.reader
  if not reader or not reader.is_done then return false end
  reap(reader)
  self.reader = nil
  if reader.bytes then
    self.aside = self.aside + #reader.bytes
    engine:input(reader.bytes)
  end
  return reader.err ~= nil and reader.err ~= "timeout"
end

-- Wait until either half has done something.
local function wait_for_either(writer, reader)
  local thread = host_ngx().thread
  if reader then
    thread.wait(writer.thread, reader.thread)
  else
    thread.wait(writer.thread)
  end
end

-- Send, and receive while the peer takes nothing, so that two ends that both write
-- first do not wait for each other for ever.
local function exchange(self, engine, bytes)
  local sock = self.sock
  local writer, has_gone = start(write_all, sock, bytes), false
  self.aside = 0
  while not writer.is_done and not has_gone do
    if not self.reader and self.aside < MOST_ASIDE then self.reader = start(read_ahead, sock) end
    if not (self.reader and self.reader.is_done) then wait_for_either(writer, self.reader) end
    has_gone = take_ahead(self, engine)
  end
  if not writer.is_done then host_ngx().thread.kill(writer.thread) end
  reap(writer)
  if has_gone then return nil, "closed" end
  return writer.sent, writer.err
end

-- What the peer said before it went.
local function last_words(self, engine)
  if self.reader then
    if not self.reader.is_done then host_ngx().thread.wait(self.reader.thread) end
    if take_ahead(self, engine) then return end
  end
  local bytes = self.sock and self.sock:receiveany(ROOM)
  for _ = 1, MOST_ASIDE do
    if not bytes then return end
    engine:input(bytes)
    bytes = self.sock:receiveany(ROOM)
  end
end

---Send all that the engine has to send; what arrives while the peer takes nothing
---goes to the engine. That the peer has gone is the engine's to judge.
---@param engine userdata
---@return true|nil, string? name, string? sentence
function methods:flush(engine)
  local bytes = engine:output()
  if not bytes then return true end
  if not self.sock then return not_connected() end
  local trouble, sentence = misplaced(self)
  if trouble then return nil, trouble, sentence end
  local sent, err
  self.ahead = self.ahead + #bytes
  if self.ahead <= AHEAD then
    sent, err = self.sock:send(bytes)
  else
    sent, err = exchange(self, engine, bytes)
  end
  if sent then return true end
  if names[err] ~= "closed" then return fail(self, err, "sending") end
  last_words(self, engine)
  self:close()
  engine:input_end()
  return true
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
  local sock, reader = self.sock, self.reader
  self.sock, self.reader = nil, nil
  if reader and not reader.is_done then host_ngx().thread.kill(reader.thread) end
  -- What another request is using is left to it; what it left is closed.
  if sock and self.request == current_request() then sock:close() end
  return true
end

---Give the connection back to nginx's pool; this object is then closed.
---@param idle_seconds number
---@param pool_size? integer
---@return true|nil, string? name, string? sentence
function methods:setkeepalive(idle_seconds, pool_size)
  if not self.sock then return not_connected() end
  local trouble, sentence = misplaced(self)
  if trouble then return nil, trouble, sentence end
  if self.reader then return fail(self, "closed", "keeping the connection") end
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
