-- A queue in Redis, for any number of machines: a stream with a consumer group.
-- Needs Redis 6 or later.
--
-- Beside the stream are a sorted set with the moment (in milliseconds of Redis's own
-- clock) from which on a message that was taken before may be taken again, and a
-- hash of how often it was. Each step is a script, so that nothing is ever half
-- done. What is acknowledged is deleted; nothing is ever trimmed.
local core = require "smtplib.core"
local endpoint = require "smtplib.endpoint"
local errors = require "smtplib.errors"
local hmac = require "smtplib.hmac"
local misuse = require "smtplib.misuse"
local resp = require "smtplib.queue.resp"
local resty = require "smtplib.queue.resty"

---@class smtplib.queue.Redis: smtplib.queue.Store
local Redis = {}
Redis.__index = Redis
Redis.__name = "smtplib.queue.redis"

local redis = {}

local scripts = {}

local clock = [[
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
]]

-- ARGV: limit, record, delay, attempts. Returns the id, or nil when it is full.
scripts.put = clock .. [[
if tonumber(ARGV[1]) > 0 and redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return false end
local id = redis.call('XADD', KEYS[1], '*', 'record', ARGV[2])
if tonumber(ARGV[3]) > 0 then redis.call('ZADD', KEYS[2], now + ARGV[3], id) end
if tonumber(ARGV[4]) > 0 then redis.call('HSET', KEYS[3], id, ARGV[4]) end
return id]]

-- ARGV: group, consumer, lease. First what is due again, then what is new. What
-- somebody has read by hand and left has no moment: after a while it gets one.
scripts.take = clock .. [[
local stream, due, tries, group, consumer = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2]
local lease = tonumber(ARGV[3])
local function hand_out(id, fields)
  redis.call('ZADD', due, now + lease, id)
  return {id, fields[2], redis.call('HINCRBY', tries, id, 1), tostring(now + lease)}
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 10)) do
  local entry = redis.call('XCLAIM', stream, group, consumer, 0, id, 'FORCE')[1]
  if entry and entry[2] then return hand_out(id, entry[2]) end
  redis.call('XACK', stream, group, id)
  redis.call('ZREM', due, id)
  redis.call('HDEL', tries, id)
end
for _ = 1, 100 do
  local read = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', stream, '>')
  if not read then break end
  local entry = read[1][2][1]
  if not redis.call('ZSCORE', due, entry[1]) then return hand_out(entry[1], entry[2]) end
end
local left = redis.pcall('XAUTOCLAIM', stream, group, consumer, lease, '0-0', 'COUNT', 10, 'JUSTID')
for _, id in ipairs(left[2] or {}) do redis.call('ZADD', due, 'NX', now, id) end
return false]]

-- ARGV: id, the moment that was told last, milliseconds from now. Returns the moment.
scripts.hold = clock .. [[
local moment = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not moment or tonumber(moment) ~= tonumber(ARGV[2]) then return false end
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
return tostring(now + ARGV[3])]]

-- ARGV: group, id.
scripts.acknowledge = [[
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('HDEL', KEYS[3], ARGV[2])
return redis.call('XDEL', KEYS[1], ARGV[2])]]

local IDLE = 60 -- seconds that an unused connection is kept
local QUIET = 1 -- seconds after which it is asked whether it still stands

-- An error table for what a client says.
local function failure(self, name, sentence, delivery)
  local text = ("Redis at %s: %s"):format(self.where, sentence or name)
  local err
  if name == "redis" then
    err = errors.SMTPException(text)
    err.code = name
  else
    err = errors.SMTPSocketError(name, text)
  end
  err.temporary, err.delivery = name ~= "phase", delivery or "none"
  return nil, err
end

local function greet(self, client)
  local options = self.options
  local value, name, sentence = true, nil, nil
  if options.username then
    value, name, sentence = client:command("AUTH", options.username, options.password or "")
  elseif options.password then
    value, name, sentence = client:command("AUTH", options.password)
  end
  if value and options.db then value, name, sentence = client:command("SELECT", options.db) end
  return value, name, sentence
end

local function connect(self)
  local library = resty.is_available() and resty or resp
  local client, name, sentence = library.connect(self.host, self.port,
    { timeout = self.options.timeout, pool = self.pool, pool_size = 100 })
  if not client then return failure(self, name, sentence) end
  if client:is_fresh() then
    local ok
    ok, name, sentence = greet(self, client)
    if not ok then
      client:close()
      return failure(self, name, sentence)
    end
  end
  return client
end

-- A connection of our own that has been idle may be gone, which is found out before
-- anything is asked that must not be done twice.
local function acquire(self)
  local kept = table.remove(self.idle)
  while kept do
    if core.now() - kept.since < QUIET or kept.client:command("PING") then return kept.client end
    kept.client:close()
    kept = table.remove(self.idle)
  end
  return connect(self)
end

