-- Jobs: what there is to send, checked. Misuse raises and blames the line that
-- called the public function `func`; a bad address is an error table.
local content = require "smtplib.smtp.content"
local email = require "smtplib.email"
local envelope = require "smtplib.smtp.envelope"
local headers = require "smtplib.smtp.headers"
local misuse = require "smtplib.misuse"

local job = {}

---@class smtplib.Job
---@field from string      as given
---@field sender string    addr-spec as it goes on the wire
---@field utf8 boolean     the sender's path needs SMTPUTF8
---@field recipients smtplib.Recipient[]
---@field message any
---@field mail_options table|nil
---@field rcpt_options table|nil
---@field added table|nil  fields added to a Message, once for all transactions

---A job from sendmail's arguments.
---@return smtplib.Job? job
---@return smtplib.Error? err
function job.new(func, from, to, message, mail_options, rcpt_options)
  misuse.check(from, "string", "from", func)
  envelope.check_options(mail_options, "mail_options", func)
  envelope.check_options(rcpt_options, "rcpt_options", func)
  if to == nil then misuse.check(to, "string|table", "to", func) end
  content.check(message, func)
  local sender, utf8 = envelope.path(from, "MAIL")
  if not sender then return nil, utf8 end
  local recipients, err = envelope.recipients(to, func)
  if not recipients then return nil, err end
  return { from = from, sender = sender, utf8 = utf8, recipients = recipients, message = message,
    mail_options = mail_options, rcpt_options = rcpt_options }
end

---A job for a Message whose envelope may be in its header.
---@return smtplib.Job? job
---@return smtplib.Error? err
function job.of_message(func, message, from, to, mail_options, rcpt_options)
  if not email.is_message(message) then
    misuse.argument("message", func, "Message expected, got " .. type(message))
  end
  if from ~= nil then misuse.check(from, "string", "from", func) end
  local err
  if from == nil then
    from, err = headers.sender(message)
    if not from then return nil, err end
  end
  if to == nil then
    to, err = headers.recipients(message)
    if not to then return nil, err end
  end
  local made
  made, err = job.new(func, from, to, message, mail_options, rcpt_options)
  return made, err
end

local entry_names = { from = true, to = true, message = true, mail_options = true, rcpt_options = true }

---A job from one of send_messages' entries: a Message, or a table of arguments.
---@return smtplib.Job? job
---@return smtplib.Error? err
function job.of_entry(func, entry)
  local made, err
  if email.is_message(entry) then
    made, err = job.of_message(func, entry)
    return made, err
  end
  misuse.check(entry, "table", "messages", func)
  for name in pairs(entry) do
    if not entry_names[name] then misuse.raise("unknown option '" .. tostring(name) .. "'") end
  end
  local make = email.is_message(entry.message) and job.of_message or nil
  if make then
    made, err = make(func, entry.message, entry.from, entry.to, entry.mail_options, entry.rcpt_options)
  else
    made, err = job.new(func, entry.from, entry.to, entry.message, entry.mail_options, entry.rcpt_options)
  end
  return made, err
end

return job
