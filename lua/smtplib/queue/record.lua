-- What waits in a queue, as one string: plain values, written so that reading them
-- back gives data, never code, whatever somebody else has put into the store.
--
--   record  = "smtplib-queue-1" LF table
--   value   = "t" | "f" | "n" number ";" | "s" length ":" bytes | table
--   table   = "{" (value value)* "}"
local record = {}

local MAGIC = "smtplib-queue-1\n"
local DEPTH = 8

local encode

local encoders = {
  boolean = function(out, value) out[#out + 1] = value and "t" or "f" end,
  number = function(out, value) out[#out + 1] = ("n%.17g;"):format(value) end,
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
  encoders[type(value)](out, value)
end

---@param value table of strings, numbers, booleans and tables of them
---@return string
function record.encode(value)
  local out = { MAGIC }
  encode(out, value)
  return table.concat(out)
end

-- Each returns a value that begins at `at` and the position behind it, or nothing.
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

local fields = { id = "string", from = "string", to = "table", message = "string", at = "number" }

---The table that a record was made of; nil when it is none of ours.
---@param bytes string
---@return table?
function record.decode(bytes)
  if type(bytes) ~= "string" or bytes:sub(1, #MAGIC) ~= MAGIC then return nil end
  local value, stop = decode(bytes, #MAGIC + 1, DEPTH)
  if type(value) ~= "table" or stop ~= #bytes + 1 then return nil end
  for name, kind in pairs(fields) do
    if type(value[name]) ~= kind then return nil end
  end
  return value
end

return record
