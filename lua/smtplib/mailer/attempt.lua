-- One message to be sent, by whatever connection can be had: an idle one, a new one
-- to the first host that answers. Tried again only while the server surely has not
-- taken it, and only with a message that can be read again.
local content = require "smtplib.smtp.content"
local core = require "smtplib.core"
local deliver = require "smtplib.smtp.deliver"
local errors = require "smtplib.errors"
local pause = require "smtplib.mailer.pause"
local pool = require "smtplib.mailer.pool"
local smtp = require "smtplib.smtp"
local ssl = require "smtplib.ssl"
local transaction = require "smtplib.smtp.transaction"

local attempt = {}

---Add to the metrics what has gone over a connection since it was counted last.
function attempt.count(self, server)
  local metrics = self.metrics
  local connections, turns, bytes = server:take_traffic()
  metrics.connections = metrics.connections + connections
  metrics.round_trips = metrics.round_trips + turns
  metrics.bytes = metrics.bytes + bytes
end

-- One context for all connections of a Mailer: it holds the sessions to resume.
local function context_of(self)
  local given = self.settings.smtp
  local options = given.tls_options or given.context
  if options == nil or ssl.is_context(options) then return options end
  if not self.context then
    local context, err = ssl.create_default_context(options)
    if not context then return nil, err end
    self.context = context
  end
  return self.context
end

local function connect(self, target)
  -- The one transport of the caller's cannot be in two places.
  if self.settings.has_one_transport then self.pool:clear(function(server) attempt.count(self, server) end) end
  local context, err = context_of(self)
  if err then return nil, err end
  local class, given = self.settings.lmtp and smtp.LMTP or smtp.SMTP, {}
  for name, value in pairs(self.settings.smtp) do given[name] = value end
  given.tls, given.context, given.tls_options = target.tls, context, nil
  local server
  server, err = class(given)
  if not server then return nil, err end
  server.pool = pool.name()
  server:start_metering()
  local ok
  ok, err = server:begin(target.host, target.port)
  if ok then ok, err = server:ehlo_or_helo_if_needed() end
  if ok then return server end
  server:hang_up()
  attempt.count(self, server)
  return nil, err
end

local function note_reconnect(self)
  self.metrics.reconnects = self.metrics.reconnects + 1
end

-- An idle connection that still stands, or what the host made in its place.
---@return table|nil server
---@return boolean|table kind is_reused; without a server: was a dead one found, or why no new one was to be had
local function take_idle(self, target)
  local was_dead = false
  local name, sentence = self.pool:elsewhere(target.key)
  if name then return nil, errors.from_core(name, sentence) end
  local server = self.pool:take(target.key)
  while server do
    local ok, err, is_fresh = server:take_up()
    if ok and is_fresh then note_reconnect(self) end
    if ok then return server, not is_fresh end
    server:hang_up()
    attempt.count(self, server)
    if is_fresh then return nil, err end
    was_dead = true
    server = self.pool:take(target.key)
  end
  return nil, was_dead
end

---@return table|nil server
---@return boolean|table is_reused_or_err
local function acquire(self, target)
  local server, kind = take_idle(self, target)
  if server then return server, kind end
  if errors.is_error(kind) then return nil, kind end
  local err
  server, err = connect(self, target)
  if not server then return nil, err end
  if kind then note_reconnect(self) end
  return server, false
end

-- The third value: the message has been read, so that only what can be read again
-- can be sent again.
local function transact(server, job)
  local session, err = server:open_session()
  if not session then return nil, err, false end
  local t
  t, err = deliver.begin(server, job)
  if not t then return nil, err, false end
  local outcome
  outcome, err = transaction.send(server.session, t)
  if not outcome then return nil, err, t.pulled == true end
  return deliver.rest(server, job, outcome)
end

local function send(self, server, target, job)
  local epoch = self.epoch
  local outcome, err, is_read = transact(server, job)
  server:settle()
  if server:is_open() then
    if epoch == self.epoch then
      self.pool:put(target.key, server, self.settings)
    else
      server:quit() -- the Mailer was closed meanwhile
    end
  end
  attempt.count(self, server)
  return outcome, err, is_read
end

-- The connection is gone, and it is not the message that was at fault.
local function is_loss(err)
  for _, reply in pairs(err.recipients or {}) do
    if reply[1] == 421 then return true end
  end
  return err:is(errors.SMTPServerDisconnected) or err:is(errors.SMTPSocketError) or err:is(errors.SMTPTLSError)
    or err.smtp_code == 421
end

local function may_repeat(job, err, is_read)
  return err.delivery == "none" and (not is_read or content.is_repeatable(job.message))
end

-- Send by an idle connection, and once more by a new one if that one turns out to
-- be stale; without an idle one, by a new one.
---@return smtplib.Outcome? outcome, smtplib.Error? err
---@return boolean? is_read
---@return boolean? is_elsewhere another host may do better
local function send_to(self, target, job)
  local rate = self.settings.rate
  if rate then pause.sleep(pause.turn(target, rate, core.now())) end
  local server, is_reused = acquire(self, target)
  if not server then return nil, is_reused, false, true end
  local outcome, err, is_read = send(self, server, target, job)
  if outcome then return outcome end
  local is_lost = not server:is_open() and is_loss(err)
  if not (is_lost and is_reused and may_repeat(job, err, is_read)) then return nil, err, is_read, is_lost end
  server, is_reused = connect(self, target)
  if not server then return nil, is_reused, false, true end
  note_reconnect(self)
  outcome, err, is_read = send(self, server, target, job)
  if outcome then return outcome end
  return nil, err, is_read, not server:is_open() and is_loss(err)
end

-- Another host cannot mend what is wrong with the login.
local function is_final(err)
  return err:is(errors.SMTPAuthenticationError) and not err.temporary
end

-- Every host, until one takes the message or refuses it for good. Of several failures the one that may pass
-- is told: trying again can help.
local function send_to_any(self, job)
  local failure, is_read
  for _, target in ipairs(self.settings.targets) do
    local outcome, err, was_read, is_elsewhere = send_to(self, target, job)
    if outcome then return outcome end
    is_read = is_read or was_read
    err.host = err.host or target.name
    if not (failure and failure.temporary and not err.temporary) then failure = err end
    local is_next = is_elsewhere or err.temporary
    if not is_next or is_final(err) or not may_repeat(job, err, is_read) then return nil, err, is_read end
  end
  return nil, failure, is_read
end

local function is_busy(self)
  local owner = self.owner
  return owner ~= nil and (owner == "main" or coroutine.status(owner) ~= "dead")
end

-- With one transport of the caller's, one message at a time.
local function send_alone(self, job)
  if is_busy(self) then
    return nil, errors.from_core("state",
      "the Mailer's one transport is in use: give a function that makes one for each connection")
  end
  self.owner = coroutine.running() or "main"
  local outcome, err, is_read = send_to_any(self, job)
  self.owner = nil
  return outcome, err, is_read
end

---Send a job, with as many attempts as the Mailer's options allow.
---@param self table the Mailer
---@param job smtplib.Job
---@return smtplib.Outcome? outcome
---@return smtplib.Error? err
function attempt.send(self, job)
  local once = self.settings.has_one_transport and send_alone or send_to_any
  local tries = 0
  while true do
    local outcome, err, is_read = once(self, job)
    if outcome then return outcome end
    if not err.temporary or tries >= self.settings.retries or not may_repeat(job, err, is_read) then
      return nil, err
    end
    tries = tries + 1
    pause.sleep(pause.before_retry(self.settings.backoff, tries))
  end
end

return attempt
