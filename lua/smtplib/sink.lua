-- A mail server for tests and demos: SMTP or LMTP in a process of its own, on a
-- free port, with TLS and login, taking all mail and doing all that a server
-- can do wrong when told to. Rests on smtplib.sink.session for the protocol.
--
--   local sink = assert(smtplib.sink.start{ tls = "starttls" })
--   … send to sink.host, sink.port, trusting sink.cafile …
--   local message = assert(sink:wait(1, 5))[1]
--   sink:stop()

local child = require "smtplib.sink.child"
local core = require "smtplib.core"
local errors = require "smtplib.errors"
local wire = require "smtplib.sink.wire"

local M = {}

---@class smtplib.sink.Sink
---@field host string to connect to
---@field port number 0 for a Unix socket
---@field cafile string|nil file with the certificate to trust
local Sink = {}
Sink.__index = Sink
Sink.__name = "smtplib.sink"

-- Set in the child: what the parent's garbage is must stay the parent's.
local is_child = false

local KNOWN = {}
for name in ([[host port tls certfile keyfile tls_options auth lmtp name esmtp extensions
  mechanisms auth_faults require_auth require_tls max_recipients replies delays stall disconnect
  keep_wire abrupt cut cut_in reset external]]):gmatch("%S+") do
  KNOWN[name] = true
end

local function check(options)
  if options ~= nil and type(options) ~= "table" then
    error("bad argument 'options' to 'start' (table expected, got " .. type(options) .. ")", 3)
  end
  for name in pairs(options or {}) do
    if not KNOWN[name] then error(("unknown option '%s'"):format(tostring(name)), 3) end
  end
  local tls = options and options.tls
  if tls and tls ~= true and tls ~= "starttls" and tls ~= "implicit" then
    error("bad argument 'tls' to 'start' (\"starttls\" or \"implicit\" expected)", 3)
  end
end

local function write_file(text)
  local name = os.tmpname()
  local file, why = io.open(name, "wb")
  if not file then return nil, why end
  file:write(text)
  file:close()
  return name
end

-- A context of the given certificate, or of one made for the occasion. Returns
-- it and the file to trust; nil and a failure.
local function make_context(options)
  local server = { server = true }
  for name, value in pairs(options.tls_options or {}) do server[name] = value end
  if options.certfile then
    server.certfile, server.keyfile = options.certfile, options.keyfile
    local context, name, text = core.tls_context(server)
    if not context then return nil, errors.from_core(name, text) end
    return context
  end
  local certificate, key, text = core.self_signed(options.name)
  if not certificate then return nil, errors.from_core(key, text) end
  local cafile, why = write_file(certificate)
  if not cafile then return nil, errors.from_core("system", why) end
  server.certfile = assert(write_file(certificate .. key))
  local context, name, sentence = core.tls_context(server)
  os.remove(server.certfile)
  if context then return context, cafile end
  os.remove(cafile)
  return nil, errors.from_core(name, sentence)
end

-- The options of the child's sessions: a copy, the caller's stay as they are.
local function session_options(options, context)
  local copy = {}
  for name, value in pairs(options) do copy[name] = value end
  copy.context = context
  copy.implicit = options.tls == "implicit"
  copy.starttls = context and not copy.implicit
  return copy
end

-- End the process and remove its files.
local function release(process, files)
  if is_child then return end
  process:kill()
  process:wait(5)
  for i = #files, 1, -1 do
    os.remove(files[i])
    files[i] = nil
  end
end

-- PUC 5.1 and LuaJIT collect userdata with __gc, but no tables.
local function collect_with(self)
  local newproxy = rawget(_G, "newproxy")
  if not newproxy then return end
  self.proxy = newproxy(true)
  local child_process, files = self.child, self.files
  getmetatable(self.proxy).__gc = function() release(child_process, files) end
end

