-- Sending later: a Mailer's queue. In nginx timers of each worker send what is in
-- it; elsewhere there are no timers, and `deliver` or `run` does.
local core = require "smtplib.core"
local errors = require "smtplib.errors"
local guard = require "smtplib.guard"
local misuse = require "smtplib.misuse"
local pause = require "smtplib.mailer.pause"
local queue = require "smtplib.queue"
local work = require "smtplib.queue.work"

local background = {}

local function host_ngx()
  return rawget(_G, "ngx")
end

---@class smtplib.mailer.Runner
---@field mailer table   the Mailer that was made last for this queue
---@field queue smtplib.Queue
---@field active integer timers that are sending, or about to
---@field is_ticking boolean

-- One for each queue and worker, however many Mailers are made.
local runners = {}

local kick

-- Keeps the lease on what is being sent, beside the sending.
local function beat(runner, state)
  local ngx = host_ngx()
  while not state.is_done do
    state.is_asleep = true
    ngx.sleep(runner.queue.policy.lease / 3)
    state.is_asleep = false
    if state.lease and not state.is_done then runner.queue.store:renew(state.lease, runner.queue.policy.lease) end
  end
end

local function complain(runner, err)
  local ngx, now = host_ngx(), core.now()
  if now < (runner.silent_until or 0) then return end
  runner.silent_until = now + 60
  ngx.log(ngx.ERR, "smtplib: ", runner.queue.store:describe(), ": ", tostring(err))
end

-- A worker that is to end leaves the rest to others, once it is certain that there
-- is one: after a reload, perhaps nobody there has made a Mailer yet. A queue that
-- outlives nginx can wait.
local function is_relieved(runner)
  if not host_ngx().worker.exiting() then return false end
  runner.ends_since = runner.ends_since or core.now()
  local store = runner.queue.store
  return not store.is_attended or store:is_attended(runner.ends_since)
end

-- Send until there is nothing left.
local function send_all(runner, state)
  local ngx, self = host_ngx(), runner.queue
  while not is_relieved(runner) do
    local lease, err = self.store:take(self.policy.lease)
    if err then complain(runner, err) end
    if not lease then return end
    kick(runner)
    state.lease = lease
    state.thread = state.thread or ngx.thread.spawn(beat, runner, state)
    work.one(runner.mailer, self, lease)
    state.lease = nil
  end
end

local function consume(_, runner)
  local ngx, state = host_ngx(), {}
  local ok, why = guard.call(send_all, runner, state)
  if not ok then complain(runner, why) end
  state.is_done = true
  if state.thread and state.is_asleep then ngx.thread.kill(state.thread) end
  runner.active = runner.active - 1
end

-- Timers exist only in workers that have begun and not ended.
local function has_timers()
  local phase = host_ngx().get_phase()
  return phase ~= "init" and phase ~= "exit_worker"
end

-- One more that sends, unless there are enough. If nginx has no timer for it, the
-- next tick tries again.
function kick(runner)
  if runner.active >= runner.queue.policy.concurrency or not has_timers() then return end
  if host_ngx().timer.at(0, consume, runner) then runner.active = runner.active + 1 end
end

local function tick(is_premature, runner)
  if is_premature then return end
  if runner.queue.store.attend then runner.queue.store:attend() end
  if runner.active == 0 then kick(runner) end
end

local function start(runner)
  if runner.is_ticking or not has_timers() then return end
  runner.is_ticking = host_ngx().timer.every(runner.queue.policy.poll, tick, runner) ~= nil
end

-- Whom a Mailer sends to, and as whom.
local function identity(mailer)
  local smtp = mailer.settings.smtp
  return tostring(mailer) .. " as " .. tostring(smtp.user or (smtp.auth or {}).user or "nobody")
end

local function runner_of(mailer)
  local runner = runners[mailer.queue.name]
  if not runner then
    runner = { active = 0, is_ticking = false }
    runners[mailer.queue.name] = runner
  elseif identity(runner.mailer) ~= identity(mailer) then
    misuse.raise(("the queue in %s belongs to %s: give each Mailer one of its own, by the option queue.name"):format(
      mailer.queue.store:describe(), identity(runner.mailer)))
  else
    local store = runner.queue.store -- it knows what to look at next
    store.limit, mailer.queue.store = mailer.queue.policy.limit, store
  end
  runner.mailer, runner.queue = mailer, mailer.queue
  return runner
end

---Give a Mailer its queue: the one of its options; outside nginx one in memory, when
---it is needed first.
---@param mailer table
function background.attach(mailer)
  local given = mailer.settings.queue
  local metrics = mailer.metrics
  metrics.queued, metrics.deferred, metrics.dead = 0, 0, 0
  if not given then return end
  mailer.queue = queue.new(given, mailer.settings.pool_size)
  if not host_ngx() then return end
  mailer.runner = runner_of(mailer)
  start(mailer.runner)
end

local function queue_of(mailer, func)
  if not mailer.queue then
    if host_ngx() then
      misuse.raise(("'%s' needs the Mailer's option queue = {dict = the name of a lua_shared_dict}"):format(func))
    end
    mailer.queue = queue.new({}, mailer.settings.pool_size)
  end
  return mailer.queue
end

