-- Plain values on the channel between a sink and its process: nil, booleans,
-- numbers, strings of any bytes, and tables of them, each as one frame. What
-- is read back is data, never code.
--
--   frame   = length LF value
--   value   = "z" | "t" | "f" | "n" number ";" | "s" length ":" bytes
--           | "{" (key value)* "}"

local wire = {}

local encode

local encoders = {
  ["nil"] = function(out) out[#out + 1] = "z" end,
  boolean = function(out, v) out[#out + 1] = v and "t" or "f" end,
  number = function(out, v) out[#out + 1] = ("n%.17g;"):format(v) end,
  string = function(out, v)
    out[#out + 1] = ("s%d:"):format(#v)
    out[#out + 1] = v
  end,
  table = function(out, v)
    out[#out + 1] = "{"
    for key, value in pairs(v) do
      encode(out, key)
      encode(out, value)
    end
    out[#out + 1] = "}"
  end,
}

function encode(out, value)
  local encoder = encoders[type(value)]
  if not encoder then error("a " .. type(value) .. " cannot be sent to another process", 0) end
  encoder(out, value)
end

---@return string frame
function wire.frame(value)
  local out = {}
  encode(out, value)
  local bytes = table.concat(out)
  return ("%d\n"):format(#bytes) .. bytes
end

-- Returns the value that begins at `at`, and the position behind it.
local decode

local function decode_table(s, at)
  local result = {}
  while s:sub(at, at) ~= "}" do
    local key, value
    key, at = decode(s, at)
    value, at = decode(s, at)
    result[key] = value
  end
  return result, at + 1
end

local function decode_number(s, at)
  local stop = s:find(";", at, true)
  local number = tonumber(s:sub(at, stop - 1))
  -- "%.17g" of 3 is "3": an integer again where Lua has them.
  return number, stop + 1
end

local function decode_string(s, at)
  local colon = s:find(":", at, true)
  local stop = colon + tonumber(s:sub(at, colon - 1))
  return s:sub(colon + 1, stop), stop + 1
end

local decoders = {
  z = function(_, at) return nil, at end,
  t = function(_, at) return true, at end,
  f = function(_, at) return false, at end,
  n = decode_number,
  s = decode_string,
  ["{"] = decode_table,
}

function decode(s, at)
  return decoders[s:sub(at, at)](s, at + 1)
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
  local value = decode(s, self.at)
  self.at = self.at + self.need
  self.need = nil
  if self.at > #s then
    self.pieces, self.size, self.at = {}, 0, 1
  end
  return value
end

return wire
