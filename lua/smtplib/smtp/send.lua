-- Sending for the SMTP classes: mail, rcpt and data one by one, sendmail and
-- send_message in one go, send_messages for many.
local batch = require "smtplib.smtp.batch"
local content = require "smtplib.smtp.content"
local email = require "smtplib.email"
local envelope = require "smtplib.smtp.envelope"
local errors = require "smtplib.errors"
local headers = require "smtplib.smtp.headers"
local misuse = require "smtplib.misuse"
local transaction = require "smtplib.smtp.transaction"

local send = {}
local methods = {}

-- MAIL or RCPT by hand: "FROM" or "TO".
local function path_command(self, verb, keyword, address, options)
  local session, err = self:open_session()
  if not session then return nil, err end
  local path, failure = envelope.path(address, verb)
  if not path then return nil, failure end
  local ok
  ok, failure = envelope.check_utf8(self, path.utf8, verb)
  if not ok then return nil, failure end
  local parameters, found = envelope.parameters(self, options, verb)
  if not parameters then return nil, found end
  if verb == "MAIL" and path.utf8 and not found.SMTPUTF8 then parameters = parameters .. " SMTPUTF8" end
  return self:settle(session:command(verb, keyword .. ":<" .. path.spec .. ">" .. parameters))
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
  content.check(message, "data", 1)
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

-- The announced limit of SIZE; 0 and none mean that there is none.
local function size_limit(self)
  local announced = self.esmtp_features.size
  local limit = announced and tonumber(announced:match("^%d+"))
  return limit and limit > 0 and limit or nil
end

local function too_large(self, size, from)
  local limit = size_limit(self)
  if not size or not limit or size <= limit then return nil end
  local err = errors.SMTPSenderRefused(552,
    ("the message has %.0f bytes, the server takes %.0f"):format(size, limit), from, "5.3.4")
  err.command = "MAIL"
  return err
end

-- Parameters that the library adds itself: SIZE first, as in Python.
local function own_parameters(self, opened, found, utf8)
  local before, after, offered = "", "", self.esmtp_features
  if offered.size and opened.size and not found.SIZE then
    before = (" size=%.0f"):format(opened.size)
  end
  if utf8 and not found.SMTPUTF8 then after = " SMTPUTF8" end
  if opened.has_8bit ~= false and not found.BODY and offered["8bitmime"] then
    after = " BODY=8BITMIME" .. after
  end
  return before, after
end

local function mail_arguments(self, sender, opened, options, utf8)
  local given, found = envelope.parameters(self, options, "MAIL")
  if not given then return nil, found end
  if found.SMTPUTF8 then utf8 = true end
  local before, after = own_parameters(self, opened, found, utf8)
  return "FROM:<" .. sender.spec .. ">" .. before .. given .. after
end

local function rcpt_arguments(self, recipients, options)
  local shared, err = envelope.parameters(self, options, "RCPT")
  if not shared then return nil, err end
  local list = {}
  for i, one in ipairs(recipients) do
    local own = ""
    if one.options then
      own, err = envelope.parameters(self, one.options, "RCPT")
      if not own then return nil, err end
    end
    list[i] = "TO:<" .. one.path.spec .. ">" .. shared .. own
  end
  return list
end

local function no_recipients()
  local err = errors.SMTPRecipientsRefused({})
  err.command = "RCPT"
  return err
end

-- One transaction to some of the job's recipients. Everything that can fail is
-- done before MAIL.
local function transact(self, job, sender, recipients)
  local utf8 = envelope.needs_utf8(sender, recipients)
  local opened, err = content.open(job.message, headers.wanted(self, job.message, utf8))
  if not opened then return nil, err end
  utf8 = utf8 or opened.utf8 or false
  local ok
  ok, err = envelope.check_utf8(self, utf8, "MAIL")
  if not ok then return nil, err end
  err = too_large(self, opened.size, job.from)
  if err then return nil, err end
  local mail, rcpts
  mail, err = mail_arguments(self, sender, opened, job.mail_options, utf8)
  if not mail then return nil, err end
  rcpts, err = rcpt_arguments(self, recipients, job.rcpt_options)
  if not rcpts then return nil, err end
  return transaction.send(self.session, mail, rcpts, opened, recipients, job.from, self.lmtp)
end

local too_many = errors.SMTPResponseException(452, "too many recipients for one transaction", "4.5.3")

