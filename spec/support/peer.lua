-- A transport with a sink session behind it instead of a socket:
-- whole dialogues in memory, with time simulated, bytes cut at will, and every
-- write and wait counted.
--
--   local peer = peer.new{ replies = { RCPT = "550 no" } }
--   smtplib.SMTP{ host = "localhost", transport = peer }
--
-- Options are those of smtplib.sink.link, and
--   cut = n             receive() gives at most n bytes
--   context = context   a server's TLS context: STARTTLS is offered
--   refuse = text       connect() fails with this
--   fail = { send = n | receive = n, with = "timeout"|"closed" }
--                       the n-th call fails, and the connection with it
--   loopback = false    what is_loopback() says (true when not given)

local link = require "smtplib.sink.link"

local Peer = {}
Peer.__index = Peer
Peer.__name = "spec.support.peer"

local peer = {}

function peer.new(options)
  options = options or {}
  local self = setmetatable({
    options = options, sessions = {}, messages = {}, connects = {},
    writes = 0, receives = 0, turns = 0, clock = 0, timeout = math.huge,
  }, Peer)
  if options.context and not options.implicit and options.starttls == nil then
    options.starttls = true
  end
  options.on_message = options.on_message or function(message)
    self.messages[#self.messages + 1] = message
  end
  return self
end

-- What the server has said is on its way to the client.
local function collect(self)
  self.inbox = self.inbox .. self.link:output()
end

function Peer:connect(host, port)
  self.connects[#self.connects + 1] = { host, port }
  if self.options.refuse then return nil, self.options.refuse end
  self.link = link.new(self.options)
  self.session = self.link.session
  self.sessions[#self.sessions + 1] = self.session
  self.inbox, self.closed = "", false
  self.link:open()
  collect(self)
  return true
end

local function injected_failure(self, what, count)
  local fail = self.options.fail
  if not fail or fail[what] ~= count then return nil end
  self.closed = true
  return fail.with or "closed"
end

function Peer:send(bytes)
  assert(type(bytes) == "string" and bytes ~= "", "send wants bytes")
  self.writes = self.writes + 1
  local failure = injected_failure(self, "send", self.writes)
  if failure then return nil, failure end
  if self.closed or not self.link then return nil, "closed" end
  if self.link.ended and self.inbox == "" then return nil, "closed" end
  self.spoke = true
  self.link:input(bytes)
  collect(self)
  return #bytes
end

-- Nothing to read: let simulated time pass until there is, or until the client
-- has waited long enough.
local function wait(self)
  local server = self.link
  while self.inbox == "" and not server.ended do
    local delay = server.action == "delay" and server.value or 0
    if not server.action or server.action == "stall" or delay >= self.timeout then
      self.clock = self.clock + self.timeout
      if server.action == "delay" then server.value = delay - self.timeout end
      return nil, "timeout"
    end
    self.clock = self.clock + delay
    server:resume()
    collect(self)
  end
  return self.inbox ~= "" or nil, "closed"
end

function Peer:receive()
  self.receives = self.receives + 1
  local failure = injected_failure(self, "receive", self.receives)
  if failure then return nil, failure end
  if self.closed or not self.link then return nil, "closed" end
  if self.spoke then
    self.spoke = nil
    self.turns = self.turns + 1
    self.session:turn()
  end
  local ok, why = wait(self)
  if not ok then return nil, why end
  local bytes = self.inbox:sub(1, self.options.cut or -1)
  self.inbox = self.inbox:sub(#bytes + 1)
  return bytes
end

function Peer:settimeout(seconds)
  self.timeout = seconds or math.huge
  return true
end

function Peer:close()
  self.closed = true
  return true
end

function Peer:is_loopback()
  return self.options.loopback ~= false
end

---Every command line so far, over all connections.
function Peer:commands()
  local all = {}
  for _, each in ipairs(self.sessions) do
    for _, line in ipairs(each.commands) do all[#all + 1] = line end
  end
  return all
end

---The sum of a finding over all connections.
function Peer:finding(name)
  local sum = 0
  for _, each in ipairs(self.sessions) do sum = sum + (each.findings[name] or 0) end
  return sum
end

return peer
