-- The process of a sink: accepts connections, moves bytes between them and
-- their sessions (smtplib.sink.link), and tells the parent of each message.
-- One thread, one poll; it ends when the parent says so or goes away.

local core = require "smtplib.core"
local link = require "smtplib.sink.link"
local wire = require "smtplib.sink.wire"

local child = {}

local READS_A_ROUND = 64 -- of at most 16 KiB, before others have their turn
local MOST_UNSENT = 262144 -- replies that a client does not read
local CUT_PAUSE = 0.002 -- seconds between the pieces of a cut reply
local MOST_LINES = 200000 -- of the command log

local Server = {}
Server.__index = Server
Server.__name = "smtplib.sink.child"

-- The channel to the parent.

local function post(self, value)
  self.posts[#self.posts + 1] = wire.frame(value)
end

-- What the kernel does not take now waits until poll says so.
local function flush_posts(self)
  while true do
    if self.posted >= #self.posting then
      if not self.posts[1] then
        self.posting, self.posted = "", 0
        return
      end
      self.posting, self.posted, self.posts = table.concat(self.posts), 0, {}
    end
    local sent = self.channel:try_send(self.posting, self.posted + 1)
    if not sent then
      self.over = true
      return
    end
    if sent == 0 then return end
    self.posted = self.posted + sent
  end
end

local function has_posts(self)
  return self.posts[1] ~= nil or self.posted < #self.posting
end

-- Counting.

local function add_up(total, session)
  total.turns = total.turns + session.turns
  total.bytes = total.bytes + (session.bytes_in or 0)
  for name, n in pairs(session.findings) do
    total.findings[name] = (total.findings[name] or 0) + n
  end
end

local function stats_of(self)
  local total = {
    connections = self.accepted, open = 0, messages = self.taken,
    turns = self.total.turns, bytes = self.total.bytes, handshakes = self.total.handshakes,
    resumed = self.total.resumed, findings = {},
  }
  for name, n in pairs(self.total.findings) do total.findings[name] = n end
  for _, connection in pairs(self.connections) do
    total.open = total.open + 1
    add_up(total, connection.link.session)
  end
  return total
end

local requests = {}

function requests.stats(self) return stats_of(self) end

function requests.commands(self)
  local lines = {}
  for i, line in ipairs(self.log) do lines[i] = line end
  return lines
end

-- From now on, for connections that are open too.
function requests.script(self, changes)
  for name, value in pairs(changes) do
    if value == false then value = nil end
    self.options[name] = value
  end
  return true
end

local function take_requests(self)
  local bytes, why = self.channel:try_receive()
  if not bytes then
    self.over = self.over or why ~= "timeout"
    return
  end
  self.reader:feed(bytes)
  local request = self.reader:next()
  while request do
    if request.name == "stop" then
      self.over = true
      return
    end
    post(self, { answer = request.number, value = requests[request.name](self, request.value) })
    request = self.reader:next()
  end
end

-- Connections.

local function drop(self, connection)
  connection.stream:close()
  self.connections[connection.stream] = nil
  local session = connection.link.session
  add_up(self.total, session)
  if connection.link.tls then
    self.total.handshakes = self.total.handshakes + 1
    if session.tls and connection.link.tls:resumed() then
      self.total.resumed = self.total.resumed + 1
    end
  end
end

-- A close with unread bytes would be a reset, which may overtake our replies.
local function finish(self, connection)
  if not self.options.reset then
    for _ = 1, READS_A_ROUND do
      if not connection.stream:try_receive() then break end
    end
  end
  drop(self, connection)
end

local function send(self, connection)
  local bytes, from = connection.out, connection.at
  if self.options.cut then
    bytes, from = bytes:sub(from, from + self.options.cut - 1), 1
    connection.pause = core.now() + CUT_PAUSE
  end
  local sent = connection.stream:try_send(bytes, from)
  if not sent then
    drop(self, connection)
    return
  end
  connection.at = connection.at + sent
end

-- Act on what the session has said.
local function attend(self, connection)
  local output = connection.link:output()
  if output ~= "" then
    connection.out = connection.out:sub(connection.at) .. output
    connection.at = 1
  end
  if connection.at <= #connection.out and not connection.pause then
    send(self, connection)
    if not self.connections[connection.stream] then return end
  end
  local server = connection.link
  if server.action == "delay" and not connection.deadline then
    connection.deadline = core.now() + server.value
  end
  if server.ended and connection.at > #connection.out then finish(self, connection) end
end

local function resume(self, connection)
  connection.deadline = nil
  connection.link:resume()
  attend(self, connection)
end

local function read(self, connection)
  local server = connection.link
  local got = false
  for _ = 1, READS_A_ROUND do
    if server.action or server.ended then break end
    local bytes, why = connection.stream:try_receive()
    if not bytes then
      connection.gone = why ~= "timeout"
      break
    end
    got = true
    server.session.bytes_in = (server.session.bytes_in or 0) + #bytes
    server:input(bytes)
  end
  if got and server.out[1] then server.session:turn() end
  if connection.gone then
    drop(self, connection)
  else
    attend(self, connection)
  end
end

local function accept(self)
  local stream = self.listener:accept(0)
  while stream do
    self.accepted = self.accepted + 1
    local connection = { stream = stream, link = link.new(self.options), out = "", at = 1 }
    if #self.log > MOST_LINES then self.log = {} end
    connection.link.session.commands = self.log
    connection.link.session.number = self.accepted
    self.connections[stream] = connection
    connection.link:open()
    attend(self, connection)
    stream = self.listener:accept(0)
  end
end

-- One round.

local function wants_reading(connection)
  return not connection.link.action and not connection.link.ended
    and #connection.out - connection.at < MOST_UNSENT
end

-- Whom to wait for, and until when.
local function interests(self)
  local readers, writers, deadline = { self.listener, self.channel }, {}, math.huge
  if has_posts(self) then writers[1] = self.channel end
  for stream, connection in pairs(self.connections) do
    if wants_reading(connection) then readers[#readers + 1] = stream end
    if connection.pause then
      deadline = math.min(deadline, connection.pause)
    elseif connection.at <= #connection.out then
      writers[#writers + 1] = stream
    elseif connection.link.action == "more" then
      deadline = 0
    end
    if connection.deadline then deadline = math.min(deadline, connection.deadline) end
  end
  return readers, writers, deadline
end

-- Everyone whose time has come. Attending may end a connection, so the list
-- is made first.
local function due(self)
  local now, list = core.now(), {}
  for _, connection in pairs(self.connections) do
    local more = connection.link.action == "more" and connection.at > #connection.out
    if more or (connection.deadline or now + 1) <= now or (connection.pause or now + 1) <= now then
      list[#list + 1] = connection
    end
  end
  return list, now
end

local function attend_due(self)
  local list, now = due(self)
  for _, connection in ipairs(list) do
    if (connection.pause or now + 1) <= now then connection.pause = nil end
    if connection.deadline and connection.deadline <= now then
      resume(self, connection)
    elseif connection.link.action == "more" and connection.at > #connection.out then
      resume(self, connection)
    else
      attend(self, connection)
    end
  end
end

local function round(self)
  local readers, writers, deadline = interests(self)
  local wait = math.huge
  if deadline < math.huge then wait = math.max(0, deadline - core.now()) end
  local readable, writable = core.poll(readers, writers, wait)
  if not readable then
    self.over = true
    return
  end
  for _, ready in ipairs(readable) do
    if ready == self.listener then
      accept(self)
    elseif ready == self.channel then
      take_requests(self)
    elseif self.connections[ready] then
      read(self, self.connections[ready])
    end
  end
  for _, ready in ipairs(writable) do
    if self.connections[ready] then attend(self, self.connections[ready]) end
  end
  if deadline < math.huge then attend_due(self) end
  if has_posts(self) then flush_posts(self) end
end

---What the child process runs.
---@param channel userdata to the parent
---@param listener userdata
---@param options table of smtplib.sink.link, and `cut`, `reset`
function child.run(channel, listener, options)
  local self = setmetatable({
    channel = channel, listener = listener, options = options,
    connections = {}, log = {}, accepted = 0, taken = 0,
    total = { turns = 0, bytes = 0, handshakes = 0, resumed = 0, findings = {} },
    posts = {}, posting = "", posted = 0, reader = wire.reader(),
  }, Server)
  function options.on_message(message, session)
    self.taken = self.taken + 1
    message.connection = session.number
    post(self, { message = message })
  end
  repeat
    round(self)
  until self.over
end

return child
