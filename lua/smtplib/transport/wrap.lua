-- Adapts a socket that speaks LuaSocket's language (LuaSocket's own, copas,
-- HAProxy's `core.tcp()`, cosockets) to a transport: `receive` returns what is
-- there, not a fixed number of bytes.
local wrap = {}

local methods = {}
local metatable = { __index = methods, __name = "smtplib.transport.wrap" }

local ROOM = 8192 -- bytes for one receive
local FOREVER = 2147483 -- seconds: hosts count milliseconds in 31 bits

-- Every failure passes here: a stream that failed might still answer an old
-- question to the next reader, so it is closed.
local function fail(self, err, doing)
  self:close()
  err = err == nil and "closed" or tostring(err)
  if err == "wantread" or err == "wantwrite" then err = "timeout" end
  if err == "timeout" or err == "closed" then return nil, err, doing .. ": " .. err end
  return nil, "system", doing .. ": " .. err
end

local function not_connected()
  return nil, "closed", "not connected"
end

-- Cosockets count in milliseconds, all others in seconds.
local function set_timeout(self, seconds)
  local sock = self.sock
  if not sock.settimeout then return end
  if seconds > FOREVER then seconds = FOREVER end
  sock:settimeout(sock.getreusedtimes and math.ceil(seconds * 1000) or seconds)
end

-- Old copas wraps only sockets that it has connected before.
local function is_connected(sock)
  return not sock.connect or sock.getpeername ~= nil and sock:getpeername() ~= nil
end

local function take_timeout(self, options)
  local timeout = options.timeout
  if type(timeout) == "table" then
    self:settimeouts(timeout.connect, timeout.send, timeout.read)
  elseif timeout then
    self:settimeout(timeout)
  end
end

local function bind(self, source)
  if not source or not self.sock.bind then return true end
  local host = source[1]
  if not host or host == "" then host = "*" end
  return self.sock:bind(host, source[2] or 0)
end

---Connect the socket; one that is connected already is taken as it is.
---@param host string
---@param port integer
---@param options? table `timeout`, `source_address`
---@return true|nil, string? name, string? sentence
function methods:connect(host, port, options)
  options = options or {}
  take_timeout(self, options)
  self.host = host
  self.open = true
  if is_connected(self.sock) then return true end
  set_timeout(self, self.connect_timeout)
  local done, err = bind(self, options.source_address)
  if done then done, err = self.sock:connect(host, port) end
  if not done then return fail(self, err, "cannot connect to " .. host) end
  return true
end

---Send all of the bytes, also where the socket takes them in portions.
---@param bytes string
---@return true|nil, string? name, string? sentence
function methods:send(bytes)
  if not self.open then return not_connected() end
  local from = 1
  set_timeout(self, self.send_timeout)
  while from <= #bytes do
    local sent, err = self.sock:send(from == 1 and bytes or bytes:sub(from))
    if not sent then return fail(self, err, "sending") end
    if type(sent) ~= "number" then return true end
    if sent <= 0 then return fail(self, "timeout", "sending") end
    from = from + sent
  end
  return true
end

-- One of these per kind of socket: bytes, or nil and an error.

local function receive_any(self)
  return self.sock:receiveany(ROOM)
end

-- Copas: returns as soon as there is something.
local function receive_partial(self)
  local sock = self.sock
  local bytes, err, partial = (sock.receivepartial or sock.receivePartial)(sock, ROOM)
  if not bytes and partial and partial ~= "" then return partial end
  return bytes, err
end

-- LuaSocket waits until it has as many bytes as were asked for: wait for one,
-- then take what else is there.
local function receive_rest(self)
  local sock = self.sock
  local first, err = sock:receive(1)
  if not first then return nil, err end
  sock:settimeout(0)
  local rest, _, partial = sock:receive(ROOM)
  return first .. (rest or partial or "")
end

-- Of an unknown socket only this is certain: one byte comes when it is there.
local function receive_one(self)
  return self.sock:receive(1)
end

local function reader_for(sock)
  if sock.receiveany then return receive_any end
  if sock.receivepartial or sock.receivePartial then return receive_partial end
  -- Only LuaSocket's own (and LuaSec's) have `dirty`, and a time-out of 0 that
  -- surely does not wait.
  if sock.dirty and sock.settimeout then return receive_rest end
  return receive_one
end

---Whatever has arrived, at least one byte.
---@return string|nil, string? name, string? sentence
function methods:receive()
  if not self.open then return not_connected() end
  set_timeout(self, self.read_timeout)
  local bytes, err = self.read(self)
  if not bytes or bytes == "" then return fail(self, err, "receiving") end
  return bytes
end

---Set all three time-outs.
---@param seconds number
function methods:settimeout(seconds)
  self:settimeouts(seconds, seconds, seconds)
end

---Set the time-outs; nil leaves one as it is.
---@param connect? number
---@param send? number
---@param read? number
function methods:settimeouts(connect, send, read)
  self.connect_timeout = connect or self.connect_timeout
  self.send_timeout = send or self.send_timeout
  self.read_timeout = read or self.read_timeout
end

---Close the socket, for good.
function methods:close()
  local sock = self.sock
  if not sock.close and sock.socket then sock = sock.socket end -- old copas
  if self.open and sock.close then sock:close() end
  self.open = false
  return true
end

---@return boolean
function methods:is_open()
  return self.open
end

---True when the socket says that its peer is on this machine, or, if it
---cannot say, when the host's name does.
---@return boolean
function methods:is_loopback()
  local peer = self.open and self.sock.getpeername and self.sock:getpeername() or self.host or ""
  return peer == "::1" or peer:find("^127%.%d+%.%d+%.%d+$") ~= nil or peer:find("^unix:") ~= nil
    or peer:sub(1, 1) == "/" or peer:lower() == "localhost"
end

function metatable:__tostring()
  return metatable.__name .. " (" .. tostring(self.sock) .. ")"
end

---A transport on a LuaSocket-style socket, connected or not.
---@param sock table|userdata
---@return table
function wrap.wrap(sock)
  local kind = type(sock)
  if kind ~= "table" and kind ~= "userdata" then
    error("bad argument 'sock' to 'wrap' (socket expected, got " .. kind .. ")", 2)
  end
  return setmetatable({
    sock = sock,
    open = is_connected(sock),
    read = reader_for(sock),
    connect_timeout = math.huge,
    send_timeout = math.huge,
    read_timeout = math.huge,
  }, metatable)
end

return wrap
