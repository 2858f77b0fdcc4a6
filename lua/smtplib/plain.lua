-- Plain values as one string: what a sink and its process tell one another, and
-- what waits in a queue. What is read back is data, never code.
--
--   value = "t" | "f" | "n" number ";" | "s" length ":" bytes
--         | "{" (key value)* "}"
local plain = {}

local DEPTH = 16 -- of tables; deeper ones are not read

local encode

local encoders = {
  boolean = function(out, value) out[#out + 1] = value and "t" or "f" end,
  number = function(out, value)
    if value ~= value then error("a number that is none is not plain data", 0) end
    local is_infinite = value == math.huge or value == -math.huge
    out[#out + 1] = is_infinite and (value > 0 and "n1e999;" or "n-1e999;") or ("n%.17g;"):format(value)
  end,
  string = function(out, value)
    out[#out + 1] = ("s%d:"):format(#value)
    out[#out + 1] = value
  end,
  table = function(out, value)
    out[#out + 1] = "{"
    for key, inner in pairs(value) do
      encode(out, key)
      encode(out, inner)
    end
    out[#out + 1] = "}"
  end,
}

function encode(out, value)
  local encoder = encoders[type(value)]
  if not encoder then error("a " .. type(value) .. " is not plain data", 0) end
  encoder(out, value)
end

---@param value boolean|number|string|table of such; anything else raises
---@return string
function plain.encode(value)
  local out = {}
  encode(out, value)
  return table.concat(out)
end

-- Each returns the value whose letter stands before `at` and the position behind
-- it, or nothing.
local decode

local function decode_number(bytes, at)
  local digits, stop = bytes:match("^([%d.eE+-]+);()", at)
  local number = tonumber(digits or "")
  if number then return number, stop end
end

local function decode_string(bytes, at)
  local digits, start = bytes:match("^(%d+):()", at)
  local stop = start and start + tonumber(digits)
  if stop and stop - 1 <= #bytes then return bytes:sub(start, stop - 1), stop end
end

local function decode_table(bytes, at, depth)
  local result = {}
  while at and bytes:sub(at, at) ~= "}" do
    local key, value
    key, at = decode(bytes, at, depth)
    if key ~= nil then value, at = decode(bytes, at, depth) end
    if value == nil then return nil end
    result[key] = value
  end
  return result, at + 1
end

local decoders = {
  t = function(_, at) return true, at end,
  f = function(_, at) return false, at end,
  n = decode_number,
  s = decode_string,
  ["{"] = decode_table,
}

function decode(bytes, at, depth)
  local decoder = decoders[bytes:sub(at, at)]
  if not decoder or depth == 0 then return nil end
  return decoder(bytes, at + 1, depth - 1)
end

---The value that begins at `at`, and the position behind it; nil where there is none.
---@param bytes string
---@param at integer
---@return boolean|number|string|table|nil value
---@return integer|nil stop
function plain.decode(bytes, at)
  return decode(bytes, at, DEPTH)
end

return plain
