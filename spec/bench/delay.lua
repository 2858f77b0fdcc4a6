-- A relay on loopback that makes the way to a server as long as is wanted: bytes
-- arrive half a round trip later, and a new connection's first ones two round trips
-- after it was asked for (SYN, SYN-ACK, the greeting's way). In a process of its own.
local core = require "smtplib.core"

local delay = {}

local function new_half(from, to)
  return { from = from, to = to, queue = {}, first = 1, at = 1 }
end

-- Take what has come; it is due later.
local function take(half, seconds)
  local bytes, why = half.from:try_receive()
  if bytes then
    half.queue[#half.queue + 1] = { due = core.now() + seconds, bytes = bytes }
  elseif why ~= "timeout" then
    half.queue[#half.queue + 1] = { due = core.now() + seconds, ends = true }
    half.is_deaf = true
  end
end

-- Hand on what is due. False: that was the end.
local function hand_on(half)
  local entry = half.queue[half.first]
  while entry and entry.due <= core.now() do
    if entry.ends or not half.to:send(entry.bytes) then return false end
    half.queue[half.first] = nil
    half.first = half.first + 1
    entry = half.queue[half.first]
  end
  if half.first > #half.queue and half.first > 1 and not entry then half.queue, half.first = {}, 1 end
  return true
end

local Relay = {}
Relay.__index = Relay

local function accept(self)
  local client = self.listener:accept(0)
  if client then self.coming[#self.coming + 1] = { client = client, due = core.now() + 3 * self.seconds } end
end

local function connect_due(self)
  while self.coming[1] and self.coming[1].due <= core.now() do
    local client = table.remove(self.coming, 1).client
    local server = core.tcp()
    if server:connect("127.0.0.1", self.target, { timeout = 5 }) then
      self.halves[client], self.halves[server] = new_half(client, server), new_half(server, client)
    else
      client:close()
    end
  end
end

local function next_due(self)
  local due = self.coming[1] and self.coming[1].due or math.huge
  for _, half in pairs(self.halves) do
    local entry = half.queue[half.first]
    if entry then due = math.min(due, entry.due) end
  end
  return due
end

local function round(self, channel)
  local readers = { self.listener, channel }
  for stream, half in pairs(self.halves) do
    if not half.is_deaf then readers[#readers + 1] = stream end
  end
  local due = next_due(self)
  local ready = core.poll(readers, {}, due == math.huge and due or math.max(0, due - core.now()))
  for _, stream in ipairs(ready or {}) do
    if stream == channel then return false end
    if stream == self.listener then accept(self) else take(self.halves[stream], self.seconds) end
  end
  connect_due(self)
  local ended = {}
  for stream, half in pairs(self.halves) do
    if not hand_on(half) then ended[#ended + 1] = stream end
  end
  for _, stream in ipairs(ended) do
    local half = self.halves[stream]
    if half then
      self.halves[half.from], self.halves[half.to] = nil, nil
      half.from:close()
      half.to:close()
    end
  end
  return true
end

---@param target integer the server's port on 127.0.0.1
---@param seconds number a round trip
---@return integer port, userdata child ends with its channel
function delay.start(target, seconds)
  local listener = assert(core.listen("127.0.0.1", 0))
  local child = assert(core.spawn(function(channel)
    local self = setmetatable({ listener = listener, target = target, seconds = seconds / 2, halves = {}, coming = {} }, Relay)
    while round(self, channel) do end
  end, listener))
  local port = listener:port()
  listener:close()
  return port, child
end

return delay
