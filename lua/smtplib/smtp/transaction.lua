-- One mail transaction on a session: queue it whole, feed the message, collect
-- the replies, and say what became of it.
local errors = require "smtplib.errors"
local guard = require "smtplib.guard"

local transaction = {}

---@class smtplib.Outcome
---@field refused table<string, table> {code, text, enhanced} by address
---@field reply table|nil              {code, text, enhanced} of the message

local function is_positive(code)
  return code >= 200 and code < 300
end

local function reply_error(class, reply, command, ...)
  local err = class(reply[1], reply[2], ...)
  err.command = command
  if reply[3] and not err.enhanced_code then
    err.enhanced_code = reply[3]
  end
  return err
end

-- What the replies so far amount to: an error, or nil while nothing is decided.
local function verdict(t)
  if t.sender then
    return reply_error(errors.SMTPSenderRefused, t.sender, "MAIL", t.from, t.sender[3])
  end
  if t.refusals > 0 and (t.refusals == #t.recipients or t.all_or_none) or t.cut_off then
    local err = errors.SMTPRecipientsRefused(t.refused)
    err.command = "RCPT"
    return err
  end
  if t.data then return reply_error(errors.SMTPDataError, t.data, "DATA", t.data[3]) end
  if t.delivered or not t.reply then return nil end
  if t.lmtp then
    local err = errors.SMTPRecipientsRefused(t.refused)
    err.command = "DATA"
    return err
  end
  return reply_error(errors.SMTPDataError, t.reply, "DATA", t.reply[3])
end

local function refuse(t, number, reply)
  local one = t.recipients[number]
  if not one then return end
  t.refused[one.key] = reply
end

local handlers = {}

function handlers.MAIL(t, _, reply)
  t.sender = reply
end

function handlers.RCPT(t, code, reply, number)
  t.refusals = t.refusals + 1
  refuse(t, number, reply)
  if code == 421 then t.cut_off = true end
end

function handlers.DATA(t, _, reply)
  t.data = reply
end

function handlers.message(t, code, reply, number)
  t.reply = t.reply or reply
  if t.lmtp then t.answered[number], t.last = true, reply end
  if is_positive(code) then
    t.delivered = true
    t.reply = reply
  elseif t.lmtp then
    refuse(t, number, reply)
  end
end

-- LMTP: recipients whose reply to the message did not come.
local function unanswered(t)
  local list = {}
  if not t.lmtp or not t.reply then return list end
  for number, one in ipairs(t.recipients) do
    if not t.answered[number] and not t.refused[one.key] then list[#list + 1] = number end
  end
  return list
end

-- Only what was not bound to come is shown (the core's terse mode).
local function take_reply(t, command, code, text, enhanced, number)
  local handler = handlers[command]
  if handler then handler(t, code, { code, text, enhanced }, number) end
end

-- What goes behind the message is queued before its last bytes; should memory
-- run out over that, the session has ended.
local function hand_over(session, t, bytes, is_last)
  if is_last and t.before_end then t.before_end(session, t) end
  if not session.core then return nil, session.failed end
  session.core:content(bytes, is_last)
  return true
end

-- Feed the next chunk; when there is none to be had, the connection is cut
-- before the final dot, so that the server takes nothing.
local function feed(session, t)
  local opened = t.content
  if opened.text then
    return hand_over(session, t, opened.text, true)
  end
  t.pulled = true
  local ok, chunk, err = guard.within(session, opened.pull)
  if not ok then chunk, err = nil, errors.SMTPException(tostring(chunk)) end
  if session:was_closed() then err = errors.SMTPServerDisconnected("closed while the message was being sent") end
  if err then
    session:close()
    return nil, err
  end
  return hand_over(session, t, chunk or "", chunk == nil)
end

-- DATA may travel with the recipients: once the server waits for the message, only
-- cutting the connection keeps it from those who were not refused.
local function feed_unless_refused(session, t)
  if not t.all_or_none or t.refusals == 0 then return feed(session, t) end
  session:close()
  return nil, verdict(t)
end

local function conclude(session, t)
  -- A 421 speaks for all who are still to be answered.
  for _, number in ipairs(unanswered(t)) do refuse(t, number, t.last) end
  if session.core and session.core:is_closed() then session:close() end
  session.serial = nil
  local err = verdict(t)
  if err then return nil, err end
  return t
end

---Run a transaction that is queued, and first in the queue.
---@return smtplib.Outcome? outcome
---@return smtplib.Error? err
function transaction.run(session, t)
  session.serial = t.serial
  while true do
    local what, a, b, c, d, e = session:wait(true)
    if what == "reply" then
      take_reply(t, a, b, c, d, e)
    elseif what == "content" then
      local ok, err = feed_unless_refused(session, t)
      if not ok then return nil, err end
    elseif what == "done" then
      return conclude(session, t)
    elseif what == "failed" then
      -- Lost while resetting: what had been decided before stands.
      session.serial = nil
      if unanswered(t)[1] then return nil, a end
      local err = verdict(t)
      if t.delivered and not err then return t end
      return nil, err or a
    else
      return session:fail("closed", "the connection has been closed")
    end
  end
end

local function queue(engine, t, behind)
  local serial, name, sentence = engine:begin(t.mail, behind)
  if not serial then return nil, name, sentence, "MAIL" end
  for _, rcpt in ipairs(t.rcpts) do
    local ok
    ok, name, sentence = engine:recipient(rcpt)
    if not ok then return nil, name, sentence, "RCPT" end
  end
  local ok
  ok, name, sentence = engine:commit()
  if not ok then return nil, name, sentence, "DATA" end
  return serial
end

---A transaction, not queued yet.
---@param mail string    arguments of MAIL
---@param rcpts string[] arguments of each RCPT
---@param opened smtplib.Content
---@param recipients smtplib.Recipient[]
---@param from string?   for errors
---@param lmtp boolean?
function transaction.new(mail, rcpts, opened, recipients, from, lmtp)
  return {
    mail = mail, rcpts = rcpts, content = opened, recipients = recipients, from = from, lmtp = lmtp,
    refused = {}, refusals = 0, answered = {},
  }
end

---Put it behind what is queued already. Nothing is sent when this fails.
---@param behind boolean? allowed while another one's message is on its way
---@return true? ok
---@return smtplib.Error? err
function transaction.queue(session, t, behind)
  local serial, name, sentence, command = queue(session.core, t, behind)
  if not serial then return session:refuse(name, sentence, command) end
  t.serial, t.session = serial, session
  session.mails = (session.mails or 0) + 1
  return true
end

---Queue and run it.
---@return smtplib.Outcome? outcome
---@return smtplib.Error? err
function transaction.send(session, t)
  session:listen()
  local ok, err = transaction.queue(session, t)
  if not ok then return nil, err end
  return transaction.run(session, t)
end

-- DATA by hand: every reply to the message is handed back.
local function collect(session, t)
  local replies = {}
  while true do
    local what, a, b, c, d = session:wait(true)
    if what == "reply" then
      if a == "DATA" then
        t.data = { b, c, d }
      elseif a == "message" then
        replies[#replies + 1] = { b, c, d }
      end
    elseif what == "content" then
      local ok, err = feed(session, t)
      if not ok then return nil, err end
    elseif what == "done" then
      if session.core:is_closed() then session:close() end
      session.serial = nil
      if t.data then return nil, verdict(t) end
      return replies
    else
      session.serial = nil
      return nil, what == "failed" and a or session.failed
    end
  end
end

---DATA and the message in a transaction that the caller built.
---@return table[]|nil replies {code, text, enhanced}…
---@return smtplib.Error? err
function transaction.data(session, opened)
  session:listen()
  local serial, name, sentence = session.core:data()
  if not serial then return session:refuse(name, sentence, "DATA") end
  session.serial = serial
  return collect(session, transaction.new(nil, nil, opened, {}))
end

return transaction
