-- One message to be sent, by whatever connection can be had: an idle one, a new one
-- to the first host that answers. Tried again only while the server surely has not
-- taken it.
local content = require "smtplib.smtp.content"
local core = require "smtplib.core"
local deliver = require "smtplib.smtp.deliver"
local errors = require "smtplib.errors"
local pause = require "smtplib.mailer.pause"
local pool = require "smtplib.mailer.pool"
local smtp = require "smtplib.smtp"

local attempt = {}

local function connect(self, target)
  local class, given = self.settings.lmtp and smtp.LMTP or smtp.SMTP, {}
  for name, value in pairs(self.settings.smtp) do given[name] = value end
  given.host, given.port, given.tls = nil, nil, target.tls
  local server, err = class(given)
  if not server then return nil, err end
  server.pool = pool.name()
  local ok
  ok, err = server:begin(target.host, target.port)
  if not ok then return nil, err end
  self.metrics.connections = self.metrics.connections + 1
  return server
end

-- An idle connection that still stands, or one in its place.
local function take_idle(self, target)
  while true do
    local server = self.pool:take(target.key)
    if not server then return nil end
    local ok, err, is_fresh = server:take_up()
    if is_fresh then self.metrics.reconnects = self.metrics.reconnects + 1 end
    if ok then return server, not is_fresh end
    server:hang_up()
    if not is_fresh then self.metrics.reconnects = self.metrics.reconnects + 1 end
    if err and not err.temporary then return nil, err end
  end
end

-- Another host cannot mend what is wrong with the login, or with how TLS was set up.
local function is_final(err)
  return err:is(errors.SMTPAuthenticationError) and not err.temporary
end

---@return table|nil server, table target_or_err, boolean is_reused
local function acquire(self)
  local failure
  for _, target in ipairs(self.settings.targets) do
    local server, is_reused = take_idle(self, target)
    if server then return server, target, is_reused end
    local err = is_reused
    if not err then server, err = connect(self, target) end
    if server then return server, target, false end
    failure = err
    if is_final(err) then break end
  end
  failure.delivery = failure.delivery or "none"
  return nil, failure, false
end

local function count(self, server, turns, bytes)
  local core_engine = server.session and server.session.core
  local metrics = self.metrics
  if not core_engine then return end
  local now_turns, now_bytes = core_engine:traffic()
  metrics.round_trips = metrics.round_trips + now_turns - turns
  metrics.bytes = metrics.bytes + now_bytes - bytes
end

local function traffic(server, is_reused)
  if not is_reused then return 0, 0 end
  return server.session.core:traffic()
end

local function send(self, server, target, job, is_reused)
  local session, err = server:open_session()
  if not session then return nil, err end
  local rate = self.settings.rate
  if rate then pause.sleep(pause.turn(target, rate, core.now())) end
  local turns, bytes = traffic(server, is_reused)
  local outcome
  outcome, err = deliver.send(server, job)
  count(self, server, turns, bytes)
  server:settle()
  if server:is_open() then self.pool:put(target.key, server, self.settings) end
  return outcome, err
end

-- The connection was gone before the server saw anything of the message.
local function was_stale(err)
  return err.delivery == "none" and (err:is(errors.SMTPServerDisconnected) or err.smtp_code == 421
    or err:is(errors.SMTPSocketError))
end

local function once(self, job)
  local server, target, is_reused = acquire(self)
  if not server then return nil, target, false end
  local outcome, err = send(self, server, target, job, is_reused)
  if outcome then return outcome end
  err.delivery = err.delivery or "none"
  return nil, err, is_reused and not server:is_open() and was_stale(err)
end

---Send a job, with as many attempts as the Mailer's options allow.
---@param self table the Mailer
---@param job smtplib.Job
---@return smtplib.Outcome? outcome
---@return smtplib.Error? err
function attempt.send(self, job)
  local tries, replaced = 0, 0
  while true do
    local outcome, err, is_stale = once(self, job)
    if outcome then return outcome end
    if err.delivery ~= "none" or not content.is_repeatable(job.message) then return nil, err end
    if is_stale and replaced <= self.settings.pool_size then
      replaced = replaced + 1
      self.metrics.reconnects = self.metrics.reconnects + 1
    elseif err.temporary and tries < self.settings.retries then
      tries = tries + 1
      pause.sleep(pause.before_retry(self.settings.backoff, tries))
    else
      return nil, err
    end
  end
end

return attempt
