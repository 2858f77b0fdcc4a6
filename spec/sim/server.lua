-- A mail server that misbehaves by chance, in memory, as a transport. It knows for
-- certain what it took. Written without the library, so that the library is not
-- its own judge.
--
-- Honest where the protocol makes it so: a message refused with 4yz or 5yz has
-- not been taken, one accepted with 2yz has. In between, where its reply is
-- garbled or never sent, it may have taken the message or not.
local Server = {}
Server.__index = Server
Server.__name = "spec.sim.server"

local server = {}

-- How often each kind of reply is seen among a hundred.
local kinds = {
  { "good", 84 }, { "temporary", 3 }, { "permanent", 4 }, { "closing", 1 }, { "malformed", 2 },
  { "cut", 1 }, { "gone", 2 }, { "silent", 1 }, { "extra", 1 }, { "odd", 1 },
}

local garbage = {
  "hello\r\n", "2x0 ok\r\n", "99 ok\r\n", "600 ok\r\n", "\r\n", "250-one\r\n550 two\r\n", "250=ok\r\n", "  250 ok\r\n",
  ("250-x\r\n"):rep(1001), "250 " .. ("x"):rep(5000) .. "\r\n", "\0\0\0\r\n",
}

---Options of a server, drawn by chance.
function server.options(c)
  local keywords = {}
  for _, keyword in ipairs { "PIPELINING", "8BITMIME", "SIZE 100000", "ENHANCEDSTATUSCODES" } do
    if not c:once_in(3) then keywords[#keywords + 1] = keyword end
  end
  return { lmtp = c:once_in(4), keywords = keywords }
end

---@param chance table
---@param options table lmtp, pipelining, calm (never misbehaves)
function server.new(chance, options)
  return setmetatable({
    chance = chance, options = options, taken = {}, connects = 0, calls = 0, calm = options.calm,
  }, Server)
end

local function kind_of_reply(self)
  if self.calm then return "good" end
  local n = self.chance:number(100)
  for _, kind in ipairs(kinds) do
    n = n - kind[2]
    if n <= 0 then return kind[1] end
  end
end

local function say(self, bytes)
  self.out = self.out .. bytes
end

local function hang_up(self)
  self.ended = true
end

-- Say a reply in the drawn way; true when it was the good one.
local function answer(self, kind, good)
  if kind == "good" then
    say(self, good)
  elseif kind == "extra" then
    say(self, good .. "250 one more\r\n")
  elseif kind == "temporary" then
    say(self, "451 4.3.0 later\r\n")
  elseif kind == "permanent" then
    say(self, "550-5.1.1 no\r\n550 5.1.1 never\r\n")
  elseif kind == "closing" then
    say(self, "421 4.3.2 closing\r\n")
    hang_up(self)
  elseif kind == "malformed" then
    say(self, self.chance:pick(garbage))
  elseif kind == "odd" then
    say(self, self.chance:pick { "354 what\r\n", "334 \r\n", "399 x\r\n" })
  elseif kind == "cut" then
    say(self, good:sub(1, self.chance:number(#good) - 1))
    hang_up(self)
  elseif kind == "gone" then
    hang_up(self)
  else
    self.stalled = true
  end
  return kind == "good" or kind == "extra"
end

local function unstuff(data)
  return (("\r\n" .. data):gsub("\r\n%.", "\r\n"):sub(3))
end

local function take(self, recipients)
  self.taken[#self.taken + 1] = { from = self.from, to = recipients, data = unstuff(self.data), connection = self.connects }
end

-- Whether it has taken the message, where its reply does not tell.
local function took_it(self, kind)
  if kind == "good" or kind == "extra" then return true end
  if kind == "temporary" or kind == "permanent" or kind == "closing" then return false end
  return self.chance:once_in(2)
end

local function confirm_one(self, recipients)
  local kind = kind_of_reply(self)
  if kind == "odd" then kind = "malformed" end
  -- One reply too many among LMTP's would be a lie about the next recipient.
  if kind == "extra" and self.options.lmtp then kind = "good" end
  if took_it(self, kind) then take(self, recipients) end
  answer(self, kind, "250 2.0.0 taken\r\n")
end

local function confirm(self)
  if self.options.lmtp then
    for _, recipient in ipairs(self.recipients) do
      if self.ended or self.stalled then break end
      confirm_one(self, { recipient })
    end
  else
    confirm_one(self, self.recipients)
  end
  self.from, self.recipients, self.data = nil, {}, nil
end

-- A server may give up while the message is still coming.
local function interrupt(self)
  if self.calm or not self.chance:once_in(60) then return end
  answer(self, self.chance:pick { "permanent", "temporary", "closing", "gone" }, "")
  hang_up(self)
  self.data = nil
end

local commands = {}

local function greet(self)
  self.from, self.recipients = nil, {}
  local lines = "250-sim.example.org\r\n"
  for _, keyword in ipairs(self.options.keywords) do lines = lines .. "250-" .. keyword .. "\r\n" end
  return answer(self, kind_of_reply(self), lines .. "250 HELP\r\n")
end
commands.EHLO, commands.LHLO = greet, greet

function commands.HELO(self)
  return answer(self, kind_of_reply(self), "250 sim\r\n")
end

function commands.MAIL(self, line)
  if self.from then return say(self, "503 5.5.1 nested MAIL\r\n") end
  local kind = kind_of_reply(self)
  if answer(self, kind, "250 2.1.0 ok\r\n") then
    self.from, self.recipients = line:match("<(.-)>"), {}
  end
end

function commands.RCPT(self, line)
  if not self.from then return say(self, "503 5.5.1 no MAIL\r\n") end
  if answer(self, kind_of_reply(self), "250 2.1.5 ok\r\n") then
    self.recipients[#self.recipients + 1] = line:match("<(.-)>")
  end
end

function commands.DATA(self)
  if not self.from or #self.recipients == 0 then return say(self, "503 5.5.1 no recipients\r\n") end
  local kind = kind_of_reply(self)
  -- A reply too many behind the 354 would be a lie about the message.
  if kind == "extra" then kind = "good" end
  if answer(self, kind, "354 go\r\n") then self.data = "" end
end

function commands.RSET(self)
  if answer(self, kind_of_reply(self), "250 2.0.0 ok\r\n") then self.from, self.recipients = nil, {} end
end

function commands.NOOP(self)
  answer(self, kind_of_reply(self), "250 2.0.0 ok\r\n")
end

function commands.QUIT(self)
  answer(self, kind_of_reply(self), "221 2.0.0 bye\r\n")
  hang_up(self)
end

local function take_command(self)
  local at = self.inbox:find("\r\n", 1, true)
  if not at then return false end
  local line = self.inbox:sub(1, at - 1)
  self.inbox = self.inbox:sub(at + 2)
  self.lines[#self.lines + 1] = line
  local handler = commands[line:match("^%a+")]
  if handler then handler(self, line) else say(self, "500 5.5.1 what?\r\n") end
  return true
end

local function take_data(self)
  local text = "\r\n" .. self.inbox
  local at = text:find("\r\n.\r\n", 1, true)
  if not at then
    interrupt(self)
    return false
  end
  self.data = text:sub(3, at + 1)
  self.inbox = text:sub(at + 5)
  confirm(self)
  return true
end

local function work(self)
  local go_on = true
  while go_on and not self.ended and not self.stalled do
    if self.data then go_on = take_data(self) else go_on = take_command(self) end
  end
end

-- --- the transport -----------------------------------------------------------

-- A client that runs in circles is stopped.
local function count_call(self)
  self.calls = self.calls + 1
  assert(self.calls < 20000, "the client does not come to an end")
end

function Server:connect()
  count_call(self)
  if not self.calm and self.chance:once_in(50) then return nil, "ECONNREFUSED", "connection refused" end
  self.connects = self.connects + 1
  self.inbox, self.out, self.lines = "", "", {}
  self.stalled = false
  self.ended, self.closed, self.data, self.from, self.recipients = false, false, nil, nil, {}
  answer(self, kind_of_reply(self), "220 sim ESMTP\r\n")
  return true
end

function Server:send(bytes)
  count_call(self)
  assert(not self.closed, "written to after it was closed")
  if self.ended and self.out == "" then return nil, "closed" end
  if not self.calm and self.chance:once_in(200) then
    -- Part of it got through, nobody knows how much.
    self.inbox = self.inbox .. bytes:sub(1, self.chance:number(#bytes))
    work(self)
    self.ended, self.out = true, ""
    return nil, self.chance:pick { "timeout", "closed", "ECONNRESET" }, "write failed"
  end
  self.inbox = self.inbox .. bytes
  work(self)
  return #bytes
end

function Server:receive()
  count_call(self)
  assert(not self.closed, "read from after it was closed")
  if self.out == "" then
    if self.ended then return nil, "closed" end
    return nil, "timeout", "timed out"
  end
  local n = self.chance:once_in(3) and self.chance:number(7) or #self.out
  local bytes = self.out:sub(1, n)
  self.out = self.out:sub(n + 1)
  return bytes
end

function Server:close()
  self.closed = true
  return true
end

function Server.settimeout() return true end
function Server.is_loopback() return true end

return server
