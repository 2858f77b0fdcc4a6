-- The methods of Message that look for parts: which is the body, which are
-- attachments. The rules are those of Python's EmailMessage.

local core = require "smtplib.core"
local check = require "smtplib.email.check"
local misuse = require "smtplib.misuse"

local methods = core.message.methods

local function each(list)
  local i = 0
  return function()
    i = i + 1
    return list[i]
  end
end

local function parts_of(m)
  return m:is_multipart() and m:get_payload() or {}
end

local function visit(m, found)
  found[#found + 1] = m
  for _, part in ipairs(parts_of(m)) do visit(part, found) end
end

--- The message and all its parts, depth first.
---@return fun(): userdata|nil iterator
function methods:walk()
  local found = {}
  visit(self, found)
  return each(found)
end

--- The parts right below, not those within them.
---@return fun(): userdata|nil iterator
function methods:iter_parts()
  return each(parts_of(self))
end

-- The part of a multipart/related that the others serve: the one that `start`
-- names, else the first (RFC 2387). Its place, and the parts.
local function root(m)
  local list, start = parts_of(m), m:get_param("start")
  for i, part in ipairs(list) do
    if start and part["Content-ID"] == start then return i, list end
  end
  return 1, list
end

-- Calls take(subtype, part) for each part that could be the body, in order.
local function offer(m, take)
  if m:is_attachment() then return end
  local kind, subtype = m:get_content_maintype(), m:get_content_subtype()
  if kind == "text" then return take(subtype, m) end
  if kind ~= "multipart" then return end
  local first, list = root(m)
  if subtype ~= "related" then
    for _, part in ipairs(list) do offer(part, take) end
    return
  end
  if not m:is_multipart() then return end
  take(subtype, m)
  if list[first] then offer(list[first], take) end
end

--- The part that is best shown as the body.
---@param preference string[]|string|nil # best first; {"related", "html", "plain"}
---@return userdata|nil
function methods:get_body(preference)
  if preference == nil then preference = { "related", "html", "plain" } end
  if type(preference) == "string" then preference = { preference } end
  if type(preference) ~= "table" or not misuse.is_array(preference) then
    check.fail("get_body", "preference", "array of strings", preference, 2)
  end
  local ranks, best, body = {}, #preference + 1, nil
  for i, subtype in ipairs(preference) do
    check.string("get_body", "preference", subtype)
    ranks[subtype] = ranks[subtype] or i
  end
  offer(self, function(subtype, part)
    local rank = ranks[subtype]
    if rank and rank < best then best, body = rank, part end
  end)
  return body
end

local body_types = {
  ["text/plain"] = true, ["text/html"] = true, ["multipart/related"] = true, ["multipart/alternative"] = true,
}

--- The parts below that are not the body: of a multipart/related all but its
--- root, else all but the first of each type that a body can have.
---@return fun(): userdata|nil iterator
function methods:iter_attachments()
  local kind, found, seen = self:get_content_type(), {}, {}
  if not kind:match("^multipart/") or kind == "multipart/alternative" then return each(found) end
  local first, list = root(self)
  for i, part in ipairs(list) do
    local own = part:get_content_type()
    local is_body
    if kind == "multipart/related" then
      is_body = i == first
    else
      is_body = body_types[own] and not part:is_attachment() and not seen[own]
      if is_body then seen[own] = true end
    end
    if not is_body then found[#found + 1] = part end
  end
  return each(found)
end
