-- Mail servers in memory, by host and port, for a Mailer that may connect to each as
-- often as it likes (a spec.support.peer is one connection).
--
--   local farm = farms.new { ["mx1:25"] = { replies = { RCPT = "550 no" } } }
--   local mailer = farm:mailer { host = "mx1" }
--
-- Where no server is named, nobody listens. A server's options are those of
-- spec.support.peer, and
--   deaf = true   its connections do not notice while idle that it said something
local peer = require "spec.support.peer"
local smtplib = require "smtplib"

local Farm = {}
Farm.__index = Farm
Farm.__name = "spec.mailer.farm"

local farms = {}

-- What a socket does: hand over what came unasked, the end too.
local function idle_check(self, engine)
  if self.inbox ~= "" then
    engine:input(self.inbox)
    self.inbox = ""
  end
  if self.link.ended then engine:input_end() end
  return true
end

-- Connect a peer to the server of that name, if there is one.
local function admit(farm, one, name)
  farm.attempts[#farm.attempts + 1] = name
  local options = farm.servers[name]
  if not options then return nil, "ECONNREFUSED", "connection refused" end
  options.on_message = options.on_message or function(message)
    message.server = name
    farm.messages[#farm.messages + 1] = message
  end
  if options.context and not options.implicit then options.starttls = true end
  one.options, one.name = options, name
  if not options.deaf then one.idle_check = idle_check end
  farm.connections[#farm.connections + 1] = one
  return true
end

-- A transport, not connected yet.
local function new_peer(farm)
  local one = peer.new()
  local plain = one.connect
  one.connect = function(self, host, port)
    local ok, name, sentence = admit(farm, self, port == 0 and host or ("%s:%d"):format(host, port))
    if not ok then return nil, name, sentence end
    return plain(self, host, port)
  end
  local send = one.send
  one.bytes = 0
  one.send = function(self, bytes)
    local count, why, sentence = send(self, bytes)
    self.bytes = self.bytes + (count or 0)
    return count, why, sentence
  end
  return one
end

---@param servers table<string, table> options by "host:port"
function farms.new(servers)
  local farm = setmetatable({ servers = servers, connections = {}, messages = {}, attempts = {} }, Farm)
  farm.transport = function() return new_peer(farm) end
  return farm
end

---One server, "mx:25", and a Mailer for it.
---@param server table|nil its options
---@param options table|nil the Mailer's
function farms.simple(server, options)
  local farm = farms.new { ["mx:25"] = server or {} }
  return farm:mailer(options), farm
end

---A Mailer whose connections go to this farm.
function Farm:mailer(options)
  local given = { host = "mx", tls = false, transport = self.transport, local_hostname = "client.example" }
  for name, value in pairs(options or {}) do given[name] = value end
  return assert(smtplib.Mailer(given))
end

---The connections as a server that goes down leaves them.
function Farm:lose_all()
  for _, one in ipairs(self.connections) do one.link.ended, one.inbox = true, "" end
end

---Say something on all connections, unasked; `is_last`: and close them.
function Farm:say(bytes, is_last)
  for _, one in ipairs(self.connections) do
    if not one.closed and not one.link.ended then
      one.inbox, one.link.ended = one.inbox .. bytes, is_last or false
    end
  end
end

---How many connections are open.
function Farm:open()
  local n = 0
  for _, one in ipairs(self.connections) do
    if not one.closed then n = n + 1 end
  end
  return n
end

---Every command so far, over all connections in their order.
function Farm:commands()
  local all = {}
  for _, one in ipairs(self.connections) do
    for _, line in ipairs(one.session.commands) do all[#all + 1] = line end
  end
  return all
end

---How many commands begin so.
function Farm:count(start)
  local n = 0
  for _, line in ipairs(self:commands()) do
    if line:sub(1, #start):upper() == start:upper() then n = n + 1 end
  end
  return n
end

---A message that is told from others by its number.
function farms.message(n)
  return { from = ("s%d@example.org"):format(n or 1), to = "r@example.org", message = ("Subject: %d\n\ntext\n"):format(n or 1) }
end

---Run f with a clock that only sleeping moves on; returns the list of sleeps.
function farms.without_waiting(f)
  local core = require "smtplib.core"
  local now, sleep, time, slept = core.now, core.sleep, 1000, {}
  core.now = function() return time end
  core.sleep = function(seconds)
    slept[#slept + 1] = seconds
    time = time + seconds
  end
  local ok, err = pcall(f, function(seconds) time = time + seconds end)
  core.now, core.sleep = now, sleep
  if not ok then error(err, 0) end
  return slept
end

return farms
