-- The pump: the only loop, the same for every host. It flushes what the core
-- has to send, fills the core with what the transport received, and stops when
-- the core has something to say. Also the one place where a failed connection
-- is closed and gets its error table.
local core = require "smtplib.core"
local errors = require "smtplib.errors"
local guard = require "smtplib.guard"

---@class smtplib.Session
---@field core userdata|nil       the engine; nil when closed
---@field transport table|userdata|nil
---@field tls boolean             encrypted
---@field tracer function|nil     tracer(direction, bytes), secrets masked
---@field failed table|nil        the last failure's error table
---@field meter table|nil         {connections, turns, bytes}: what went over all sessions of an object
local Session = {}
Session.__index = Session
Session.__name = "smtplib.session"

---A session over a connected transport; the greeting is expected next.
---@param transport table|userdata
---@param options table lmtp, limits, tracer, command_timeouts, timeouts
---@return smtplib.Session? session
---@return smtplib.Error? err
function Session.new(transport, options)
  local limits = options.limits or {}
  local engine, name, sentence = core.engine(options.lmtp, limits.reply_line, limits.reply_lines)
  if not engine then return nil, errors.from_core(name, sentence) end
  local self = setmetatable({
    core = engine,
    transport = transport,
    tls = false,
    tracer = options.tracer,
    command_timeouts = options.command_timeouts,
    timeouts = options.timeouts,
    meter = options.meter,
  }, Session)
  if self.meter then self.meter.connections = self.meter.connections + 1 end
  if self.tracer then engine:trace(true) end
  return self
end

function Session:is_open()
  return self.core ~= nil
end

---Close at once, whatever the state.
function Session:close()
  local transport, engine = self.transport, self.core
  self.core, self.transport = nil, nil
  if engine and self.meter then
    local turns, bytes = engine:traffic()
    self.meter.turns, self.meter.bytes = self.meter.turns + turns, self.meter.bytes + bytes
  end
  if engine then engine:release() end
  if transport then transport:close() end
end

---True after a callback that closed the session, or during which it was closed.
function Session:was_closed()
  if self.closing then self:close() end
  return self.core == nil
end

---Close after QUIT has been answered: TLS says goodbye too.
function Session:shutdown()
  if self.tls and self.core then
    self.core:stop_tls()
    local bytes = self.core:output()
    self.waiting = true -- a yielding transport: nobody else may come in between
    if bytes then self.transport:send(bytes) end
  end
  self:close()
end

-- A server's name for what it broke: a stream that failed may still answer an
-- old question to the next reader, so no failed one is ever used again.
local lost = { closed = true, ECONNRESET = true, EPIPE = true, ECONNABORTED = true }

local function make_error(self, name, sentence, command)
  local fields = { command = command }
  if not self.core then return errors.SMTPServerDisconnected(sentence) end
  if self.serial and self.core:may_be_delivered(self.serial) then fields.delivery = "unknown" end
  if lost[name] then
    local err = errors.SMTPServerDisconnected(sentence or "connection lost")
    err.code, err.command, err.delivery = name, command, fields.delivery or "none"
    return err
  end
  local err = errors.from_core(name, sentence, fields)
  if err:is(errors.SMTPTLSError) then
    local reason, verify_code = self.core:tls_failure()
    if reason and reason ~= "" then err.reason, err.verify_code = reason, verify_code end
    err.temporary = self.core:has_ended()
  end
  return err
end

-- Every failure of the connection passes here.
function Session:fail(name, sentence, command)
  self:drain()
  local err = make_error(self, name, sentence, command or self:awaited())
  self.failed = err
  self:close()
  return nil, err
end

---The command whose reply is being waited for, as errors name it.
function Session:awaited()
  local command = self.core and self.core:awaited()
  if command == "message" then return "DATA" end
  return command ~= "" and command or nil
end

---Hand what was recorded of the dialogue to the tracer.
function Session:drain()
  while self.tracer and self.core do
    local direction, bytes = self.core:take_trace()
    if not direction then return end
    guard.within(self, self.tracer, direction, bytes)
  end
end

-- While a transport waits it may yield, and another coroutine may call: it is
-- refused (SMTP.open_session), or closes the session.
local function wait_for(self, method, ...)
  self.waiting = true
  local first, name, sentence = method(self.transport, ...)
  self.waiting = false
  if not self.core then return nil, "closed", "the connection was closed meanwhile" end
  return first, name, sentence
end

local function flush(self)
  local transport = self.transport
  if transport.flush then return wait_for(self, transport.flush, self.core) end
  local bytes = self.core:output()
  if not bytes then return true end
  local ok, name, sentence = wait_for(self, transport.send, bytes)
  if not self.core then return nil, name, sentence end
  if ok or name ~= "closed" then return ok, name, sentence end
  self.core:input_end() -- which command it hit is the core's to judge
  return true
end

local function fill(self)
  local transport, engine = self.transport, self.core
  if transport.fill then return wait_for(self, transport.fill, engine) end
  local bytes, name, sentence = wait_for(self, transport.receive)
  if not self.core then return nil, name, sentence end
  if type(bytes) == "string" and bytes ~= "" then
    engine:input(bytes)
  elseif bytes then
    return nil, "transport", "the transport's receive() returned no bytes"
  elseif name == "closed" then
    engine:input_end()
  else
    return nil, name, sentence
  end
  return true
end

