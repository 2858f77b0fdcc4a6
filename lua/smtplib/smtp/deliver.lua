-- From a job (an envelope and a message, see smtplib.smtp.job) to transactions:
-- the arguments of MAIL and RCPT by what the server offers, what the library
-- adds itself (SIZE, BODY, SMTPUTF8), what it refuses by itself.
local batch = require "smtplib.smtp.batch"
local content = require "smtplib.smtp.content"
local envelope = require "smtplib.smtp.envelope"
local errors = require "smtplib.errors"
local headers = require "smtplib.smtp.headers"
local transaction = require "smtplib.smtp.transaction"

local deliver = {}

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
    before = (" size=%d"):format(opened.size)
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
  return "FROM:<" .. sender .. ">" .. before .. given .. after
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
    list[i] = "TO:<" .. one.spec .. ">" .. shared .. own
  end
  return list
end

-- A transaction to some of the job's recipients, ready to be queued. Everything
-- that can fail is done here, before MAIL.
local function prepare(self, job, recipients)
  local utf8 = job.utf8 or envelope.needs_utf8(recipients)
  local opened, err = content.open(job.message, headers.wanted(self, job.message, utf8, job))
  if not opened then return nil, err end
  utf8 = utf8 or opened.utf8 or false
  local ok
  ok, err = envelope.check_utf8(self, utf8, "MAIL")
  if not ok then return nil, err end
  err = too_large(self, opened.size, job.from)
  if err then return nil, err end
  local mail, rcpts
  mail, err = mail_arguments(self, job.sender, opened, job.mail_options, utf8)
  if not mail then return nil, err end
  rcpts, err = rcpt_arguments(self, recipients, job.rcpt_options)
  if not rcpts then return nil, err end
  local t = transaction.new(mail, rcpts, opened, recipients, job.from, self.lmtp)
  t.all_or_none = job.all_or_none
  return t
end

-- True when this connection has had as many transactions as the server takes on
-- one (MAILMAX, RFC 9422).
local function is_exhausted(self)
  local limit = batch.mail_limit(self.esmtp_features)
  return limit ~= nil and (self.session.mails or 0) >= limit
end

-- A connection that takes one more transaction, greeted.
local function make_ready(self)
  local ok, err = self:ehlo_or_helo_if_needed()
  if not ok then return nil, err end
  if not is_exhausted(self) then return true end
  local again = self.again
  self:quit()
  self.again = again
  ok, err = self:reconnect()
  if not ok then return nil, err end
  ok, err = self:ehlo_or_helo_if_needed()
  return ok, err
end

local function transact(self, job, recipients)
  local ok, failure = make_ready(self)
  if not ok then return nil, failure end
  local t, err = prepare(self, job, recipients)
  if not t then return nil, err end
  return transaction.send(self.session, t)
end

local too_many = errors.SMTPResponseException(452, "too many recipients for one transaction", "4.5.3")

-- Whom the outcome of the first transaction leaves for a further one.
local function pending_after(job, outcome)
  local part = outcome.recipients
  local pending = batch.take(job.recipients, #part + 1)
  for _, one in ipairs(batch.overflow(part, outcome.refused)) do pending[#pending + 1] = one end
  return pending
end

local function merge(outcome, more, part, pending)
  for _, one in ipairs(batch.overflow(part, more.refused)) do pending[#pending + 1] = one end
  for key, reply in pairs(more.refused) do outcome.refused[key] = reply end
end

---True if the first transaction may have left recipients for another.
function deliver.is_unfinished(job, outcome)
  return outcome.recipients ~= job.recipients or next(outcome.refused) ~= nil
end

---What is left of the recipients after the first transaction, if anything.
---Since that one has delivered, nobody's failure is an error any more: who is
---not reached is refused.
---@param self table
---@param job smtplib.Job
---@param outcome smtplib.Outcome of the first transaction
---@return smtplib.Outcome
function deliver.rest(self, job, outcome)
  if not deliver.is_unfinished(job, outcome) then return outcome end
  local pending, limit, first = pending_after(job, outcome), batch.limit(self.esmtp_features), 1
  while first <= #pending do
    local part = batch.take(pending, first, limit)
    first = first + #part
    local more, err = nil, too_many
    if content.is_repeatable(job.message) and self:is_open() then more, err = transact(self, job, part) end
    if more then
      merge(outcome, more, part, pending)
    else
      batch.refuse(outcome.refused, part, err)
    end
  end
  return outcome
end

local function refuse_all(recipients, first)
  local refused = {}
  batch.refuse(refused, batch.take(recipients, first), too_many)
  local err = errors.SMTPRecipientsRefused(refused)
  err.command = "RCPT"
  return err
end

---The first transaction of a job, not queued yet; t.recipients may be fewer than
---the job's. `ahead`: on this connection or not at all.
---@return table? t
---@return smtplib.Error? err
function deliver.begin(self, job, ahead)
  if #job.recipients == 0 then return nil, refuse_all({}, 1) end
  if ahead then
    if is_exhausted(self) then return nil end
  else
    local ok, err = make_ready(self)
    if not ok then return nil, err end
  end
  local part = batch.take(job.recipients, 1, batch.limit(self.esmtp_features))
  if job.all_or_none and #part < #job.recipients then return nil, refuse_all(job.recipients, #part + 1) end
  return prepare(self, job, part)
end

---Send a job: one transaction, or as many as its recipients need.
---@return smtplib.Outcome? outcome
---@return smtplib.Error? err
function deliver.send(self, job)
  local t, err = deliver.begin(self, job)
  if not t then return nil, err end
  local outcome
  outcome, err = transaction.send(self.session, t)
  if not outcome then return nil, err end
  return deliver.rest(self, job, outcome)
end

return deliver
