-- Envelopes: addresses into paths (RFC 5321 section 4.1.2), options into ESMTP
-- parameters. Everything that can be wrong is found here, before anything is
-- sent. The same strict parser serves headers and envelopes.
local core = require "smtplib.core"
local errors = require "smtplib.errors"
local misuse = require "smtplib.misuse"

local envelope = {}

local function not_supported(message, command)
  local err = errors.SMTPNotSupportedError(message)
  err.command = command
  return err
end

---An address as a path; a domain in other scripts becomes its A-label form.
---@param address string
---@param command string for errors
---@return string? addr_spec as it goes on the wire, "" for the null path
---@return boolean|smtplib.Error utf8 only SMTPUTF8 can carry it
function envelope.path(address, command)
  local spec, kind, ascii = core.parse_path(address)
  if not spec then return nil, errors.from_core(kind, ascii, { command = command }) end
  if kind == "ascii" then return spec, false end
  if kind == "idna" and ascii then return ascii, false end
  return spec, true
end

local function value_of(value)
  if value == true then return nil end
  if type(value) == "number" and value % 1 == 0 then return ("%.0f"):format(value) end
  return tostring(value)
end

local function check_extension(server, keyword, value, extension, command)
  if extension and not server:has_extn(extension) then
    return not_supported(keyword .. " is not supported by the server (no " .. extension .. ")", command)
  end
  if keyword == "BODY" and type(value) == "string" and value:upper() == "BINARYMIME" then
    return not_supported("BODY=BINARYMIME cannot be used with DATA", command)
  end
  if keyword == "REQUIRETLS" and not server.session.tls then
    return not_supported("REQUIRETLS needs a connection with TLS", command)
  end
  return nil
end

local function typed(server, keyword, value, command)
  if type(keyword) ~= "string" or (type(value) ~= "string" and type(value) ~= "number" and value ~= true) then
    return nil, errors.from_core("parameter", "not a valid ESMTP parameter: " .. tostring(keyword),
      { command = command })
  end
  local text, extension, sentence = core.parameter(keyword, value_of(value))
  if text and not extension then extension = keyword:upper() end
  if not text then
    return nil, errors.from_core(extension, ("%s: %s"):format(sentence, keyword), { command = command })
  end
  local err = check_extension(server, keyword:upper(), value, extension, command)
  if err then return nil, err end
  return text
end

local function sorted_names(given)
  local names = {}
  for name, value in pairs(given) do
    if type(name) ~= "number" and value ~= false then names[#names + 1] = name end
  end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  return names
end

-- The keyword of "SIZE=10" or "smtputf8", in upper case.
local function keyword_of(text)
  return text:match("^[^=%s]*"):upper()
end

-- Strings go as they are, but not to a server that knows HELO alone.
local function add_strings(server, given, found, parts, command)
  if not server.does_esmtp then return true end
  for _, text in ipairs(given) do
    local keyword = keyword_of(text)
    if keyword == "SMTPUTF8" and not server:has_extn("smtputf8") then
      return nil, not_supported("SMTPUTF8 is not supported by the server", command)
    end
    found[keyword] = true
    parts[#parts + 1] = " " .. text
  end
  return true
end

local nothing = {} -- no keywords; never written to

---Options of MAIL or RCPT as one text, " SIZE=10 BODY=8BITMIME".
---@param server table
---@param given table|nil array of strings, and named values
---@param command string
---@return string|nil text
---@return table|smtplib.Error found set of the keywords, upper case
function envelope.parameters(server, given, command)
  if not given then return "", nothing end
  local found, parts = {}, {}
  local ok, err = add_strings(server, given, found, parts, command)
  if not ok then return nil, err end
  for _, name in ipairs(sorted_names(given)) do
    local text, failure = typed(server, name, given[name], command)
    if not text then return nil, failure end
    found[name:upper()] = true
    parts[#parts + 1] = text
  end
  return table.concat(parts), found
end

---Options as a caller gives them: nil, a table; anything else is misuse.
function envelope.check_options(given, argument, func)
  if given == nil then return end
  misuse.check(given, "table", argument, func)
  if not misuse.is_array(given, true) then misuse.argument(argument, func, "an array without holes expected") end
  for _, text in ipairs(given) do
    misuse.check(text, "string", argument, func)
  end
end

---@param server table
---@param utf8 boolean an address needs it
---@param command string
function envelope.check_utf8(server, utf8, command)
  if not utf8 or server.esmtp_features.smtputf8 then return true end
  return nil, not_supported("a non-ASCII address needs SMTPUTF8, which the server does not offer", command)
end

---The null path is no recipient.
---@return smtplib.Error
function envelope.nobody(address)
  return errors.from_core("address", "not a valid address: '" .. address .. "' names nobody", { command = "RCPT" })
end

local recipient_fields = { addr = true }

-- What is in a recipient's table besides the address: its RCPT options.
local function options_of(entry)
  local given = {}
  for name, value in pairs(entry) do
    if not recipient_fields[name] then given[name] = value end
  end
  return given
end

---@class smtplib.Recipient
---@field key string    the address as given: refusals are told under it
---@field spec string   addr-spec as it goes on the wire
---@field utf8 boolean  only SMTPUTF8 can carry it
---@field options table|nil

local function recipient(entry, func)
  local address, given = entry, nil
  if type(entry) == "table" then address, given = entry.addr, options_of(entry) end
  misuse.check(address, "string", "to", func)
  local spec, utf8 = envelope.path(address, "RCPT")
  if not spec then return nil, utf8 end
  if spec == "" then return nil, envelope.nobody(address) end
  return { key = address, spec = spec, utf8 = utf8, options = given }
end

-- Two spellings of one path are one recipient: domains have no case.
local function identity(spec)
  local at = spec:match("^.*()@")
  if not at then return spec end
  return spec:sub(1, at) .. spec:sub(at + 1):lower()
end

---Raise unless it is an array without holes, and nothing else in it.
function envelope.check_array(list, argument, func)
  if not misuse.is_array(list) then misuse.argument(argument, func, "an array without holes expected") end
end

local function unique(list)
  local kept, seen = {}, {}
  for _, one in ipairs(list) do
    local id = identity(one.spec)
    if not seen[id] then
      seen[id] = true
      kept[#kept + 1] = one
    end
  end
  return kept
end

---Recipients as sendmail takes them: one, or an array; each sent once.
---@param to string|table
---@return smtplib.Recipient[]? recipients
---@return smtplib.Error? err
function envelope.recipients(to, func)
  if type(to) == "string" or (type(to) == "table" and to.addr ~= nil) then to = { to } end
  misuse.check(to, "table", "to", func)
  envelope.check_array(to, "to", func)
  local list = {}
  for i, entry in ipairs(to) do
    local one, err = recipient(entry, func)
    if not one then return nil, err end
    list[i] = one
  end
  return #list > 1 and unique(list) or list
end

---True if any recipient's path needs SMTPUTF8.
function envelope.needs_utf8(recipients)
  for i = 1, #recipients do
    if recipients[i].utf8 then return true end
  end
  return false
end

return envelope