---Start a mail server in a child process.
---
---All options of smtplib.sink.session (replies, delays, stall, disconnect,
---extensions, auth, lmtp …) and: `host` ("127.0.0.1"; "unix:/path" for a Unix
---socket), `port` (0: a free one), `tls` ("starttls" or "implicit"), `certfile`
---and `keyfile` (without them a certificate is made, and `cafile` is the file to
---trust), `tls_options` (of the TLS context), `cut` (replies go out so many
---bytes at a time), `abrupt` (no close_notify).
---@param options table|nil
---@return smtplib.sink.Sink|nil
---@return table|nil err
function M.start(options)
  check(options)
  options = options or {}
  local host = options.host or "127.0.0.1"
  local context, cafile
  if options.tls then
    context, cafile = make_context(options)
    if not context then return nil, cafile end
  end
  local files = { cafile }
  local listener, name, text = core.listen(host, options.port or 0)
  if not listener then
    if cafile then os.remove(cafile) end
    return nil, errors.from_core(name, text)
  end
  files[#files + 1] = host:match("^unix:(/.*)$") or host:match("^/.*$")

  local settings = session_options(options, context)
  local process
  process, name, text = core.spawn(function(channel, inherited)
    is_child = true
    child.run(channel, inherited, settings)
  end, listener)
  local port = listener:port()
  listener:close()
  if not process then
    for _, file in ipairs(files) do os.remove(file) end
    return nil, errors.from_core(name, text)
  end
  local self = setmetatable({
    host = host, port = port, cafile = cafile or options.certfile,
    child = process, channel = process:channel(), files = files,
    reader = wire.reader(), kept = {}, count = 0, asked = 0,
  }, Sink)
  collect_with(self)
  return self
end

local function closed()
  return errors.from_core("closed", "the sink has been stopped")
end

-- Read what has come from the child, waiting until `deadline` for something.
-- Returns the answer to request `number` when that is what came.
local function pump(self, deadline, number)
  local value = self.reader:next()
  while value == nil do
    if not self.channel:is_open() then return nil, closed() end
    local ready = core.poll({ self.channel }, {}, math.max(0, deadline - core.now()))
    if ready and not ready[1] then return nil, errors.from_core("timeout", "the sink is silent") end
    local bytes, why, text = self.channel:try_receive()
    if bytes then
      self.reader:feed(bytes)
    elseif why ~= "timeout" then
      return nil, errors.from_core(why, text)
    end
    value = self.reader:next()
  end
  if value.message then
    self.count = self.count + 1
    self.kept[#self.kept + 1] = value.message
  elseif value.answer == number then
    return value
  end
  return true
end

-- Ask the child. Its answer comes behind all messages it has taken so far.
local function ask(self, name, value)
  if not self.channel then return nil, closed() end
  self.asked = self.asked + 1
  local number = self.asked
  local frame = wire.frame { name = name, number = number, value = value }
  local ok, why, text = self.channel:send(frame)
  if not ok then return nil, errors.from_core(why, text) end
  local deadline = core.now() + 60
  while true do
    local answer, err = pump(self, deadline, number)
    if not answer then return nil, err end
    if answer ~= true then return answer.value end
  end
end

local function copy_of(list)
  local copy = {}
  for i = 1, #list do copy[i] = list[i] end
  return copy
end

---Every message so far: `from`, `from_params`, `to` (array of {addr=, params=}),
---`data` (the bytes, dots unstuffed), `helo`, `tls` (false or the version),
---`auth_user`, `findings`. Also after stop().
---@return table[]
function Sink:messages()
  if self.channel then ask(self, "stats") end
  return copy_of(self.kept)
end

---The messages kept so far, which are then forgotten.
---@return table[]
function Sink:take()
  if self.channel then ask(self, "stats") end
  local taken = self.kept
  self.kept, self.count = {}, 0
  return taken
end

---Wait for the n-th message.
---@param n number|nil 1
---@param timeout number|nil seconds, 10
---@return table[]|nil messages all of them, at least n
---@return table|nil err
function Sink:wait(n, timeout)
  n = n or 1
  local deadline = core.now() + (timeout or 10)
  while self.count < n do
    if not self.channel then return nil, closed() end
    local ok, err = pump(self, deadline)
    if not ok then return nil, err end
  end
  return copy_of(self.kept)
end

---Every line that clients sent as a command, over all connections.
---@return string[]|nil
---@return table|nil err
function Sink:commands()
  return ask(self, "commands")
end

---Counts: connections, open, messages, turns (how often the server had to
---answer before a client could go on), bytes, handshakes, resumed, findings.
---@return table|nil
---@return table|nil err
function Sink:stats()
  return ask(self, "stats")
end

---Change options while it runs: replies, delays, stall, disconnect, extensions
---and so on, as plain data (false takes one away).
---@param changes table
---@return true|nil
---@return table|nil err
function Sink:script(changes)
  return ask(self, "script", changes)
end

---End the process. Messages stay to be read. Nothing happens a second time.
function Sink:stop()
  if not self.channel then return true end
  ask(self, "stats")
  self.channel:close()
  self.channel = nil
  release(self.child, self.files)
  return true
end

function Sink:__tostring()
  return ("smtplib.sink (%s:%d%s)"):format(self.host, self.port,
    self.channel and "" or ", stopped")
end

function Sink:__gc()
  if self.channel then release(self.child, self.files) end
end

Sink.__close = Sink.stop

return M
