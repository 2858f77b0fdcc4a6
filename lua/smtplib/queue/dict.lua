-- A queue in a lua_shared_dict: for all workers of one nginx, through reloads and
-- crashed workers. Gone when nginx itself ends.
--
-- A message has a number n and three keys: "m:n" the record, "a:n" how often it was
-- taken, "l:n" the moment (in milliseconds) from which on it may be taken. The last
-- one is written last and makes it visible. Whoever takes the message moves "l:n"
-- into the future, so that it comes back by itself if he dies. A worker may be
-- killed between any two of these steps; no step is undone by that.
--
-- Messages above "next" were never taken. Those below are found by looking at the
-- "l:n" of all blocks ("b:k": how many messages are in a block) that are not empty.
-- nginx's lists are not used: between taking from a list and writing down who took
-- it, a message would be nowhere. Nothing here makes nginx evict anything: what
-- needs memory is safe_add, and all of it is done when a message is put.
local core = require "smtplib.core"

---@class smtplib.queue.Dict: smtplib.queue.Store
local Dict = {}
Dict.__index = Dict
Dict.__name = "smtplib.queue.dict"

local dict = {}

local BLOCK = 256 -- numbers in a block
local SWEEP = 1 -- seconds between looks at what was taken before
local DONE = 2 ^ 40 -- added to "a:n" by who acknowledges: done, whatever happens next

-- The same clock in all processes of this machine, and nobody sets it.
local function milliseconds(seconds)
  return math.floor((core.now() + (seconds or 0)) * 1000)
end

local function block_of(number)
  return math.floor(number / BLOCK)
end

local function key(self, letter, number)
  return ("%s%s:%d"):format(self.prefix, letter, number)
end

local counters = { "tail", "next", "count", "head", "attended" }

local function get(self, name)
  return self.shared:get(self.prefix .. name) or 0
end

local function add(self, name, amount)
  return self.shared:incr(self.prefix .. name, amount)
end

-- An "exists" is as good.
local function ensure(self, name, value)
  local ok, why = self.shared:safe_add(name, value)
  return ok or why == "exists", why
end

local function prepare(self)
  for _, name in ipairs(counters) do
    local ok, why = ensure(self, self.prefix .. name, 0)
    if not ok then return nil, why end
  end
  return true
end

local function count_in(self, number)
  local block = key(self, "b", block_of(number))
  while true do
    local ok, why = ensure(self, block, 0)
    if not ok then return nil, why end
    if self.shared:incr(block, 1) then return true end
  end
end

-- A block that all have passed, and whose messages are all gone, is gone as well.
-- "next" is read before: who puts a message into a passed block knows and leaves it.
local function count_out(self, number)
  local passed = block_of(get(self, "next"))
  local block = key(self, "b", block_of(number))
  local left = self.shared:incr(block, -1)
  if left and left <= 0 and block_of(number) + 1 < passed then self.shared:delete(block) end
  add(self, "count", -1)
end

local function forget(self, number)
  for _, letter in ipairs { "m", "l", "a" } do self.shared:delete(key(self, letter, number)) end
end

local function store(self, number, record, options)
  local ok, why = count_in(self, number)
  if not ok then
    add(self, "count", -1)
    return nil, why
  end
  ok, why = self.shared:safe_add(key(self, "m", number), record)
  if ok then ok, why = self.shared:safe_add(key(self, "a", number), options.attempts or 0) end
  if ok then ok, why = self.shared:safe_add(key(self, "l", number), milliseconds(options.delay)) end
  if ok then return true end
  forget(self, number)
  count_out(self, number)
  return nil, why
end

-- Move the moment from `due` to `wanted`, unless somebody else did: of two who add,
-- one finds a sum that is not his.
local function move(self, number, due, wanted)
  local name = key(self, "l", number)
  local sum = self.shared:incr(name, wanted - due)
  if sum == wanted then return wanted end
  if sum then self.shared:incr(name, due - wanted) end
  return nil
end

local function seize(self, number, seconds)
  local due = self.shared:get(key(self, "l", number))
  if not due or due > milliseconds() then return nil end
  return move(self, number, due, math.max(due + 1, milliseconds(seconds)))
end

local function remove(self, number)
  forget(self, number)
  count_out(self, number)
end

-- False when others had passed the number before the message was there, so that it
-- might have been overlooked: then it was taken back.
local function is_ahead(self, number)
  if get(self, "next") < number then return true end
  if not seize(self, number, 60) then return true end -- somebody has found it
  remove(self, number)
  return false
