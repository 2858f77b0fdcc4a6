-- An SMTP or LMTP server without a socket: bytes of a client in, replies out,
-- and the few things that only its driver can do (start TLS, wait, close).
-- RFC 5321 and the extensions that clients know; strict, so that a test sees
-- what a client did wrong; scriptable, so that it sees all that a server can.
-- The drivers are smtplib.sink (sockets) and spec/support/peer.lua (memory).

local body = require "smtplib.sink.body"
local commands = require "smtplib.sink.commands"
local extensions = require "smtplib.sink.extensions"
local script = require "smtplib.sink.script"

local session = {}

local Session = {}
Session.__index = Session
Session.__name = "smtplib.sink.session"

-- RFC 5321 §4.5.3.1.4 says 512; extensions and AUTH (RFC 4954 §4) need more.
local MAX_LINE = 16384

---@class smtplib.sink.options
---@field lmtp boolean|nil LHLO, and one reply per recipient (RFC 2033)
---@field esmtp boolean|nil false: HELO only
---@field name string|nil host name of the greeting
---@field extensions table|nil keyword → false, true or its parameters
---@field auth table|function|nil { user = password }, or function(name, user, secret)
---@field mechanisms table|nil names to offer; all that need no certificate by default
---@field auth_faults table|nil see smtplib.sink.auth
---@field require_auth boolean|nil 530 before login
---@field require_tls boolean|nil 530 before STARTTLS
---@field starttls boolean|nil STARTTLS is offered
---@field max_recipients number|nil 452 beyond, unannounced
---@field replies table|nil see smtplib.sink.script, as for the next three
---@field delays table|nil
---@field stall table|nil also DATA_MIDDLE = bytes of a body, TLS = true (no handshake)
---@field disconnect table|nil also connect = true, DATA_MIDDLE = bytes of a body
---@field keep_wire boolean|nil messages have `wire`, the bytes before unstuffing
---@field on_message function|nil called with each message

---@param options smtplib.sink.options|nil
function session.new(options)
  options = options or {}
  return setmetatable({
    options = options,
    name = options.name or "sink.example",
    mode = "command",
    input = "",
    at = 1,
    steps = {},
    commands = {},
    messages = {},
    findings = {},
    turns = 0,
    received = 0,
    to = {},
    taken = 0,
  }, Session)
end

