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
--- encoded-words decoded. With the field's name by the rules of that field: what
--- is decoded in "To" adds no address.
---@param value string
---@param name string|nil # "To"
---@return string
function header.decode(value, name)
  check("decode", "value", value)
  if name ~= nil then check("decode", "name", name) end
  return (core.message.decode_text(value, name or "Subject"))
end

local WORD = "=%?([^?%s]+)%?[bBqQ]%?[^?\r\n]*%?="

-- From and to where words of one charset follow one another.
local function find_words(value, at)
  local first, last, charset = value:find(WORD, at)
  if not first then return nil end
  charset = charset:match("^[^*]*"):lower()
  while true do
    local from, to, other = value:find("^%s*" .. WORD, last + 1)
    if not from or other:match("^[^*]*"):lower() ~= charset then return first, last, charset end
    last = to
  end
end

--- The pieces of a field's value, each {text, charset}: the text in UTF-8, the
--- charset that its encoded-words named, none where there were none. make_header
--- puts them together again.
---@param value string
---@return table
function header.decode_header(value)
  check("decode_header", "value", value)
  local pieces, at = {}, 1
  while at <= #value do
    local first, last, charset = find_words(value, at)
    local between = value:sub(at, first and first - 1)
    local is_gap = #pieces > 0 and pieces[#pieces][2] and first and not between:find("%S")
    if between ~= "" and not is_gap then pieces[#pieces + 1] = { (between:gsub("[\r\n]", "")) } end
    if not first then break end
    pieces[#pieces + 1] = { header.decode(value:sub(first, last)), charset }
    at = last + 1
  end
  return pieces
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