end

function Dict:put(record, options)
  if self.shared.capacity and #record > self.shared:capacity() then return nil, "too large" end
  local ok, why = prepare(self)
  if not ok then return nil, why end
  if not options.over and self:size() >= self.limit then return nil, "full" end
  local number
  repeat
    number = add(self, "tail", 1)
    add(self, "count", 1)
    ok, why = store(self, number, record, options)
    if not ok then return nil, why end
  until is_ahead(self, number)
  return true
end

local function lease_of(self, number, due)
  local record = self.shared:get(key(self, "m", number))
  local attempts = self.shared:incr(key(self, "a", number), 1)
  if record and attempts and attempts < DONE then
    return { record = record, attempts = attempts, number = number, due = due }
  end
  remove(self, number) -- acknowledged by somebody who was killed over it
end

local function try(self, number, seconds)
  local due = seize(self, number, seconds)
  return due and lease_of(self, number, due)
end

-- Look through a block; its count is put right if a worker died while changing it.
local function look_through(self, block, passed, now)
  local found = false
  for number = block * BLOCK, (block + 1) * BLOCK - 1 do
    local due = self.shared:get(key(self, "l", number))
    found = found or due ~= nil
    if due and due <= now and number <= passed then self.due[#self.due + 1] = number end
  end
  if found or block + 1 >= block_of(passed) then return found end
  local lost = self.shared:get(key(self, "b", block)) or 0
  self.shared:delete(key(self, "b", block))
  add(self, "count", -lost)
  for number = block * BLOCK, (block + 1) * BLOCK - 1 do forget(self, number) end
  return false
end

-- Where nothing is, nothing may be counted.
local function put_right(self, tail)
  local count = get(self, "count")
  if count ~= 0 and get(self, "tail") == tail then add(self, "count", -count) end
end

local function sweep(self)
  local tail, passed, head = get(self, "tail"), get(self, "next"), get(self, "head")
  local now, first, is_empty = milliseconds(), nil, passed >= tail
  self.due, self.at = {}, 1
  for block = head, block_of(passed) do
    if self.shared:get(key(self, "b", block)) then
      is_empty = not look_through(self, block, passed, now) and is_empty
      first = first or block
    end
  end
  first = first or block_of(passed)
  if first > head then self.shared:safe_set(self.prefix .. "head", first) end
  if is_empty then put_right(self, tail) end
end

local function take_again(self, seconds)
  if self.at > #self.due and core.now() >= self.sweep_at then
    self.sweep_at = core.now() + SWEEP
    sweep(self)
  end
  while self.at <= #self.due do
    self.at = self.at + 1
    local lease = try(self, self.due[self.at - 1], seconds)
    if lease then return lease end
  end
end

local function take_new(self, seconds)
  while get(self, "next") < get(self, "tail") do
    local number = add(self, "next", 1)
    local lease = number and try(self, number, seconds)
    if lease then return lease end
  end
end

function Dict:take(seconds)
  return take_again(self, seconds) or take_new(self, seconds)
end

function Dict:renew(lease, seconds)
  if self.shared:get(key(self, "l", lease.number)) ~= lease.due then return false end
  local due = move(self, lease.number, lease.due, milliseconds(seconds))
  lease.due = due or lease.due
  return due ~= nil
end

Dict.give_back = Dict.renew

function Dict:acknowledge(lease)
  local mark = self.shared:incr(key(self, "a", lease.number), DONE)
  if mark and mark < 2 * DONE then remove(self, lease.number) end -- else somebody did
  return true
end

function Dict:size()
  return math.max(0, get(self, "count"))
end

---Say that there is a worker that sends, and is not about to end.
function Dict:attend()
  self.shared:safe_set(self.prefix .. "attended", milliseconds())
end

---Has another worker said so since that moment of core.now()?
---@return boolean
function Dict:is_attended(since)
  return get(self, "attended") > since * 1000
end

function Dict:describe()
  return ("lua_shared_dict '%s'"):format(self.name)
end

---@param options table dict: the name; limit; name: of the queue, where a dict has several
function dict.new(options)
  local shared = rawget(_G, "ngx").shared[options.dict]
  return setmetatable({
    shared = shared, name = options.dict, limit = options.limit, prefix = "smtplib:" .. (options.name or "") .. ":",
    due = {}, at = 1, sweep_at = 0,
  }, Dict)
end

return dict