-- What is left of the recipients after the first transaction, if anything.
local function deliver_rest(self, job, sender, outcome, pending, limit)
  local first = 1
  while first <= #pending do
    local part = batch.take(pending, first, limit)
    first = first + #part
    local more, err
    if content.is_repeatable(job.message) then
      more, err = transact(self, job, sender, part)
    else
      err = too_many
    end
    if not more then
      batch.refuse(outcome.refused, part, err)
    else
      for _, one in ipairs(batch.overflow(part, more.refused)) do pending[#pending + 1] = one end
      for key, reply in pairs(more.refused) do outcome.refused[key] = reply end
    end
    if not self:is_open() then
      batch.refuse(outcome.refused, batch.take(pending, first), err or too_many)
      break
    end
  end
  return outcome
end

local function deliver(self, job)
  local sender, err = envelope.path(job.from, "MAIL")
  if not sender then return nil, err end
  if #job.recipients == 0 then return nil, no_recipients() end
  local ok
  ok, err = self:ehlo_or_helo_if_needed()
  if not ok then return nil, err end
  local limit = batch.limit(self.esmtp_features)
  local part = batch.take(job.recipients, 1, limit)
  local outcome
  outcome, err = transact(self, job, sender, part)
  if not outcome then return nil, err end
  local pending = batch.take(job.recipients, #part + 1)
  if next(outcome.refused) then
    for _, one in ipairs(batch.overflow(part, outcome.refused)) do pending[#pending + 1] = one end
  end
  if #pending == 0 then return outcome end
  return deliver_rest(self, job, sender, outcome, pending, limit)
end

-- A job from arguments, misuse raised; nil, err for a bad address.
local function make_job(func, from, to, message, mail_options, rcpt_options)
  misuse.check(from, "string", "from", func, 1)
  envelope.check_options(mail_options, "mail_options", func, 1)
  envelope.check_options(rcpt_options, "rcpt_options", func, 1)
  if to == nil then misuse.check(to, "string|table", "to", func, 1) end
  content.check(message, func, 2)
  local recipients, err = envelope.recipients(to, func, 2)
  if not recipients then return nil, err end
  return { from = from, recipients = recipients, message = message,
    mail_options = mail_options, rcpt_options = rcpt_options }
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
  local job, err = make_job("sendmail", from, to, message, mail_options, rcpt_options)
  if not job then return nil, err end
  local session
  session, err = self:open_session()
  if not session then return nil, err end
  local outcome
  outcome, err = deliver(self, job)
  if not outcome then return self:settle(nil, err) end
  return self:settle(outcome.refused)
end

-- A job for a Message whose envelope may be in its header.
local function make_message_job(func, message, from, to, mail_options, rcpt_options)
  if not email.is_message(message) then
    misuse.argument("message", func, "Message expected, got " .. type(message), 1)
  end
  if from ~= nil then misuse.check(from, "string", "from", func, 1) end
  local err
  if from == nil then
    from, err = headers.sender(message)
    if not from then return nil, err end
  end
  if to == nil then
    to, err = headers.recipients(message)
    if not to then return nil, err end
  end
  local job
  job, err = make_job(func, from, to, message, mail_options, rcpt_options)
  if not job then return nil, err end
  return job
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
  local job, err = make_message_job("send_message", message, from, to, mail_options, rcpt_options)
  if not job then return nil, err end
  local session
  session, err = self:open_session()
  if not session then return nil, err end
  local outcome
  outcome, err = deliver(self, job)
  if not outcome then return self:settle(nil, err) end
  return self:settle(outcome.refused)
end

local function job_of(entry)
  if email.is_message(entry) then return make_message_job("send_messages", entry) end
  misuse.check(entry, "table", "messages", "send_messages", 1)
  local message = entry.message
  if email.is_message(message) then
    return make_message_job("send_messages", message, entry.from, entry.to, entry.mail_options, entry.rcpt_options)
  end
  return make_job("send_messages", entry.from, entry.to, message, entry.mail_options, entry.rcpt_options)
end

-- One message of many: on a connection that was lost, on a new one.
local function send_one(self, entry)
  local job, err = job_of(entry)
  if not job then return { err = err } end
  if not self:is_open() then
    local ok
    ok, err = self:reconnect()
    if not ok then return { err = err } end
  end
  local outcome
  outcome, err = deliver(self, job)
  self:settle()
  if not outcome then return { err = err } end
  return { refused = outcome.refused, reply = outcome.reply }
end

-- The connection went away under a message that was surely not taken: it gets
-- a second try on a new connection.
local function was_lost(result)
  local err = result.err
  return err ~= nil and err.delivery == "none" and err:is(errors.SMTPServerDisconnected)
end

local function iterate(messages)
  if type(messages) == "function" then return messages end
  local i = 0
  return function()
    i = i + 1
    return messages[i]
  end
end

local many_options = { on_result = "function", overlap = "boolean|string" }

local function check_many(messages, opts)
  misuse.check(messages, "table|function", "messages", "send_messages", 1)
  if opts == nil then return {} end
  misuse.check(opts, "table", "opts", "send_messages", 1)
  for name, value in pairs(opts) do
    if not many_options[name] then misuse.raise("unknown option '" .. tostring(name) .. "'", 1) end
    misuse.check(value, many_options[name], name, "send_messages", 1)
  end
  return opts
end

---Send many messages. results[i] is {refused=, reply={code, message}} or {err=};
---with opts.on_result(i, result) nothing is kept and the call returns how many
---were sent and how many failed.
---@param messages table|function array or iterator of Messages or {from=, to=, message=, …}
---@param opts? {on_result: fun(i: integer, result: table)?, overlap: boolean|"auto"|nil}
---@return table[]|integer|nil results_or_sent
---@return integer|smtplib.Error|nil failed_or_err
function methods:send_messages(messages, opts)
  opts = check_many(messages, opts)
  local session, err = self:open_session()
  if not session then return nil, err end
  local results, sent, failed, i = {}, 0, 0, 0
  for entry in iterate(messages) do
    i = i + 1
    local result = send_one(self, entry)
    if was_lost(result) then result = send_one(self, entry) end
    if result.err then failed = failed + 1 else sent = sent + 1 end
    if opts.on_result then opts.on_result(i, result) else results[i] = result end
  end
  if opts.on_result then return sent, failed end
  return results
end

function send.extend(class)
  for name, method in pairs(methods) do class[name] = method end
end

return send
