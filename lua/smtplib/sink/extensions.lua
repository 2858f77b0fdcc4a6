-- Which extensions a sink session offers, with their parameters, and which
-- parameters of MAIL and RCPT each of them allows.

local auth = require "smtplib.sink.auth"

local extensions = {}

local ORDER = {
  "PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN", "CHUNKING",
  "STARTTLS", "AUTH", "LIMITS", "REQUIRETLS",
}
local USUAL = {
  PIPELINING = true, SIZE = 0, ["8BITMIME"] = true, SMTPUTF8 = true,
  ENHANCEDSTATUSCODES = true, DSN = true, CHUNKING = true,
}

-- parameter → extension that allows it
local MAIL_PARAMETERS = {
  SIZE = "SIZE", BODY = "8BITMIME", SMTPUTF8 = "SMTPUTF8", AUTH = "AUTH", RET = "DSN",
  ENVID = "DSN", REQUIRETLS = "REQUIRETLS",
}
local RCPT_PARAMETERS = { NOTIFY = "DSN", ORCPT = "DSN" }

-- The parameters of a keyword: a string, maybe empty; nil when not offered.
local function value_of(self, keyword)
  local own = self.options.extensions or {}
  local value = own[keyword]
  if value == false then return nil end
  if keyword == "STARTTLS" and value == nil then
    value = self.options.starttls and not self.tls
  elseif keyword == "AUTH" and value == nil then
    value = self.options.auth and table.concat(auth.offered(self), " ")
  elseif value == nil then
    value = USUAL[keyword]
  end
  if type(value) == "function" then value = value(self) end
  if not value then return nil end
  return value == true and "" or tostring(value)
end

---Whether the session, as it is now, offers an extension.
function extensions.offers(self, keyword)
  if self.options.esmtp == false then return false end
  return value_of(self, keyword) ~= nil
end

---@return string|nil parameters, "" when there are none
function extensions.value(self, keyword)
  if self.options.esmtp == false then return nil end
  return value_of(self, keyword)
end

---The lines behind the first of a reply to EHLO, without codes.
---@return string[]
function extensions.lines(self)
  local names, known = {}, {}
  for _, keyword in ipairs(ORDER) do
    names[#names + 1], known[keyword] = keyword, true
  end
  local others = {}
  for keyword in pairs(self.options.extensions or {}) do
    if not known[keyword] then others[#others + 1] = keyword end
  end
  table.sort(others)
  for _, keyword in ipairs(others) do names[#names + 1] = keyword end

  local lines = {}
  for _, keyword in ipairs(names) do
    local value = value_of(self, keyword)
    if value then lines[#lines + 1] = value == "" and keyword or keyword .. " " .. value end
  end
  return lines
end

---A limit of RFC 9422 from the LIMITS keyword.
function extensions.limit(self, name)
  local value = extensions.value(self, "LIMITS")
  return value and tonumber((" " .. value):match(" " .. name .. "=(%d+)"))
end

---@param verb "MAIL"|"RCPT"
---@return string|nil name of a parameter that no offered extension allows
function extensions.unknown_parameter(self, verb, parameters)
  local allowed = verb == "MAIL" and MAIL_PARAMETERS or RCPT_PARAMETERS
  for name in pairs(parameters) do
    local keyword = allowed[name]
    if not keyword or not self.extended or not extensions.offers(self, keyword) then return name end
  end
  return nil
end

---A usual reply as this session would say it: enhanced status codes (RFC 2034)
---only where they were offered.
function extensions.plain(self, reply)
  if type(reply) ~= "string" then return reply end
  if self.extended and extensions.offers(self, "ENHANCEDSTATUSCODES") then return reply end
  return (reply:gsub("^(%d%d%d[ -])%d%.%d+%.%d+ ", "%1"))
end

return extensions
