-- What every store of a queue obeys, each rule a title and a function of a store and
-- of `open`, which gives one more on the same queue (outside this process's memory:
-- another worker or machine). Plain Lua, so that nginx can run it, too.
local core = require "smtplib.core"

local rules = {}

local function rule(title, check)
  rules[#rules + 1] = { title = title, check = check }
end

local function show(value)
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

local function equal(expected, actual)
  if expected ~= actual then error(("expected %s, got %s"):format(show(expected), show(actual)), 2) end
end

local function sleep(seconds)
  local ngx = rawget(_G, "ngx")
  if ngx then ngx.sleep(seconds) else core.sleep(seconds) end
end

-- What can be taken once somebody's time has run out.
local function wait_for(store, seconds)
  local deadline = core.now() + 20
  while core.now() < deadline do
    local lease, err = store:take(seconds or 60)
    if lease then return lease end
    if err then error(tostring(err), 2) end
    sleep(0.01)
  end
  error("nothing came back", 2)
end

local function put(store, ...)
  for _, record in ipairs { ... } do equal(true, (assert(store:put(record, {})))) end
end

local function take(store, expected, seconds)
  local lease, err = store:take(seconds or 60)
  if not lease then error(("expected %s, got nothing (%s)"):format(show(expected), tostring(err)), 2) end
  if lease.record ~= expected then error(("expected %s, got %s"):format(show(expected), show(lease.record)), 2) end
  return lease
end

local function nothing(store)
  local lease, err = store:take(60)
  if lease or err then error("expected nothing, got " .. show(lease and lease.record or err), 2) end
end

rule("is empty at first", function(store)
  equal(0, store:size())
  nothing(store)
end)

rule("hands out in order, each to one", function(store, open)
  local other = open()
  put(store, "1", "2", "3")
  take(store, "1")
  take(other, "2")
  take(store, "3")
  nothing(store)
  nothing(other)
end)

rule("keeps any bytes", function(store)
  local all = {}
  for byte = 0, 255 do all[#all + 1] = string.char(byte) end
  local record = table.concat(all):rep(300)
  put(store, record, "")
  take(store, record)
  take(store, "")
end)

rule("counts what is held, until it is acknowledged", function(store)
  put(store, "1", "2")
  local lease = take(store, "1")
  equal(2, store:size())
  equal(true, store:acknowledge(lease))
  equal(1, store:size())
  store:acknowledge(take(store, "2"))
  equal(0, store:size())
  nothing(store)
end)

rule("refuses beyond the limit, and takes again below it", function(store)
  for i = 1, 5 do put(store, tostring(i)) end
  local ok, why = store:put("6", {})
  equal(nil, ok)
  equal("full", why)
  local lease = take(store, "1")
  equal("full", select(2, store:put("6", {})))
  store:acknowledge(lease)
  put(store, "6")
  for i = 2, 6 do take(store, tostring(i)) end
end)

rule("takes the rest of a message beyond the limit", function(store)
  for i = 1, 5 do put(store, tostring(i)) end
  equal(true, (store:put("rest", { over = true })))
  equal(6, store:size())
end)

rule("hands out again what was not acknowledged in time, and counts", function(store, open)
  put(store, "1")
  equal(1, take(store, "1", 0.05).attempts)
  local lease = wait_for(open())
  equal("1", lease.record)
  equal(2, lease.attempts)
  equal(1, store:size())
end)

rule("does not hand out again what is renewed", function(store, open)
  put(store, "1")
  local lease = take(store, "1", 0.5)
  equal(true, store:renew(lease, 60))
  sleep(0.6)
  nothing(open())
  equal(true, store:renew(lease, 60))
  store:acknowledge(lease)
  equal(0, store:size())
end)

rule("tells who comes too late that he no longer holds it", function(store, open)
  put(store, "1")
  local late = take(store, "1", 0.05)
  local lease = wait_for(open())
  equal(false, store:renew(late, 0))
  equal(false, store:give_back(late, 0))
  nothing(store)
  equal(true, open():renew(lease, 60))
end)

rule("acknowledges once, whoever is first", function(store, open)
  put(store, "1", "2")
  local late = take(store, "1", 0.05)
  take(store, "2")
  local other = open()
  local lease = wait_for(other)
  equal(true, store:acknowledge(late))
  equal(true, other:acknowledge(lease))
  equal(1, store:size())
  nothing(store)
end)

rule("hands out after its delay what was given back", function(store, open)
  put(store, "1", "2")
  equal(true, store:give_back(take(store, "1"), 0.2))
  take(store, "2")
  nothing(store)
  local lease = wait_for(open())
  equal("1", lease.record)
  equal(2, lease.attempts)
end)

rule("hands out at once what was given back without one", function(store, open)
  put(store, "1")
  store:give_back(take(store, "1"), 0)
  equal("1", wait_for(open()).record)
end)

rule("puts with a delay and with attempts", function(store, open)
  equal(true, (store:put("later", { delay = 0.2, attempts = 3 })))
  put(store, "now")
  take(store, "now")
  nothing(store)
  local lease = wait_for(open())
  equal("later", lease.record)
  equal(4, lease.attempts)
  store:acknowledge(lease)
  equal(1, store:size())
  nothing(store)
end)

rule("finds the few that are left among many that are gone", function(store, open)
  local kept = {}
  for i = 1, 1500 do
    put(store, tostring(i))
    local lease = take(store, tostring(i))
    if i % 500 == 3 then
      kept[#kept + 1] = lease
    else
      store:acknowledge(lease)
    end
  end
  equal(3, store:size())
  local other = open()
  for _, lease in ipairs(kept) do
    equal(true, store:give_back(lease, 0))
    local again = wait_for(other)
    equal(lease.record, again.record)
    other:acknowledge(again)
  end
  equal(0, store:size())
end)

rule("says what it is", function(store)
  equal("string", type(store:describe()))
end)

return rules
