-- A thin client of Redis (RESP2) on the library's own transports: where no other
-- client is at hand. One command at a time; whatever is wrong closes the connection.
local transport = require "smtplib.transport"

local resp = {}

local DEPTH = 8 -- of arrays in a reply
local LINE = 65536 -- bytes
local BULK = 536870912 -- bytes: Redis's own limit

---@class smtplib.queue.Resp
local Client = {}
Client.__index = Client
Client.__name = "smtplib.queue.resp"

local function encode(...)
  local out = { ("*%d\r\n"):format(select("#", ...)) }
  for i = 1, select("#", ...) do
    local argument = tostring((select(i, ...)))
    out[#out + 1] = ("$%d\r\n"):format(#argument)
    out[#out + 1] = argument
    out[#out + 1] = "\r\n"
  end
  return table.concat(out)
end

local function fail(self, name, sentence)
  self.transport:close()
  return nil, name, sentence
end

local function malformed(self)
  return fail(self, "broken", "not a reply of Redis")
end

local function fill(self)
  local bytes, name, sentence = self.transport:receive()
  if not bytes then return fail(self, name, sentence) end
  self.pieces[#self.pieces + 1] = bytes
  self.size = self.size + #bytes
  return true
end

-- The next n bytes, n nil: the next line. Pieces are joined once, when enough is there.
local function join(self)
  if #self.pieces ~= 1 then self.pieces = { table.concat(self.pieces) } end
  return self.pieces[1]
end

local function cut(self, n, skip)
  local all = join(self)
  local taken = all:sub(1, n)
  self.pieces = { all:sub(n + skip + 1) }
  self.size = #self.pieces[1]
  return taken
end

local function take_line(self)
  local stop = join(self):find("\r\n", 1, true)
  while not stop do
    if self.size > LINE then return malformed(self) end
    local ok, name, sentence = fill(self)
    if not ok then return nil, name, sentence end
    stop = join(self):find("\r\n", 1, true)
  end
  return cut(self, stop - 1, 2)
end

local function take_bytes(self, n)
  while self.size < n + 2 do
    local ok, name, sentence = fill(self)
    if not ok then return nil, name, sentence end
  end
  return cut(self, n, 2)
end

local take_reply

local function take_array(self, n, depth)
  local list = {}
  for i = 1, n do
    local value, name, sentence = take_reply(self, depth - 1)
    if name == "redis" then return malformed(self) end -- what follows would answer the next command
    if value == nil then return nil, name, sentence end
    list[i] = value
  end
  return list
end

-- Where nothing is, Redis says so: false here.
function take_reply(self, depth)
  local line, name, sentence = take_line(self)
  if not line then return nil, name, sentence end
  local kind, rest = line:sub(1, 1), line:sub(2)
  if kind == "+" then return rest end
  if kind == "-" then return nil, "redis", rest end
  local number = tonumber(rest)
  if not number or number % 1 ~= 0 or depth == 0 then return malformed(self) end
  if kind == ":" then return number end
  if number == -1 then return false end
  if number < 0 or number > BULK then return malformed(self) end
  if kind == "$" then return take_bytes(self, number) end
  if kind == "*" then return take_array(self, number, depth) end
  return malformed(self)
end

---@param ... string|number
---@return any reply # false where Redis has nil
---@return string? name "redis" for what Redis says itself
---@return string? sentence
function Client:command(...)
  local ok, name, sentence = self.transport:send(encode(...))
  if not ok then return fail(self, name, sentence) end
  return take_reply(self, DEPTH)
end

---@return boolean
function Client:is_fresh()
  return not self.transport.getreusedtimes or self.transport:getreusedtimes() == 0
end

---Redis has said more than it was asked.
---@return boolean
function Client:has_rest()
  return self.size > 0
end

---Give the connection back to the host, if it keeps any.
---@return boolean kept
function Client:keep(seconds)
  if not self.transport.setkeepalive or self:has_rest() then return false end
  return self.transport:setkeepalive(seconds) == true
end

function Client:close()
  self.transport:close()
end

---@param host string
---@param port integer
---@param options table timeout; pool: a name, where the host keeps connections
---@return smtplib.queue.Resp|nil client, string? name, string? sentence
function resp.connect(host, port, options)
  local stream = transport.choose()
  local ok, name, sentence = stream:connect(host, port, options)
  if not ok then return nil, name, sentence end
  return setmetatable({ transport = stream, pieces = {}, size = 0 }, Client)
end

return resp
