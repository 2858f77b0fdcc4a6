-- Sending for the SMTP classes: mail, rcpt and data one by one, sendmail and
-- send_message in one go. Many messages: smtplib.smtp.many.
local content = require "smtplib.smtp.content"
local deliver = require "smtplib.smtp.deliver"
local envelope = require "smtplib.smtp.envelope"
local headers = require "smtplib.smtp.headers"
local jobs = require "smtplib.smtp.job"
local misuse = require "smtplib.misuse"
local transaction = require "smtplib.smtp.transaction"

local send = {}
local methods = {}

-- MAIL or RCPT by hand: "FROM" or "TO".
local function path_command(self, verb, keyword, address, options)
  local session, err = self:open_session()
  if not session then return nil, err end
  local spec, utf8 = envelope.path(address, verb)
  if not spec then return nil, utf8 end
  if spec == "" and verb == "RCPT" then return nil, envelope.nobody(address) end
  local ok, failure = envelope.check_utf8(self, utf8, verb)
  if not ok then return nil, failure end
  local parameters, found = envelope.parameters(self, options, verb)
  if not parameters then return nil, found end
  if verb == "MAIL" and utf8 and not found.SMTPUTF8 then parameters = parameters .. " SMTPUTF8" end
  return self:settle(session:command(verb, keyword .. ":<" .. spec .. ">" .. parameters))
end

---MAIL FROM (RFC 5321 section 4.1.1.2).
---@param sender string "" or "<>" for the null reverse-path
---@param options? table array of strings and named values
function methods:mail(sender, options)
  misuse.check(sender, "string", "sender", "mail")
  envelope.check_options(options, "options", "mail")
  return path_command(self, "MAIL", "FROM", sender, options)
end

---RCPT TO (RFC 5321 section 4.1.1.3).
---@param recipient string
---@param options? table
function methods:rcpt(recipient, options)
  misuse.check(recipient, "string", "recipient", "rcpt")
  envelope.check_options(options, "options", "rcpt")
  return path_command(self, "RCPT", "TO", recipient, options)
end

---DATA and the message; the final reply, whatever it is. LMTP: a list of
---{code, message, enhanced_code}, one per accepted recipient.
---@param message string|userdata|function|table
function methods:data(message)
  content.check(message, "data")
  local session, err = self:open_session()
  if not session then return nil, err end
  local opened, failure = content.open(message, headers.wanted(self, message))
  if not opened then return nil, failure end
  local replies
  replies, failure = transaction.data(session, opened)
  if not replies then return self:settle(nil, failure) end
  if self.lmtp then return self:settle(replies) end
  return self:settle(replies[1][1], replies[1][2], replies[1][3])
end

local function send_job(self, job)
  local session, err = self:open_session()
  if not session then return nil, err end
  local outcome
  outcome, err = deliver.send(self, job)
  if not outcome then return self:settle(nil, err) end
  return self:settle(outcome.refused)
end

---Send a message to one or more recipients. The result is the table of those
---that were refused, {[address] = {code, message, enhanced_code}}: {} when all
---were accepted.
---@param from string            "" or "<>" for the null reverse-path
---@param to string|table        an address, or an array of addresses or {addr=, NOTIFY=, ORCPT=}
---@param message string|userdata|function|table
---@param mail_options? table
---@param rcpt_options? table
---@return table<string, table>? refused
---@return smtplib.Error? err
function methods:sendmail(from, to, message, mail_options, rcpt_options)
  local job, err = jobs.new("sendmail", from, to, message, mail_options, rcpt_options)
  if not job then return nil, err end
  return send_job(self, job)
end

---Send a Message; sender and recipients default to its header fields. Bcc is
---never transmitted, the caller's message is not changed.
---@param message userdata
---@param from? string
---@param to? string|table
---@param mail_options? table
---@param rcpt_options? table
---@return table<string, table>? refused
---@return smtplib.Error? err
function methods:send_message(message, from, to, mail_options, rcpt_options)
  local job, err = jobs.of_message("send_message", message, from, to, mail_options, rcpt_options)
  if not job then return nil, err end
  return send_job(self, job)
end

function send.extend(class)
  for name, method in pairs(methods) do class[name] = method end
end

return send
