-- smtplib.email.header: text of header fields, encoded and decoded by itself. A
-- Message needs none of this: its fields are text, encoded when it is written.

local core = require "smtplib.core"
local errors = require "smtplib.errors"

local header = {}

local function check(name, argument, value)
  if type(value) ~= "string" then
    error(("bad argument '%s' to '%s' (string expected, got %s)"):format(argument, name, type(value)), 3)
  end
end

--- The value of an unstructured field (or of the field `name`) as it is on the
--- wire: encoded-words where they are needed, folded with "\n".
---@param text string # UTF-8
---@param name string|nil # "Subject"
---@return string|nil, table|nil
function header.encode(text, name)
  check("encode", "text", text)
  if name ~= nil then check("encode", "name", name) end
  local value, why, sentence = core.message.encode_text(text, name or "Subject")
  if not value then return nil, errors.from_core(why, sentence) end
  return value
end

--- A field's value as it was read, as text in UTF-8: unfolded, with its
--- encoded-words decoded.
---@param value string
---@return string
function header.decode(value)
  check("decode", "value", value)
  return (core.message.decode_text(value))
end

--- One text of pieces, each a string or {text, charset}.
---@param pieces table
---@return string
function header.make_header(pieces)
  if type(pieces) ~= "table" then
    error(("bad argument 'pieces' to 'make_header' (table expected, got %s)"):format(type(pieces)), 2)
  end
  local list = {}
  for i, piece in ipairs(pieces) do
    local text = type(piece) == "table" and piece[1] or piece
    check("make_header", "pieces", text)
    list[i] = text
  end
  return table.concat(list)
end

return header
