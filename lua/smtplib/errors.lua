-- Error tables: the classes of API section 5 and the one place that makes an
-- error of what the C core reports. An error tells at which command it came,
-- whether a later try may succeed, and whether the server may have taken the
-- message.
local errors = {}

---@class smtplib.Error
---@field name string       class name, "SMTPDataError"
---@field message string    a sentence, or "554 5.7.1 text"
---@field temporary boolean a later try may succeed
---@field delivery "none"|"unknown" "none": the server surely has not taken it
---@field command string?   the verb it happened at, "connect", "greeting"
local Base = {}

local classes = {} -- name -> class
local class_of = {} -- metatable of instances -> class

local function is_subclass(class, other)
  while class do
    if class == other then return true end
    class = class.parent
  end
  return false
end

---True if the error is of this class or of one derived from it.
---@param class table|string class or its name
---@return boolean
function Base:is(class)
  if type(class) == "string" then class = classes[class] end
  return class ~= nil and is_subclass(class_of[getmetatable(self)], class)
end

local function to_string(err)
  local text = err.name
  if err.message and err.message ~= "" then text = text .. ": " .. err.message end
  if err.command then text = text .. " (" .. err.command .. ")" end
  return text
end

local function new_instance(class, fields)
  fields.name = class.name
  if fields.temporary == nil then fields.temporary = false end
  if fields.delivery == nil then fields.delivery = "none" end
  return setmetatable(fields, class.instance)
end

-- A class is a callable table; `build(...)` makes the fields of an instance
-- from Python's positional arguments.
local function define(name, parent, build)
  local class = { name = name, parent = parent, build = build }
  local methods = setmetatable({}, { __index = parent and parent.methods or Base })
  class.methods = methods
  class.instance = { __index = methods, __tostring = to_string, __name = "smtplib." .. name }
  class_of[class.instance] = class
  classes[name] = class
  errors[name] = class
  return setmetatable(class, {
    __call = function(self, ...) return new_instance(self, self.build(...)) end,
    __tostring = function() return "smtplib." .. name end,
    __name = "smtplib.error_class",
  })
end

local function with_message(message)
  return { message = message ~= nil and tostring(message) or "" }
end

-- "554 5.7.1 Spam": the reply on one line.
local function describe(code, text, enhanced)
  local parts = {}
  if code then parts[#parts + 1] = ("%d"):format(code) end
  if enhanced then parts[#parts + 1] = enhanced end
  if text and text ~= "" then parts[#parts + 1] = (tostring(text):gsub("\n", " / ")) end
  return table.concat(parts, " ")
end

local function of_reply(code, text, enhanced)
  code = tonumber(code) or -1
  local message = describe(code >= 0 and code or nil, text, enhanced)
  enhanced = enhanced or tostring(text):match("^[245]%.%d%d?%d?%.%d%d?%d?%f[^%w.]")
  return {
    smtp_code = code,
    smtp_error = text ~= nil and tostring(text) or "",
    enhanced_code = enhanced,
    message = message,
    temporary = code >= 400 and code < 500,
  }
end

local function of_recipients(recipients)
  recipients = recipients or {}
  local temporary, lines = next(recipients) ~= nil, {}
  for address, reply in pairs(recipients) do
    local code = type(reply) == "table" and tonumber(reply[1]) or 0
    if code < 400 or code > 499 then temporary = false end
    lines[#lines + 1] = address .. ": " .. describe(code, reply[2], reply[3])
  end
  table.sort(lines)
  local message = table.concat(lines, "; ")
  if message == "" then message = "no recipients" end
  return { recipients = recipients, message = message, temporary = temporary }
end

local base = define("SMTPException", nil, with_message)
local response = define("SMTPResponseException", base, of_reply)
define("SMTPSocketError", base, function(code, message)
  local fields = with_message(message ~= nil and message or code)
  fields.code, fields.temporary = code, code ~= "phase"
  return fields
end)
define("SMTPTLSError", base, with_message)
define("SMTPNotSupportedError", base, with_message)
define("SMTPServerDisconnected", base, function(message)
  local fields = with_message(message)
  fields.temporary = true
  return fields
end)
define("SMTPRecipientsRefused", base, of_recipients)
define("SMTPSenderRefused", response, function(code, text, sender, enhanced)
  local fields = of_reply(code, text, enhanced)
  fields.sender = sender
  return fields
end)
define("SMTPDataError", response, of_reply)
define("SMTPConnectError", response, of_reply)
define("SMTPHeloError", response, of_reply)
define("SMTPAuthenticationError", response, of_reply)

---True for an error table (of this class or one derived from it).
---@param value any
---@param class? table|string
---@return boolean
function errors.is_error(value, class)
  if type(value) ~= "table" then return false end
  if not class_of[getmetatable(value)] then return false end
  return class == nil or value:is(class)
end

---An error table of whatever a user's function gave up with: itself if it is one;
---else it is the `cause`, and in the text where it can be read.
---@param cause any
---@param what string "the content's source failed"
---@return smtplib.Error
function errors.of_cause(cause, what)
  if errors.is_error(cause) then return cause end
  local kind = type(cause)
  local meta = kind == "table" and getmetatable(cause)
  local is_readable = kind == "string" or kind == "number" or type(meta) == "table" and meta.__tostring
  local err = base(is_readable and what .. ": " .. tostring(cause) or what)
  err.cause = cause
  return err
end

---Like Lua's assert, and raises an error table as it is in every Lua.
function errors.assert(value, err, ...)
  if value then return value, err, ... end
  error(err == nil and "assertion failed!" or err, 0)
end

-- What the core's names of failures are as classes. All others are names of
-- the operating system ("ECONNREFUSED"), of a socket's doing.
local core_classes = {
  nomem = "SMTPException", argument = "SMTPException", too_long = "SMTPException", address = "SMTPException",
  utf8 = "SMTPException", parameter = "SMTPException", encoding = "SMTPException", charset = "SMTPException",
  header = "SMTPException", state = "SMTPException", source = "SMTPException",
  smime = "SMTPException",
  closed = "SMTPServerDisconnected", unsolicited = "SMTPServerDisconnected", broken = "SMTPServerDisconnected",
  reply_malformed = "SMTPResponseException", reply_too_long = "SMTPResponseException",
  injected = "SMTPTLSError", tls_setup = "SMTPTLSError", tls_handshake = "SMTPTLSError",
  tls_verify = "SMTPTLSError", tls_protocol = "SMTPTLSError", tls_truncated = "SMTPTLSError",
  challenges = "SMTPAuthenticationError", challenge = "SMTPAuthenticationError",
  forged = "SMTPAuthenticationError", mechanism = "SMTPNotSupportedError",
}

-- What was wrong with a reply of which the core shows the line.
local reply_faults = { reply_malformed = "malformed reply: ", reply_too_long = "reply too long: " }

---An error table from a failure of the core.
---@param name string      "timeout", "address", "ECONNREFUSED", …
---@param sentence string? what happened, for people
---@param fields? table    further fields: command, delivery, …
---@return smtplib.Error
function errors.from_core(name, sentence, fields)
  local class = classes[core_classes[name] or "SMTPSocketError"]
  local err
  if is_subclass(class, response) then
    err = class(name == "reply_too_long" and 500 or -1, sentence)
    err.message = (reply_faults[name] or "") .. (sentence or name)
  elseif class == classes.SMTPSocketError then
    err = class(name, sentence)
  else
    err = class(sentence)
  end
  if class == classes.SMTPTLSError then err.reason = sentence end
  for key, value in pairs(fields or {}) do err[key] = value end
  return err
end

return errors
