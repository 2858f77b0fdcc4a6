-- A file to read lines from, over a TLS connection or any object that receives
-- bytes: Python 2's smtplib.SSLFakeFile.

-- What a line may hold without an explicit size: a peer that never ends its
-- line must not fill the memory.
local LINE_MAX = 65536

---@class smtplib.SSLFakeFile
local SSLFakeFile = {}
SSLFakeFile.__index = SSLFakeFile
SSLFakeFile.__name = "smtplib.SSLFakeFile"

local function is_callable(value)
  if type(value) == "function" then return true end
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.__call ~= nil
end

local function method_of(sock)
  local kind = type(sock)
  if kind ~= "table" and kind ~= "userdata" then return nil end
  for _, name in ipairs({ "receive", "recv", "read" }) do
    if is_callable(sock[name]) then return name end
  end
end

-- The next bytes; nil at the end, nil and an error otherwise. One is asked for,
-- since some objects take no number for "a line" and others wait for all of
-- it; whoever has more may hand more. LuaSocket's third value is what came.
local function receive(self)
  local bytes, err, partial = self.sock[self.method](self.sock, 1)
  if bytes == nil or bytes == "" then bytes = partial end
  if type(bytes) == "string" and bytes ~= "" then return bytes end
  if err and err ~= "closed" and err ~= "eof" then return nil, err end
  return nil
end

-- Receive until a line end or `limit` bytes are in the buffer, or the stream
-- ends. Returns where the line end is, or nil, and an error.
local function fill(self, limit)
  local stop = self.buffer:find("\n", 1, true)
  local parts, length, err = { self.buffer }, #self.buffer, nil
  while not stop and length < limit do
    local bytes
    bytes, err = receive(self)
    if not bytes then break end
    parts[#parts + 1] = bytes
    stop = bytes:find("\n", 1, true)
    stop = stop and length + stop
    length = length + #bytes
  end
  self.buffer = table.concat(parts)
  return stop, err
end

local function take(self, length)
  local bytes = self.buffer:sub(1, length)
  self.buffer = self.buffer:sub(length + 1)
  return bytes
end

---A line with its "\n"; less at the end of the stream or after `size` bytes;
---"" when there is no more. nil and an error if receiving failed, or if the
---line is longer than 65536 bytes and no size was given.
---@param size? integer
---@return string? line
---@return any err
function SSLFakeFile:readline(size)
  if size ~= nil and (type(size) ~= "number" or size ~= math.floor(size)) then
    error("bad argument 'size' to 'readline' (whole number expected)", 2)
  end
  if self.closed then return nil, "closed" end
  local limit = size and size >= 0 and size or nil
  local stop, err = fill(self, limit or LINE_MAX)
  if stop and stop <= (limit or LINE_MAX) then return take(self, stop) end
  if err then return nil, err end
  if limit then return take(self, limit) end
  if stop or #self.buffer >= LINE_MAX then return nil, "line too long" end
  return take(self, LINE_MAX)
end

-- The line, or nil at the end; an error ends the loop as well, since an
-- iterator has nowhere to put it.
local function next_line(self)
  local line = self:readline()
  if line ~= "" then return line end
end

---For loops: `for line in file:lines() do`.
function SSLFakeFile:lines()
  return next_line, self
end

SSLFakeFile.__call = next_line

---Forget what was read ahead. The connection stays open, as in Python.
---@return boolean
function SSLFakeFile:close()
  self.closed = true
  self.buffer = ""
  return true
end

function SSLFakeFile:__tostring()
  return self.closed and "SSLFakeFile (closed)" or "SSLFakeFile"
end

---@param sock table|userdata any object with `receive`, `recv` or `read`
---@return smtplib.SSLFakeFile
local function new(sock)
  local method = method_of(sock)
  if not method then
    error("bad argument 'sock' to 'SSLFakeFile' (an object with receive, recv or read expected)", 2)
  end
  return setmetatable({ sock = sock, method = method, buffer = "" }, SSLFakeFile)
end

return new