local function release(self, client)
  if self.is_inside_nginx then
    if not client:keep(IDLE) then client:close() end
  elseif client:has_rest() then
    client:close()
  else
    self.idle[#self.idle + 1] = { client = client, since = core.now() }
  end
end

---@return any reply, string? name, string? sentence, string? delivery
local function command(self, ...)
  local client, err = acquire(self)
  if not client then return nil, err end
  local value, name, sentence = client:command(...)
  if value ~= nil or name == "redis" then release(self, client) else client:close() end
  if value ~= nil then return value end
  -- Cut off in the midst: it may have been done.
  return nil, select(2, failure(self, name, sentence, name ~= "redis" and "unknown" or "none")), sentence
end

local function evaluate(self, name, ...)
  local keys = self.keys
  local value, err, sentence = command(self, "EVAL", scripts[name], 3, keys[1], keys[2], keys[3], ...)
  return value, err, sentence
end

local function is_without_group(sentence)
  return sentence ~= nil and sentence:find("NOGROUP", 1, true) ~= nil
end

local function create_group(self)
  local made, err, sentence = command(self, "XGROUP", "CREATE", self.keys[1], self.options.group, "0", "MKSTREAM")
  if made or (sentence and sentence:find("BUSYGROUP", 1, true)) then return true end
  return nil, err
end

local function milliseconds(seconds)
  return ("%.0f"):format(math.ceil((seconds or 0) * 1000))
end

function Redis:put(record, options)
  local id, err, sentence = evaluate(self, "put", options.over and 0 or self.limit, record, milliseconds(options.delay),
    options.attempts or 0)
  if id then return true end
  if sentence and sentence:find("OOM", 1, true) then return nil, "no memory" end
  return nil, err or "full"
end

function Redis:take(seconds)
  local arguments = { self.options.group, self.options.consumer, milliseconds(seconds) }
  local found, err, sentence = evaluate(self, "take", arguments[1], arguments[2], arguments[3])
  if found == nil and is_without_group(sentence) then
    local ok
    ok, err = create_group(self)
    if not ok then return nil, err end
    found, err = evaluate(self, "take", arguments[1], arguments[2], arguments[3])
  end
  if not found then return found, err end
  return { id = found[1], record = found[2], attempts = found[3], moment = found[4] }
end

function Redis:renew(lease, seconds)
  local moment, err = evaluate(self, "hold", lease.id, lease.moment, milliseconds(seconds))
  if moment then lease.moment = moment end
  if moment == nil then return nil, err end
  return moment ~= false
end

Redis.give_back = Redis.renew

function Redis:acknowledge(lease)
  local n, err = evaluate(self, "acknowledge", self.options.group, lease.id)
  if not n then return nil, err end
  return true
end

function Redis:size()
  local n, err = command(self, "XLEN", self.keys[1])
  return n, err
end

---Close the connections that are not in use. The store can be used again.
function Redis:close()
  for _, kept in ipairs(self.idle) do kept.client:close() end
  self.idle = {}
end

function Redis:describe()
  return ("the stream '%s' of Redis at %s"):format(self.keys[1], self.where)
end

-- A connection is logged in: it is found again by who has the same password alone.
local function pool_of(where, options)
  local login = hmac.digest(options.password or "", options.username or "", "sha256")
  return ("smtplib:redis:%s:%s:%s"):format(where, (login:gsub(".", function(c) return ("%02x"):format(c:byte()) end)),
    options.db or 0)
end

local known = {
  host = "string", port = "number|string", username = "string", password = "string", db = "number",
  stream = "string", group = "string", consumer = "string", timeout = "number",
}

local function check(given)
  for name, value in pairs(given) do
    if not known[name] then misuse.raise(("unknown option 'queue.redis.%s'"):format(tostring(name))) end
    misuse.check(value, known[name], "queue.redis." .. name, "Mailer")
  end
  if given.timeout and (given.timeout ~= given.timeout or given.timeout <= 0) then
    misuse.argument("queue.redis.timeout", "Mailer", "a positive number of seconds expected")
  end
end

-- Keys that a cluster keeps in one place.
local function keys_of(stream)
  local tagged = stream:find("{[^}]+}") and stream or "{" .. stream .. "}"
  return { stream, tagged .. ":due", tagged .. ":tries" }
end

---@param policy table redis; limit; name
function redis.new(policy)
  check(policy.redis)
  local options = { host = "127.0.0.1", group = "smtplib", consumer = core.gethostname() or "smtplib", timeout = 5,
    stream = "smtplib" .. (policy.name and ":" .. policy.name or "") }
  for name, value in pairs(policy.redis) do options[name] = value end
  local host, port = endpoint.parse(options.host, options.port, 6379, "Mailer")
  local where = endpoint.is_path(host) and host or host .. ":" .. port
  return setmetatable({
    options = options, limit = policy.limit, host = host, port = port, where = where, keys = keys_of(options.stream),
    pool = pool_of(where, options),
    idle = {}, is_inside_nginx = rawget(_G, "ngx") ~= nil,
  }, Redis)
end

return redis
