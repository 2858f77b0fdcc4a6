-- One message out of a queue: sent by the Mailer, and acknowledged, given back for
-- later, or given up. Nothing is acknowledged before its fate is known.
local attempt = require "smtplib.mailer.attempt"
local core = require "smtplib.core"
local errors = require "smtplib.errors"
local guard = require "smtplib.guard"
local outcome = require "smtplib.queue.outcome"
local pause = require "smtplib.mailer.pause"
local queue = require "smtplib.queue"
local records = require "smtplib.queue.record"

local work = {}

local TRIES = 6 -- to tell a store what became of a message

-- A store that cannot be reached now may be in a moment; a message that was sent
-- and not acknowledged would be sent again.
local function insist(store, method, ...)
  local ok, err
  for try = 1, TRIES do
    ok, err = store[method](store, ...)
    if ok ~= nil then return ok end
    if try < TRIES then pause.sleep(0.05 * 2 ^ try) end
  end
  return nil, err
end

-- Seconds until the next attempt.
local function delay(policy, attempts)
  local backoff = policy.backoff
  if type(backoff) == "function" then
    local ok, seconds = guard.call(backoff, attempts)
    return math.max(0, ok and tonumber(seconds) or 1)
  end
  return math.min(backoff * 2 ^ math.min(attempts - 1, 60), policy.max_backoff) * (0.75 + math.random() / 2)
end

local function is_too_old(policy, record, attempts)
  return attempts >= policy.attempts or core.wall() - record.at >= policy.max_age
end

local function log(message)
  local ngx = rawget(_G, "ngx")
  if ngx and ngx.log then ngx.log(ngx.ERR, "smtplib: ", message) end
end

-- Tell whom it concerns that a message, or what is left of it, is given up.
local function give_up(mailer, self, id, err, record)
  mailer.metrics.dead = mailer.metrics.dead + 1
  err.message_id = id
  local on_failure = self.policy.on_failure
  if not on_failure then
    log(("message %s is given up: %s"):format(tostring(id), tostring(err)))
    return
  end
  local ok, why = guard.call(on_failure, id, err, record)
  if not ok then log(("on_failure of message %s raised: %s"):format(tostring(id), tostring(why))) end
end

-- The message for those who have not got it, in place of the one that was taken. The
-- new one is there before the old one goes.
local function put_rest(self, lease, record, later, seconds)
  local rest = {}
  for name, value in pairs(record) do rest[name] = value end
  rest.to = later
  return insist(self.store, "put", records.encode(rest), { delay = seconds, attempts = lease.attempts, over = true })
end

local function refuse_all(recipients, err)
  local replies = {}
  for _, one in ipairs(recipients) do replies[one.addr] = { err.smtp_code or 450, err.message } end
  return errors.SMTPRecipientsRefused(replies)
end

local function postpone(mailer, self, lease, record, later, err)
  local policy = self.policy
  local seconds = delay(policy, lease.attempts)
  if #later == #record.to then
    mailer.metrics.deferred = mailer.metrics.deferred + 1
    insist(self.store, "give_back", lease, seconds)
    return "deferred"
  end
  local ok, why = put_rest(self, lease, record, later, seconds)
  if ok then
    mailer.metrics.deferred = mailer.metrics.deferred + 1
    insist(self.store, "acknowledge", lease)
    return "deferred"
  end
  err = err or refuse_all(later, errors.is_error(why) and why or errors.SMTPException(tostring(why)))
  give_up(mailer, self, record.id, err, record)
  insist(self.store, "acknowledge", lease)
  return "dead"
end

local function count(mailer, sent)
  if not sent then return end
  local metrics = mailer.metrics
  metrics.sent = metrics.sent + 1
  for _ in pairs(sent.refused) do metrics.refused = metrics.refused + 1 end
end

local function of_later(later, sent, err)
  if err then return err end
  local replies = {}
  for _, one in ipairs(later) do replies[one.addr] = sent.refused[one.addr] end
  return errors.SMTPRecipientsRefused(replies)
end

-- What has become of a message that was sent (`sent`) or not (`err`).
local function settle(mailer, self, lease, record, sent, err)
  local later, lost = outcome.judge(record, sent and sent.refused, err)
  local is_dead = lost ~= nil
  if lost then give_up(mailer, self, record.id, lost, record) end
  if later[1] and is_too_old(self.policy, record, lease.attempts) then
    local last = of_later(later, sent, err)
    last.attempts = lease.attempts
    give_up(mailer, self, record.id, last, record)
    later, is_dead = {}, true
  end
  if later[1] then return postpone(mailer, self, lease, record, later, err) end
  insist(self.store, "acknowledge", lease)
  return is_dead and "dead" or "sent"
end

local function damaged(mailer, self, lease)
  local err = errors.SMTPException("what was in the queue is not a message of this library")
  give_up(mailer, self, nil, err, { message = lease.record })
  insist(self.store, "acknowledge", lease)
  return "dead"
end

---Send what a lease is about, and settle it.
---@param mailer table
---@param self smtplib.Queue
---@param lease table
---@return "sent"|"deferred"|"dead"
function work.one(mailer, self, lease)
  local record = records.decode(lease.record)
  if not record then return damaged(mailer, self, lease) end
  local job, err = queue.job_of(record)
  local sent
  if job then sent, err = attempt.send(mailer, job) end
  count(mailer, sent)
  return settle(mailer, self, lease, record, sent, err)
end

return work
