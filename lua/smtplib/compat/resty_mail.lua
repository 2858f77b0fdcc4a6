-- lua-resty-mail's interface on a Mailer: its programs run with only the `require`
-- changed, in nginx and outside. What differs is what was unsafe: certificates are
-- verified unless ssl_verify = false, a password does not go out in clear, a line
-- break in a header field or an address is an error, Bcc is not transmitted.
-- Connections are kept for the next message.
local core = require "smtplib.core"
local email = require "smtplib.email"
local errors = require "smtplib.errors"
local misuse = require "smtplib.misuse"
local reply = require "smtplib.compat.reply"
local Mailer = require("smtplib.mailer").Mailer

---@class smtplib.compat.resty_mail
---@field options table # as given, with the defaults
local M = { _VERSION = "1.2.0" }
local metatable = { __index = M, __name = "smtplib.compat.resty_mail" }

function metatable:__tostring()
  return ("%s (%s:%s)"):format(metatable.__name, self.options.host, self.options.port)
end

local function check_login(options)
  if not (options.username or options.password or options.auth_type) then return true end
  if not options.username then return nil, "authentication requested, but missing username" end
  if not options.password then return nil, "authentication requested, but missing password" end
  local kind = options.auth_type
  if kind and kind ~= "plain" and kind ~= "login" then return nil, "invalid auth_type: " .. tostring(kind) end
  return true
end

-- Without an auth_type, the strongest mechanism that the server knows, too.
local function login_of(options)
  if not options.username then return nil end
  return { mechanism = options.auth_type and options.auth_type:upper(), user = options.username,
    password = options.password }
end

local function tls_of(options)
  if options.ssl then return "implicit" end
  return options.starttls and "starttls" or "opportunistic"
end

local function seconds(milliseconds)
  return milliseconds and milliseconds / 1000
end

local function mailer_of(options)
  return Mailer {
    host = options.host, port = options.port, local_hostname = options.domain,
    auth = login_of(options), allow_insecure_auth = options.allow_insecure_auth,
    tls = tls_of(options), tls_options = { verify = options.ssl_verify ~= false, server_hostname = options.ssl_host },
    timeout = { connect = seconds(options.timeout_connect), send = seconds(options.timeout_send),
      read = seconds(options.timeout_read) },
  }
end

---A mailer; nothing is connected yet.
---@param options? table # host, port, starttls, ssl, username, password, auth_type, domain, ssl_verify, ssl_host,
--- timeout_connect, timeout_send, timeout_read (milliseconds); and allow_insecure_auth as of smtplib.SMTP
---@return smtplib.compat.resty_mail? mailer
---@return string? err
function M.new(options)
  if options ~= nil then misuse.check(options, "table", "options", "new") end
  local given = { host = "localhost", port = 25, domain = "localhost.localdomain" }
  for name, value in pairs(options or {}) do given[name] = value end
  local ok, err = check_login(given)
  if not ok then return nil, err end
  return setmetatable({ options = given, mailer = mailer_of(given) }, metatable)
end

-- Fields of `data` that are header fields, and those that the message writes itself.
local fields = { from = "from", reply_to = "reply-to", to = "to", cc = "cc", bcc = "bcc", subject = "subject" }
local own_fields = { ["content-type"] = true, ["content-transfer-encoding"] = true, ["mime-version"] = true }

local function headers_of(data)
  local taken, list = {}, {}
  for option, name in pairs(fields) do taken[name] = data[option] ~= nil end
  for name, value in pairs(data.headers or {}) do
    local key = tostring(name):lower()
    if not taken[key] and not own_fields[key] then list[name] = value end
  end
  return list
end

-- Bytes arrive as they are, also those of text, and under the type that was given.
local function attachment(entry, i, domain)
  for _, name in ipairs { "filename", "content_type", "content" } do
    if type(entry) ~= "table" or type(entry[name]) ~= "string" then
      return nil, errors.SMTPException(("attachment %d: %s: string expected"):format(i, name))
    end
  end
  return {
    content = entry.content, filename = entry.filename, type = "application/octet-stream",
    headers = { { "Content-Type", entry.content_type } }, disposition = entry.disposition or "attachment",
    cid = entry.content_id or email.utils.make_msgid(nil, domain),
  }
end

local function attachments_of(self, data)
  local list = {}
  for i, entry in ipairs(data.attachments or {}) do
    local made, err = attachment(entry, i, self.options.domain)
    if not made then return nil, err end
    list[i] = made
  end
  return list
end

local function as_list(value)
  return type(value) == "table" and value or { value }
end

-- One mailbox an entry: a comma in what a visitor typed adds nobody.
local function recipients_of(data)
  local list = {}
  for _, field in ipairs { "to", "cc", "bcc" } do
    for _, address in ipairs(as_list(data[field])) do
      misuse.check(address, "string", field, "send")
      local spec, name, sentence = core.parse_path(address)
      if not spec then return nil, errors.from_core(name, sentence, { command = "RCPT" }) end
      list[#list + 1] = address
    end
  end
  return list
end

local function message_of(self, data)
  local attachments, err = attachments_of(self, data)
  if not attachments then return nil, err end
  local message
  message, err = email.Message {
    from = data.from, reply_to = data.reply_to, to = data.to, cc = data.cc, subject = data.subject,
    text = data.text, html = data.html, headers = headers_of(data), attachments = attachments,
  }
  return message, err
end

local function sentence_of(err)
  local lines = reply.of(err)
  if lines then return "SMTP response was not successful: " .. lines end
  if err.command == "connect" and err:is(errors.SMTPSocketError) then
    return "connect failure: " .. reply.of_socket(err)
  end
  if err:is(errors.SMTPTLSError) then return "sslhandshake error: " .. err.message end
  if err:is(errors.SMTPSocketError) or err:is(errors.SMTPServerDisconnected) then return reply.of_socket(err) end
  return err.message
end

---Send a message: to all of its recipients, or to none.
---@param data table # from, reply_to, to, cc, bcc, subject, text, html, headers, attachments
---@return boolean ok
---@return string? err
---@return smtplib.Error? details
function M.send(self, data)
  misuse.check(data, "table", "data", "send")
  local to, err = recipients_of(data)
  local message, result
  if to then message, err = message_of(self, data) end
  if message then result, err = self.mailer:send(message, { from = data.from, to = to, all_or_none = true }) end
  if not result then return false, sentence_of(err), err end
  return true
end

return M
