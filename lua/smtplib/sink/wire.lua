-- The channel between a sink and its process: plain values, each as one frame.
--
--   frame = length LF value      (see smtplib.plain)
local plain = require "smtplib.plain"

local wire = {}

---@return string frame
function wire.frame(value)
  local bytes = plain.encode(value)
  return ("%d\n"):format(#bytes) .. bytes
end

local Reader = {}
Reader.__index = Reader
Reader.__name = "smtplib.sink.wire.reader"

---Puts frames together again. Costs linear time however they are cut.
function wire.reader()
  return setmetatable({ pieces = {}, size = 0, at = 1, need = nil }, Reader)
end

function Reader:feed(bytes)
  self.pieces[#self.pieces + 1] = bytes
  self.size = self.size + #bytes
end

-- All that is there as one string, `at` being its first byte not yet taken.
-- What was taken before is dropped, or a long stream would be joined over and
-- over.
local function join(self)
  if #self.pieces > 1 then
    self.pieces[1] = self.pieces[1]:sub(self.at)
    self.pieces = { table.concat(self.pieces) }
    self.at, self.size = 1, #self.pieces[1]
  end
  return self.pieces[1] or ""
end

---@return any value of the next whole frame; nil when there is none
function Reader:next()
  if not self.need then
    local s = join(self)
    local newline = s:find("\n", self.at, true)
    if not newline then return nil end
    self.need = tonumber(s:sub(self.at, newline - 1))
    self.at = newline + 1
  end
  if self.size - self.at + 1 < self.need then return nil end
  local s = join(self)
  local value = plain.decode(s, self.at)
  self.at = self.at + self.need
  self.need = nil
  if self.at > #s then
    self.pieces, self.size, self.at = {}, 0, 1
  end
  return value
end

return wire
