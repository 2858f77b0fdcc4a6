-- Text and charsets: what a caller hands in is UTF-8; a charset that was asked
-- for, or that a message names, is converted by the core.

local core = require "smtplib.core"

local charsets = {}

local aliases = { utf8 = "utf-8", ascii = "us-ascii", latin1 = "iso-8859-1", ["latin-1"] = "iso-8859-1" }

--- The charset's name as it is written; nil for what can be none.
---@param charset string
---@return string|nil
function charsets.name(charset)
  local name = charset:lower()
  return name:match("^[%w][%w%-_.:+]*$") and (aliases[name] or name)
end

-- Charsets in which ASCII text is not what it is in ASCII.
local not_ascii = { "^utf[-_]?16", "^utf[-_]?32", "^utf[-_]?7", "^ucs[-_]?[24]", "^iso[-_]10646", "^hz" }

local function is_ascii_in(charset)
  for _, pattern in ipairs(not_ascii) do
    if charset:find(pattern) then return false end
  end
  return true
end

--- Whether bytes that look like line ends may be halves of characters in it.
---@param charset string # as charsets.name gives it
---@return boolean
function charsets.is_wide(charset)
  return not is_ascii_in(charset) and not charset:find("^utf[-_]?7") and not charset:find("^hz")
end

local function is_utf8(bytes)
  return core.message.is_utf8(bytes)
end

--- Text in another charset. Bytes that are not UTF-8 are taken to be in it
--- already; so is everything when the core knows no charset but UTF-8.
---@param bytes string
---@param from string|nil # the charset that they are in; nil: UTF-8
---@param to string # as charsets.name gives it
---@return string|nil bytes, string|nil why, string|nil sentence
function charsets.convert(bytes, from, to)
  if from == to or bytes == "" then return bytes end
  if not bytes:find("[\128-\255\27]") and is_ascii_in(to) and is_ascii_in(from or to) then return bytes end
  if from and from ~= "utf-8" then
    local text, why, sentence = core.to_utf8(bytes, from)
    if not text then return nil, why, sentence end
    bytes = text
  end
  if to == "utf-8" or not is_utf8(bytes) then return bytes end
  return core.from_utf8(bytes, to)
end

--- Bytes of a text as UTF-8. What is not in its charset becomes U+FFFD; so does
--- what is not UTF-8 where the charset is not known.
---@param bytes string
---@param charset string|nil
---@return string
function charsets.decode(bytes, charset)
  local known = charset and charset ~= "us-ascii" and charset ~= "utf-8" and core.to_utf8(bytes, charset)
  if known then return known end
  return is_utf8(bytes) and bytes or core.to_utf8(bytes, "utf-8")
end

return charsets