-- How long to wait for the reply that is due, where the caller set it apart.
local function apply_timeout(self)
  local special = self.command_timeouts
  if not special then return end
  local command = self.core:awaited()
  local key = command == "message" and "data_final" or command:lower()
  local seconds = special[key] or special[command] or self.timeouts.read
  if self.transport.settimeouts then
    self.transport:settimeouts(self.timeouts.connect, self.timeouts.send, seconds)
  else
    self.transport:settimeout(seconds)
  end
end

local function closed_by_caller()
  return errors.SMTPServerDisconnected("the connection was closed meanwhile")
end

-- One round of the pump in Lua: what the core wants done is done, and nil comes
-- back; else what it says.
local function turn(self, terse)
  local what, a, b, c, d, e = self.core:next(terse)
  if self.tracer then
    self:drain()
    if self:was_closed() then return "broken", "closed", "closed by a callback" end
  end
  local ok, name, sentence
  if what == "send" then
    ok, name, sentence = flush(self)
  elseif what == "receive" then
    apply_timeout(self)
    ok, name, sentence = fill(self)
  else
    return what, a, b, c, d, e
  end
  if not ok then return "broken", name, sentence end
  return nil
end

-- The same rounds, all of them in the transport where it can.
local function pump(self, terse)
  if self.transport.pump and not self.tracer and not self.command_timeouts then
    return self.transport:pump(self.core, terse)
  end
  local what, a, b, c, d, e
  repeat
    what, a, b, c, d, e = turn(self, terse)
  until what
  return what, a, b, c, d, e
end

---The next thing that the core has to say: see csrc/binding/lengine_events.c.
---A failure has closed the session and comes as "failed", err.
---@param terse boolean? leave out what a transaction was bound to get
function Session:wait(terse)
  if not self.core then return "failed", self.failed or closed_by_caller() end
  local what, a, b, c, d, e = pump(self, terse)
  if what == "failed" or what == "broken" then
    local _, err = self:fail(a, b)
    return "failed", err
  end
  return what, a, b, c, d, e
end

---Look whether the server said something unasked before a command is sent.
function Session:listen()
  if self.core and self.transport.idle_check then wait_for(self, self.transport.idle_check, self.core) end
end

---Why nothing can be sent from here although the connection stands, where the host
---has such places (nginx's phases); else nil.
---@return string? name, string? sentence
function Session:elsewhere()
  if self.transport and self.transport.elsewhere then return self.transport:elsewhere() end
end

---The core refused to queue something: nothing was sent, and the session stays
---usable, unless there was no memory for it, which is the end of the core.
---@return nil, smtplib.Error
function Session:refuse(name, sentence, command)
  if command and command:find("%W") then command = nil end
  if self.core:is_closed() then return self:fail(name, sentence, command) end
  return nil, errors.from_core(name, sentence, { command = command })
end

---Queue a command without waiting.
---@return true|nil, smtplib.Error?
function Session:queue(verb, args, raw)
  local ok, name, sentence = self.core:command(verb, args, raw)
  if not ok then return self:refuse(name, sentence, verb) end
  return true
end

---The reply to what was queued. 421 closes.
---@return integer|nil code
---@return string|smtplib.Error text
---@return string? enhanced
function Session:reply()
  while true do
    local what, command, code, text, enhanced = self:wait()
    if what == "failed" then return nil, command end
    if what == "reply" then
      if code == 421 or self.core:is_closed() then self:shutdown() end
      return code, text, enhanced
    end
    if what == "idle" or what == "content" then
      return self:fail("closed", "the connection has been closed")
    end
  end
end

---Send what has been written, without looking at what came back.
---@return true|nil, smtplib.Error?
function Session:push()
  self:drain()
  if self:was_closed() then return self:fail("closed", "closed by a callback") end
  local ok, name, sentence = flush(self)
  if not ok then return self:fail(name, sentence) end
  return true
end

---Write a command at once; its reply comes behind those that are awaited.
---@return true|nil, smtplib.Error?
function Session:put(verb, args)
  local ok, name, sentence = self.core:put(verb, args)
  if not ok then return self:refuse(name, sentence, verb) end
  return self:push()
end

---Await a reply although nothing may be outstanding.
function Session:expect()
  local ok, name, sentence = self.core:expect()
  if not ok then return self:refuse(name, sentence) end
  return true
end

---Bytes as they are.
function Session:raw(bytes)
  local ok, name, sentence = self.core:raw(bytes)
  if not ok then return self:refuse(name, sentence) end
  return self:push()
end

function Session:set_tracer(tracer)
  self.tracer = tracer
  if self.core then self.core:trace(tracer ~= nil) end
end

---One command and its reply.
function Session:command(verb, args, raw)
  self:listen()
  local ok, err = self:queue(verb, args, raw)
  if not ok then return nil, err end
  local code, text, enhanced = self:reply()
  if not code then text.command = text.command or verb:match("^%w+$") end
  return code, text, enhanced
end

---Start TLS and run the handshake.
---@param context userdata
---@param host string  the name to verify
---@param peer string  names the server in the cache of sessions
---@param command string for errors: "STARTTLS" or "connect"
---@return true|nil, smtplib.Error?
function Session:start_tls(context, host, peer, command)
  local ok, name, sentence = self.core:start_tls(context, host, peer)
  if not ok then return self:fail(name, sentence, command) end
  self.tls = true
  local what, err = self:wait()
  if what == "failed" then
    err.command = command
    return nil, err
  end
  return true
end

return Session
