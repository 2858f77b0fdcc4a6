-- smtplib: send mail. Python's smtplib and the part of email that composes, for
-- Lua 5.1 to 5.4, LuaJIT and OpenResty. See README.md for a tour.
local core = require "smtplib.core"
local errors = require "smtplib.errors"
local misuse = require "smtplib.misuse"
local re = require "smtplib.re"
local smtp = require "smtplib.smtp"

local smtplib = {
  _VERSION = "smtplib 0.1.0",
  CRLF = "\r\n",
  SMTP_PORT = 25,
  SMTP_SSL_PORT = 465,
  LMTP_PORT = 2003,
  SMTP = smtp.SMTP,
  SMTP_SSL = smtp.SMTP_SSL,
  LMTP = smtp.LMTP,
  OLDSTYLE_AUTH = re.compile("auth=(.*)", re.I),
  SSLFakeFile = require "smtplib.sslfakefile",
  base64 = require "smtplib.base64",
  email = require "smtplib.email",
  hmac = require "smtplib.hmac",
  quopri = require "smtplib.quopri",
  re = re,
  socket = require "smtplib.socket",
  ssl = require "smtplib.ssl",
  transport = require "smtplib.transport",
  stderr = io.stderr,
  assert = errors.assert,
  is_error = errors.is_error,
}

for _, name in ipairs {
  "SMTPException", "SMTPSocketError", "SMTPTLSError", "SMTPNotSupportedError", "SMTPServerDisconnected",
  "SMTPRecipientsRefused", "SMTPResponseException", "SMTPSenderRefused", "SMTPDataError", "SMTPConnectError",
  "SMTPHeloError", "SMTPAuthenticationError",
} do
  smtplib[name] = errors[name]
end

---"<addr-spec>" of a bare address or of "Name <addr>"; "" and "<>" give "<>".
---@param addr string
---@return string? quoted
---@return smtplib.Error? err
function smtplib.quoteaddr(addr)
  misuse.check(addr, "string", "addr", "quoteaddr")
  local quoted, name, sentence = core.quote_path(addr)
  if not quoted then return nil, errors.from_core(name, sentence) end
  return quoted
end

---Data with every line end made CRLF and every line-leading dot doubled.
---@param data string
---@return string
function smtplib.quotedata(data)
  misuse.check(data, "string", "data", "quotedata")
  return core.quotedata(data)
end

---MIME base64 in lines.
---@param bytes string
---@param maxlinelen? integer default 76
---@param eol? string default "\n"; "" gives one line without a break
---@return string
function smtplib.encode_base64(bytes, maxlinelen, eol)
  return smtplib.base64.encodebytes(bytes, maxlinelen, eol)
end

-- Loaded when first asked for.
local later = { sink = "smtplib.sink", mailer = "smtplib.mailer" }

return setmetatable(smtplib, {
  __index = function(_, name)
    if name == "Mailer" then return require("smtplib.mailer").Mailer end
    return later[name] and require(later[name]) or nil
  end,
})
