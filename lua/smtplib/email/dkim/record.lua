-- Key records of DKIM, RFC 6376 section 3.6.1. A function here returns nil and a
-- reason when the record does not let the signature through.

local core = require "smtplib.core"

local dkim = core.dkim

local record = {}

--- Words of a list "a : b", in lower case, as a set.
function record.set(list)
  local found = {}
  for word in list:gmatch("[^:]+") do found[word:match("^%s*(.-)%s*$"):lower()] = true end
  return found
end

--- What base64 with white space in it encodes.
---@return string|nil
function record.unbase64(s)
  return (core.base64_decode((s:gsub("%s+", "")), true))
end

-- One record may come in several strings (RFC 6376 section 3.6.2.2).
local function text_of(answer)
  if type(answer) == "string" then return answer end
  if type(answer) ~= "table" then return nil end
  for _, piece in ipairs(answer) do
    if type(piece) ~= "string" then return nil end
  end
  return table.concat(answer)
end

local function check_tags(tags, first, kind)
  if tags.v and (tags.v ~= "DKIM1" or first ~= "v") then return "its version is not DKIM1" end
  if not tags.p then return "it has no key" end
  if tags.h and not record.set(tags.h).sha256 then return "it does not allow sha256" end
  local services = record.set(tags.s or "*")
  if not services["*"] and not services.email then return "it is not for e-mail" end
  if (tags.k or "rsa"):lower() ~= kind then return "it is a key of another kind" end
end

--- Read a record for a signature of that kind.
---@param answer any # what the lookup returned: a string or an array of strings
---@param kind string # "rsa" or "ed25519"
---@return table|nil found # key, flags
---@return string|nil reason
function record.read(answer, kind)
  local text = text_of(answer)
  local tags, first
  if text then tags, first = dkim.tags(text) end
  if not tags then return nil, "the key record is malformed" end
  local why = check_tags(tags, first, kind)
  if why then return nil, "the key record does not fit: " .. why end
  if tags.p == "" then return nil, "the key has been revoked" end
  local bytes = record.unbase64(tags.p)
  local key, _, sentence
  if bytes then key, _, sentence = dkim.public_key(kind, bytes) end
  if not key then return nil, "the key cannot be used: " .. (sentence or "not base64") end
  return { key = key, flags = record.set(tags.t or "") }
end

return record