local function check_options(opts, known, func)
  if opts == nil then return {} end
  misuse.check(opts, "table", "options", func)
  for name, value in pairs(opts) do
    if not known[name] then misuse.raise(("unknown option '%s'"):format(tostring(name))) end
    misuse.check(value, known[name], name, func)
  end
  return opts
end

local function remaining_error(remaining)
  local err = errors.SMTPException(("%d %s in the queue"):format(remaining,
    remaining == 1 and "message remains" or "messages remain"))
  err.code, err.remaining, err.temporary = "remaining", remaining, true
  return err
end

---What is left in this process's memory, after a last attempt to send what is due.
---@return true|nil ok, smtplib.Error? err
function background.drain(mailer)
  local self = mailer.queue
  if not self then return true end
  if self.store.close then self.store:close() end
  if self.policy.dict or self.policy.redis then return true end
  if self.store:size() > 0 then mailer:deliver() end
  local remaining = self.store:size()
  if remaining == 0 then return true end
  return nil, remaining_error(remaining)
end

local deliver_options = { limit = "number" }
local run_options = { seconds = "number", until_empty = "boolean" }

local function deliver(mailer, self, limit)
  local result = { sent = 0, deferred = 0, dead = 0 }
  local taken = 0
  while taken < limit and not mailer.is_stopping do
    local lease, err = self.store:take(self.policy.lease)
    if err then return nil, err end
    if not lease then break end
    taken = taken + 1
    local fate = work.one(mailer, self, lease)
    result[fate] = result[fate] + 1
  end
  return result
end

-- How long to wait until there may be something to send.
local function nap(self, deadline)
  local seconds = self.policy.poll
  if self.store.wait then seconds = math.max(0.001, self.store:wait() or seconds) end
  return math.max(0, math.min(seconds, deadline - core.now()))
end

local function is_over(mailer, self, opts, deadline)
  if mailer.is_stopping or core.now() >= deadline then return true end
  if not opts.until_empty then return false end
  return (self.store:size() or 1) == 0
end

-- Send until told to stop, or until there is nothing left.
local function run(mailer, self, opts)
  local deadline = core.now() + (opts.seconds or math.huge)
  if opts.until_empty == nil then opts = { until_empty = self.policy.redis == nil } end
  local total = { sent = 0, deferred = 0, dead = 0 }
  mailer.is_stopping = false
  repeat
    local result, err = deliver(mailer, self, math.huge)
    if not result and not err.temporary then return nil, err end
    for name, n in pairs(result or {}) do total[name] = total[name] + n end
    local done = is_over(mailer, self, opts, deadline)
    if not done then pause.sleep(nap(self, deadline)) end
  until done
  mailer.is_stopping = false
  return total
end

local methods = {}

---Send what is in the queue and due, here and now.
---@param opts? table # limit: at most so many messages
---@return table? result # how many messages were sent, deferred (tried in vain, to be tried again), dead (given up)
---@return smtplib.Error? err the store failed
function methods:deliver(opts)
  opts = check_options(opts, deliver_options, "deliver")
  local self_queue = queue_of(self, "deliver")
  self.is_stopping = false
  return deliver(self, self_queue, opts.limit or math.huge)
end

---Send what is in the queue as it falls due. In nginx this starts the worker's timers
---and returns at once (call it in init_worker_by_lua, if the Mailer is made in
---init_by_lua). Elsewhere it returns when nothing is left in memory; from Redis it
---goes on until `stop`.
---@param opts? table # until_empty: return when nothing is left; seconds: not longer than that
---@return table|true|nil result # as of deliver; true in nginx
---@return smtplib.Error? err
function methods:run(opts)
  opts = check_options(opts, run_options, "run")
  local self_queue = queue_of(self, "run")
  if not self.runner then return run(self, self_queue, opts) end
  start(self.runner)
  kick(self.runner)
  return true
end

---Make `run` or `deliver` return after the message that is being sent.
function methods:stop()
  self.is_stopping = true
  return true
end

---How many messages are in the queue, those being sent included.
---@return integer? n
---@return smtplib.Error? err
function methods:queued()
  return queue_of(self, "queued").store:size()
end

---Add what has to do with queues to the class.
---@param class table
---@param check_self function(mailer, func) raises for what is no Mailer
---@param prepare function(mailer, message, opts, func) the job of a message
---@param message_id function(job) the Message-ID that it has or is given
function background.extend(class, check_self, prepare, message_id)
  for name, method in pairs(methods) do
    class[name] = function(self, opts)
      check_self(self, name)
      return method(self, opts)
    end
  end

  ---Put a message into the queue. It is composed now, and sent later.
  ---@param message userdata|table as of send
  ---@param opts? table as of send
  ---@return string? id # its Message-ID
  ---@return smtplib.Error? err
  function class:enqueue(message, opts)
    local job, err = prepare(self, message, opts, "enqueue")
    local self_queue = queue_of(self, "enqueue")
    if not job then return nil, err end
    local id
    id, err = queue.put(self_queue, self, job, message_id(job))
    if not id then return nil, err end
    self.metrics.queued = self.metrics.queued + 1
    if self.runner then
      start(self.runner)
      kick(self.runner)
    end
    return id
  end
end

return background
