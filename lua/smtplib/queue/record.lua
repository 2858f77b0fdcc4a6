-- What waits in a queue, as one string that is read back as data, whatever
-- somebody else has put into the store:
--
--   record = "smtplib-queue-1" LF value      (see smtplib.plain)
local plain = require "smtplib.plain"

local record = {}

local MAGIC = "smtplib-queue-1\n"

---@param value table of strings, numbers, booleans and tables of them
---@return string
function record.encode(value)
  return MAGIC .. plain.encode(value)
end

local fields = { id = "string", from = "string", to = "table", message = "string", at = "number" }

---The table that a record was made of; nil when it is none of ours.
---@param bytes string
---@return table?
function record.decode(bytes)
  if type(bytes) ~= "string" or bytes:sub(1, #MAGIC) ~= MAGIC then return nil end
  local value, stop = plain.decode(bytes, #MAGIC + 1)
  if type(value) ~= "table" or stop ~= #bytes + 1 then return nil end
  for name, kind in pairs(fields) do
    if type(value[name]) ~= kind then return nil end
  end
  return value
end

return record