---Queue a step of the driver: bytes, or { action, value }.
function Session:push(step)
  self.steps[#self.steps + 1] = step
end

---Answer a command: the usual reply, unless the script says otherwise.
---@param verb string
---@param subject string|nil
---@param argument string|nil for functions of the script
---@param usual string|table
---@return integer code 0 when the command shall have no effect
---@return boolean scripted
function Session:reply(verb, subject, argument, usual)
  local steps, code, scripted = script.answer(self.options, self, { verb, subject, argument },
    extensions.plain(self, usual))
  for _, step in ipairs(steps) do self:push(step) end
  return code or 0, scripted
end

---Note something that a client should not do.
function Session:note(finding, n)
  self.findings[finding] = (self.findings[finding] or 0) + (n or 1)
end

---RFC 2920 §3.1: nothing may follow these commands in a group; and nothing may
---follow any command when PIPELINING was not offered.
local LAST_IN_GROUP = {
  EHLO = true, HELO = true, LHLO = true, DATA = true, VRFY = true, EXPN = true,
  NOOP = true, QUIT = true, STARTTLS = true,
}

local function check_group(self, verb)
  if self.at > #self.input then return end
  if LAST_IN_GROUP[verb] then
    self:note("unsynchronised")
  elseif verb ~= "BDAT" and not extensions.offers(self, "PIPELINING") then
    self:note("pipelined_unoffered")
  end
end

local readers = {}

local function take_line(self)
  local first, last = self.input:find("\r\n", self.at, true)
  if not first then
    if #self.input - self.at >= MAX_LINE then
      self:reply("line", nil, nil, "500 5.5.6 line too long")
      self:push { "close" }
    end
    return nil
  end
  local line = self.input:sub(self.at, first - 1)
  self.at = last + 1
  if line:find("[\r\n%z]") then
    local found = body.inspect(line)
    for _, name in ipairs { "bare_cr", "bare_lf", "nul" } do
      if found[name] > 0 then self:note("command_" .. name, found[name]) end
    end
  end
  return line
end

function readers.command(self)
  local line = take_line(self)
  if not line then return false end
  self.commands[#self.commands + 1] = line
  local verb = (line:match("^%S+") or ""):upper()
  check_group(self, verb)
  commands.run(self, verb, line)
  return true
end

function readers.auth(self)
  local line = take_line(self)
  if not line then return false end
  self.commands[#self.commands + 1] = line
  commands.continue_auth(self, line)
  return true
end

-- DATA_MIDDLE: the server goes away, or falls silent, within the body.
local function stop_in_body(self, taken)
  self.received = self.received + taken
  local options = self.options
  local cut = options.disconnect and options.disconnect.DATA_MIDDLE
  local stall = options.stall and options.stall.DATA_MIDDLE
  if cut and self.received >= cut then
    self:push { "close" }
  elseif stall and self.received >= stall then
    self:push { "stall" }
  else
    return false
  end
  return true
end

function readers.data(self)
  if self.at > #self.input then return false end
  local from = self.at
  local complete
  complete, self.at = self.body:take(self.input, from)
  if stop_in_body(self, self.at - from) then return true end
  if complete then
    self.mode = "command"
    commands.finish(self, self.body:message(), self.options.keep_wire and self.body:wire())
  end
  return complete
end

function readers.bdat(self)
  local take = math.min(self.chunk_left, #self.input - self.at + 1)
  if take > 0 then
    self.body:add(self.input:sub(self.at, self.at + take - 1))
    self.at = self.at + take
    self.chunk_left = self.chunk_left - take
    if stop_in_body(self, take) then return true end
  end
  if self.chunk_left > 0 then return false end
  self.mode = "command"
  commands.finish_chunk(self)
  return true
end

-- Move queued steps to `out` until one of them needs the driver.
local function drain(self, out)
  while self.steps[1] do
    local step = table.remove(self.steps, 1)
    if type(step) == "string" then
      out[#out + 1] = step
    elseif step[1] == "endless" then
      table.insert(self.steps, 1, step)
      out[#out + 1] = step[2]:rep(math.ceil(4096 / #step[2]))
      return "more"
    else
      return step[1], step[2]
    end
  end
  return nil
end

local function run(self)
  local out = {}
  local action, value = drain(self, out)
  while not action and readers[self.mode](self) do
    action, value = drain(self, out)
  end
  -- A reader may have queued an answer without making progress.
  if not action then action, value = drain(self, out) end
  self.input, self.at = self.input:sub(self.at), 1
  if action == "close" or action == "stall" then self.over = action end
  if action == "starttls" then
    -- RFC 3207 §4.2: what was sent in clear behind STARTTLS counts for nothing.
    if self.input ~= "" then self:note("plaintext_after_starttls", #self.input) end
    self.input = ""
  end
  return table.concat(out), action, value
end

---The greeting. Results as `feed`.
function Session:open()
  local options = self.options
  local gone = options.disconnect and options.disconnect.connect
  if gone then
    self.over = "close"
    return "", "close"
  end
  self.opened = true
  local code = self:reply("greeting", nil, nil,
    ("220 %s %s ready"):format(self.name, options.lmtp and "LMTP" or "ESMTP"))
  if code >= 500 then self.refusing = true end
  return run(self)
end

---Take bytes from the client, or "" to go on after an action.
---@param bytes string
---@return string replies to send first
---@return string|nil action then: "starttls" (do the handshake, call `secured`),
--- "delay" (wait `value` seconds, then feed "" before reading on), "more" (feed
--- "" when this is sent: there is no end), "stall" (say nothing again), "close"
---@return number|nil value
function Session:feed(bytes)
  if self.over then return "", self.over end
  if bytes ~= "" then
    self.input = self.input == "" and bytes or self.input .. bytes
  end
  return run(self)
end

---TLS has begun: the client starts anew (RFC 3207 §4.2).
---@param tls table|nil { version=, subject=, binding=function(type) → bytes or nil }
function Session:secured(tls)
  commands.reset(self)
  self.tls = tls or {}
  self.helo, self.extended, self.user = nil, nil, nil
end

---The driver sends what it has and must wait: one turn of the conversation.
function Session:turn()
  self.turns = self.turns + 1
end

function Session:offers(keyword)
  return extensions.offers(self, keyword)
end

return session
